//! Charges weighted stacks to functions and call sites, per operation and round. Reads no file and leaves out perfkit's own work.

use std::collections::{HashMap, HashSet};

use super::stacks::{Frame, Stack, Stacks};
use super::{Allocator, Function, Holder, Site, name, stall};

/// A function below this part of the whole in every round is left out of `run.json`; the profile file has it.
const LEAST_SHARE: f64 = 0.001;
/// Call sites kept in `run.json`; the profile file has all.
const MOST_SITES: usize = 100;
/// Functions kept in `run.json` with what they allocated or held.
const MOST_ALLOCATORS: usize = 100;
/// Frames of a call site kept in `run.json`, from the allocation on.
const MOST_FRAMES: usize = 20;

/// The stacks of one round with the number of operations they are charged to.
pub(crate) struct Charged<'a> {
    pub(crate) stacks: &'a Stacks,
    pub(crate) operations: f64,
}

#[derive(Default)]
struct Sum {
    own: Vec<f64>,
    folded: Vec<f64>,
    total: Vec<f64>,
    lines: HashMap<(String, u32), f64>,
    plumbing: bool,
}

/// What one weight, such as `cpu`, charges to every function: one value for each round.
pub(crate) fn functions(rounds: &[Charged<'_>], weight: &str) -> Vec<Function> {
    let mut sums: HashMap<String, Sum> = HashMap::new();
    let mut whole = vec![0.0; rounds.len()];
    for (round, charged) in rounds.iter().enumerate() {
        let Some(weight) = charged.stacks.weight(weight) else { continue };
        for stack in program_stacks(charged.stacks) {
            let value = stack.values.get(weight).copied().unwrap_or(0) as f64 / charged.operations;
            whole[round] += value;
            charge_stack(&mut sums, charged.stacks, stack, (round, rounds.len()), value);
        }
    }
    let shares = |sum: &Sum| sum.total.iter().zip(&whole).any(|(total, all)| *total >= all * LEAST_SHARE);
    let mut functions: Vec<Function> = sums
        .into_iter()
        .filter(|(_, sum)| shares(sum))
        .map(|(name, sum)| {
            // The file and line that most of its own time was seen at. Ties go to the smaller, to be reproducible.
            let place = sum.lines.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then_with(|| b.0.cmp(&a.0)));
            let (file, line) = place.map_or((None, None), |((file, line), _)| (Some(file), Some(line)));
            Function {
                name,
                file,
                line,
                plumbing: sum.plumbing,
                self_ns_per_op: sum.own,
                folded_self_ns_per_op: sum.folded,
                total_ns_per_op: sum.total,
            }
        })
        .collect();
    let mean = |function: &Function| function.total_ns_per_op.iter().sum::<f64>();
    functions.sort_by(|a, b| mean(b).total_cmp(&mean(a)).then_with(|| a.name.cmp(&b.name)));
    functions
}

/// The stacks that are not perfkit's own work: that is not what is asked about.
fn program_stacks(stacks: &Stacks) -> impl Iterator<Item = &Stack> {
    stacks.stacks.iter().filter(|stack| !stacks.is_harness(stack))
}

/// What perfkit itself added to one weight.
pub(crate) fn harness_total(stacks: &Stacks, weight: &str) -> f64 {
    let Some(weight) = stacks.weight(weight) else { return 0.0 };
    let own = stacks.stacks.iter().filter(|stack| stacks.is_harness(stack));
    own.filter_map(|stack| stack.values.get(weight)).sum::<i64>() as f64
}

/// Charges one stack: its leaf, its nearest function of the program, and every function once.
fn charge_stack(
    sums: &mut HashMap<String, Sum>,
    stacks: &Stacks,
    stack: &Stack,
    (round, rounds): (usize, usize),
    value: f64,
) {
    let mut seen = HashSet::new();
    let mut folded = false;
    for (depth, (frame, module)) in stacks.frames(stack).enumerate() {
        let plumbing = name::is_plumbing(&frame.function, module.is_none_or(|module| module.program));
        let readable = name::readable(&frame.function);
        let sum = sums.entry(readable.clone()).or_insert_with(|| Sum {
            own: vec![0.0; rounds],
            folded: vec![0.0; rounds],
            total: vec![0.0; rounds],
            plumbing,
            ..Sum::default()
        });
        if depth == 0 {
            sum.own[round] += value;
        }
        if !plumbing && !folded {
            folded = true;
            sum.folded[round] += value;
        }
        if seen.insert(readable) {
            sum.total[round] += value;
        }
        if let (Some(file), Some(line)) = (&frame.file, frame.line) {
            *sum.lines.entry((file.clone(), line)).or_insert(0.0) += value;
        }
    }
}

#[derive(Default)]
struct SiteSum {
    bytes: f64,
    blocks: f64,
    live: f64,
    peak: f64,
    growth: Vec<f64>,
    all_blocks: f64,
    /// Blocks that were temporary and short-lived, and resizes per operation, where the recorder tells.
    used: Option<[f64; 3]>,
}

/// Allocation by call path, over the rounds of the heap pass.
pub(crate) fn sites(rounds: &[Charged<'_>]) -> Vec<Site> {
    let mut sums: HashMap<(Vec<Frame>, &str), SiteSum> = HashMap::new();
    let count = rounds.len().max(1) as f64;
    for (round, charged) in rounds.iter().enumerate() {
        let stacks = charged.stacks;
        let weights = ["alloc_space", "alloc_objects", "inuse_space", "peak_space"].map(|name| stacks.weight(name));
        let used = ["temporary_objects", "short_lived_objects", "resizes"].map(|name| stacks.weight(name));
        for stack in program_stacks(stacks) {
            let value =
                |index: usize| weights[index].and_then(|weight| stack.values.get(weight)).copied().unwrap_or(0) as f64;
            let path: Vec<Frame> = stacks.frames(stack).take(MOST_FRAMES).map(|(frame, _)| frame.clone()).collect();
            let sum = sums
                .entry((path, stack.task.as_str()))
                .or_insert_with(|| SiteSum { growth: vec![0.0; rounds.len()], ..SiteSum::default() });
            sum.bytes += value(0) / charged.operations / count;
            sum.blocks += value(1) / charged.operations / count;
            sum.live += value(2) / count;
            sum.peak += value(3) / count;
            sum.growth[round] += value(2) / charged.operations;
            sum.all_blocks += value(1);
            if used.iter().all(Option::is_some) {
                let of =
                    |index: usize| used[index].and_then(|weight| stack.values.get(weight)).copied().unwrap_or(0) as f64;
                let sums = sum.used.get_or_insert([0.0; 3]);
                sums[0] += of(0);
                sums[1] += of(1);
                sums[2] += of(2) / charged.operations / count;
            }
        }
    }
    let mut sites: Vec<Site> = sums
        .into_iter()
        .map(|((stack, task), sum)| Site {
            stack,
            bytes_per_op: sum.bytes,
            blocks_per_op: sum.blocks,
            live_bytes_end: sum.live,
            peak_bytes: sum.peak,
            growth_bytes_per_op: sum.growth,
            task: task.to_owned(),
            temporary: sum.used.map(|used| used[0] / sum.all_blocks),
            short_lived: sum.used.map(|used| used[1] / sum.all_blocks),
            resizes_per_op: sum.used.map(|used| used[2]),
            ..Site::default()
        })
        .collect();
    sites.sort_by(|a, b| {
        b.bytes_per_op.total_cmp(&a.bytes_per_op).then_with(|| {
            let names = |site: &Site| site.stack.iter().map(|frame| frame.function.clone()).collect::<Vec<_>>();
            names(a).cmp(&names(b))
        })
    });
    sites.truncate(MOST_SITES);
    sites
}

type Place = (Option<String>, Option<u32>);
/// The values of each weight in each round, and the places that have them.
type Sums = (Vec<Vec<f64>>, HashMap<Place, f64>);

/// What a function of the program has of some weights.
struct Part {
    name: String,
    file: Option<String>,
    line: Option<u32>,
    /// One list of each round's values for each weight.
    values: Vec<Vec<f64>>,
}

/// What each function of the program allocated, over the rounds of the heap pass; those that allocated most first.
pub(crate) fn allocators(rounds: &[Charged<'_>]) -> Vec<Allocator> {
    let parts = by_culprit(rounds, &["alloc_space", "alloc_objects"], |round| round.operations);
    let allocator = |Part { name, file, line, values }: Part| {
        let [bytes_per_op, blocks_per_op] = <[Vec<f64>; 2]>::try_from(values).unwrap_or_default();
        Allocator { name, file, line, bytes_per_op, blocks_per_op }
    };
    parts.into_iter().map(allocator).collect()
}

/// What each function of the program held when the heap was at its largest, over the rounds of the memory pass; those that held most
/// first.
pub(crate) fn holders(rounds: &[Charged<'_>]) -> Vec<Holder> {
    let parts = by_culprit(rounds, &["peak_space"], |_| 1.0);
    let holder = |Part { name, file, line, values }: Part| {
        let [peak_bytes] = <[Vec<f64>; 1]>::try_from(values).unwrap_or_default();
        Holder { name, file, line, peak_bytes }
    };
    parts.into_iter().map(holder).collect()
}

/// The weights of each round, divided, by the nearest function of the program; with the place that has most of the first.
fn by_culprit(rounds: &[Charged<'_>], weights: &[&str], divisor: fn(&Charged<'_>) -> f64) -> Vec<Part> {
    let mut sums: HashMap<String, Sums> = HashMap::new();
    for (round, charged) in rounds.iter().enumerate() {
        let places: Vec<Option<usize>> = weights.iter().map(|name| charged.stacks.weight(name)).collect();
        for stack in program_stacks(charged.stacks) {
            let value = |place: &Option<usize>| place.and_then(|place| stack.values.get(place)).copied().unwrap_or(0);
            let values: Vec<f64> = places.iter().map(|place| value(place) as f64 / divisor(charged)).collect();
            let path: Vec<Frame> = charged.stacks.frames(stack).map(|(frame, _)| frame.clone()).collect();
            let any = values.iter().any(|value| *value > 0.0);
            let Some(culprit) = stall::culprit(&path).filter(|_| any) else { continue };
            let (of_function, lines) = sums
                .entry(name::readable(&culprit.function))
                .or_insert_with(|| (vec![vec![0.0; rounds.len()]; weights.len()], HashMap::new()));
            of_function.iter_mut().zip(&values).for_each(|(sums, value)| sums[round] += value);
            *lines.entry((culprit.file.clone(), culprit.line)).or_insert(0.0) += values[0];
        }
    }
    let mut parts: Vec<Part> = sums
        .into_iter()
        .map(|(name, (values, lines))| {
            let place = lines.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then_with(|| b.0.cmp(&a.0)));
            let (file, line) = place.map(|(place, _)| place).unwrap_or_default();
            Part { name, file, line, values }
        })
        .collect();
    let whole = |part: &Part| part.values.first().map_or(0.0, |of_first| of_first.iter().sum::<f64>());
    parts.sort_by(|a, b| whole(b).total_cmp(&whole(a)).then_with(|| a.name.cmp(&b.name)));
    parts.truncate(MOST_ALLOCATORS);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::stacks::Location;

    #[test]
    fn plumbing_is_charged_to_its_caller_and_recursion_counts_once() {
        let mut stacks = Stacks::new(&[("samples", "count"), ("cpu", "nanoseconds")]);
        for function in ["core::ptr::write", "app::work", "app::work", "tokio::run"] {
            let frame = Frame { function: function.into(), ..Frame::default() };
            stacks.locations.push(Location { address: 0, module: None, frames: vec![frame] });
        }
        stacks.stacks.push(Stack { locations: vec![0, 1, 2, 3], values: vec![1, 100], ..Stack::default() });
        let functions = functions(&[Charged { stacks: &stacks, operations: 10.0 }], "cpu");
        let work = functions.iter().find(|function| function.name == "app::work").unwrap();
        assert_eq!(work.self_ns_per_op, [0.0]);
        assert_eq!((&work.folded_self_ns_per_op, &work.total_ns_per_op), (&vec![10.0], &vec![10.0]));
        let leaf = functions.iter().find(|function| function.name == "core::ptr::write").unwrap();
        assert!(leaf.plumbing);
        assert_eq!(leaf.self_ns_per_op, [10.0]);
    }
}

//! Looks again and again at what is alive, while a workload runs rounds in one process. What it keeps between two looks is not in
//! what it sees: its blocks are not tracked, and its room does not grow with the looks, so that resident memory does not either.

#![allow(clippy::disallowed_methods, reason = "when something was seen is shown; nothing is judged by it")]

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::time::Instant;

use super::heap_is_tracked;
use super::named::Named;
use super::own::untracked;
use super::recorder::{Blocks, Recording};
use super::sites::{self, Site as Place};
use crate::probe::{alive, resources};
use crate::record::growth::{Alive, Growth, Quantity};
use crate::record::series::Series;
use crate::record::stacks::{Frame, Stacks};
use crate::record::{Reading, Site};
use crate::stats::confirmed;
use crate::unit::{Better, Unit};
use crate::warning::Caution;

/// Frames of a call site that are kept, from the allocation on.
const MOST_FRAMES: usize = 20;
/// Looks of a session, for which there is room from the start.
const MOST_LOOKS: usize = 2 * confirmed::ROUNDS;
/// Sites that are kept: those that grew most.
const MOST_SITES: usize = 100;

/// Watches what is alive.
pub(crate) struct Watch {
    /// `None` where the program does not track its heap.
    recording: Option<Recording>,
    started: Instant,
    looks: Vec<Look>,
    /// Sites in the order they were first seen, and which have been.
    seen: Vec<Seen>,
    known: HashSet<usize>,
}

/// A site, and the bytes and blocks that it held at each look.
struct Seen {
    place: &'static Place,
    held: Vec<(i64, i64)>,
}

impl Seen {
    fn new(place: &'static Place) -> Self {
        Self { place, held: vec![(0, 0); MOST_LOOKS] }
    }

    fn note(&mut self, look: usize) {
        if look >= self.held.len() {
            self.held.resize(look + 1, (0, 0));
        }
        self.held[look] = self.place.counters.live();
    }
}

/// What was alive at one time.
struct Look {
    at_ns: u64,
    operations: u64,
    resources: Option<resources::Sample>,
    tasks: Vec<(String, f64)>,
    all_tasks: usize,
}

impl Watch {
    /// Begins to record: blocks that are made from now on.
    pub(crate) fn start() -> Self {
        let recording = heap_is_tracked().then(|| Recording::start(Blocks::All));
        Self { recording, started: Instant::now(), looks: Vec::new(), seen: Vec::new(), known: HashSet::new() }
    }

    /// Looks at what is alive after so many operations. No operation is under way.
    pub(crate) fn look(&mut self, operations: u64, all_tasks: usize) {
        untracked(|| {
            for site in sites::all() {
                if self.known.insert(std::ptr::from_ref(site).addr()) {
                    self.seen.push(Seen::new(site));
                }
            }
            self.seen.iter_mut().for_each(|seen| seen.note(self.looks.len()));
            let look = Look {
                at_ns: u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX),
                operations,
                resources: resources::sample(self.started).ok(),
                tasks: alive::now(),
                all_tasks,
            };
            self.looks.push(look);
        });
    }

    /// Looks that were taken.
    pub(crate) fn looks(&self) -> usize {
        self.looks.len()
    }

    /// Leaves every second look out: rounds are then twice as long, and half as many.
    pub(crate) fn thin(&mut self) {
        untracked(|| {
            for seen in &mut self.seen {
                (0..self.looks.len() / 2).for_each(|look| seen.held[look] = seen.held[2 * look + 1]);
            }
            let mut index = 0;
            self.looks.retain(|_| {
                index += 1;
                index % 2 == 0
            });
        });
    }

    /// What was seen so far, of sites without names: reading names would make the process larger, which is looked at. To be called
    /// in [`untracked`], as what comes of it.
    pub(crate) fn unnamed(&self, warm_up: u32) -> (Growth, impl Iterator<Item = Site>) {
        let total = |of: fn(&(i64, i64)) -> i64| -> Vec<f64> {
            let at = |look: usize| self.seen.iter().map(|seen| of(&seen.held[look]) as f64).sum();
            (0..self.looks.len()).map(at).collect()
        };
        let growth = self.quantities(warm_up, [total(|held| held.0), total(|held| held.1)]);
        (growth, self.series().map(|(_, site)| site))
    }

    /// Each place that holds or held something, with its series.
    fn series(&self) -> impl Iterator<Item = (&'static Place, Site)> {
        self.seen.iter().filter_map(|seen| {
            let held = &seen.held[..self.looks.len()];
            let live_bytes = held.iter().map(|(bytes, _)| *bytes as f64).collect();
            let live_blocks = held.iter().map(|(_, blocks)| *blocks as f64).collect();
            let any = held.iter().any(|(bytes, _)| *bytes != 0);
            any.then(|| (seen.place, Site { live_bytes, live_blocks, ..Site::default() }))
        })
    }

    /// Everything, as a reading.
    pub(crate) fn finish(self, warm_up: u32) -> Reading {
        let (growth, mut sites) = untracked(|| {
            let sites = self.sites();
            let total = |of: fn(&Site) -> &Vec<f64>| -> Vec<f64> {
                (0..self.looks.len()).map(|look| sites.iter().map(|site| of(site)[look]).sum()).collect()
            };
            let live = [total(|site| &site.live_bytes), total(|site| &site.live_blocks)];
            (self.quantities(warm_up, live), sites)
        });
        sites.truncate(MOST_SITES);
        let mut reading = Reading::of("heap");
        if let Some(recording) = &self.recording {
            let stacks = program(recording.stacks());
            let total = |weight: &str| stacks.weight(weight).map_or(0.0, |weight| stacks.total(weight) as f64);
            reading.per_operation("heap.bytes_per_op", Unit::Bytes, Better::Lower, total("alloc_space"));
            reading.per_operation("heap.blocks_per_op", Unit::Count, Better::Lower, total("alloc_objects"));
            reading.metric("heap.peak", Unit::Bytes, Better::Lower, total("peak_space"));
            reading.per_operation("heap.growth_per_op", Unit::Bytes, Better::Lower, total("inuse_space"));
            reading.stacks.push(("heap".to_owned(), stacks));
        } else {
            reading.warnings.push(Caution::NoHeapTracking.into());
        }
        reading.fact("recorder", "exact");
        reading.fact("looks", self.looks.len());
        reading.series = self.series_of(&growth);
        reading.growth = Some((growth, sites));
        reading
    }

    /// The same over time, for `series.csv`: each quantity, and the operations that had been done.
    fn series_of(&self, growth: &Growth) -> Vec<Series> {
        let over_time = |name: &str, unit, values: &mut dyn Iterator<Item = f64>| Series {
            name: name.to_owned(),
            unit,
            points: self.looks.iter().map(|look| look.at_ns).zip(values).collect(),
        };
        let operations = &mut growth.operations.iter().map(|operations| *operations as f64);
        let mut series = vec![over_time("operations", Unit::Count, operations)];
        let quantities = growth.quantities.iter();
        series.extend(quantities.map(|known| over_time(&known.name, known.unit, &mut known.values.iter().copied())));
        series
    }

    /// The sites with their series, those that grew most first; perfkit's own are left out.
    fn sites(&self) -> Vec<Site> {
        let mut named = Named::load(&[]);
        let mut sums: HashMap<(Vec<Frame>, String), Site> = HashMap::new();
        for (place, series) in self.series() {
            let stack = named.stack(place, Vec::new());
            if named.stacks.is_harness(&stack) {
                continue;
            }
            let path = frames(&named.stacks, &stack);
            match sums.entry((path.clone(), stack.task.clone())) {
                Entry::Vacant(entry) => {
                    entry.insert(Site { stack: path, task: stack.task, ..series });
                }
                Entry::Occupied(mut entry) => {
                    let sum = entry.get_mut();
                    sum.live_bytes.iter_mut().zip(series.live_bytes).for_each(|(sum, bytes)| *sum += bytes);
                    sum.live_blocks.iter_mut().zip(series.live_blocks).for_each(|(sum, blocks)| *sum += blocks);
                }
            }
        }
        let mut sites: Vec<Site> = sums.into_values().collect();
        let grown = |site: &Site| site.live_bytes.last().unwrap_or(&0.0) - site.live_bytes.first().unwrap_or(&0.0);
        sites.sort_by(|a, b| grown(b).total_cmp(&grown(a)).then_with(|| name(a).cmp(&name(b))));
        for site in &mut sites {
            self.complete(site);
        }
        sites
    }

    /// Adds what follows from a site's series.
    fn complete(&self, site: &mut Site) {
        site.live_bytes_end = site.live_bytes.last().copied().unwrap_or(0.0);
        let operations = |index: usize| self.looks[index].operations as f64;
        let per_operation = |index: usize| {
            (site.live_bytes[index] - site.live_bytes[index - 1]) / (operations(index) - operations(index - 1))
        };
        site.growth_bytes_per_op = (1..self.looks.len()).map(per_operation).collect();
    }

    /// With the bytes and blocks that were alive at each look.
    fn quantities(&self, warm_up: u32, [bytes, blocks]: [Vec<f64>; 2]) -> Growth {
        let looks = &self.looks;
        let mut growth =
            Growth { operations: looks.iter().map(|look| look.operations).collect(), warm_up, ..Growth::default() };
        let mut add = |name: &str, unit, values: Vec<f64>| {
            growth.quantities.push(Quantity { name: name.to_owned(), unit, values });
        };
        if self.recording.is_some() {
            add("heap.live", Unit::Bytes, bytes);
            add("heap.blocks", Unit::Count, blocks);
        }
        if looks.iter().all(|look| look.resources.is_some()) {
            let of = |value: fn(&resources::Sample) -> u64| -> Vec<f64> {
                looks.iter().filter_map(|look| look.resources.as_ref()).map(|sample| value(sample) as f64).collect()
            };
            add("rss", Unit::Bytes, of(|sample| sample.rss_bytes));
            add("threads", Unit::Count, of(|sample| sample.threads));
            add("descriptors", Unit::Count, of(|sample| sample.descriptors));
        }
        add("tasks", Unit::Count, looks.iter().map(|look| look.all_tasks as f64).collect());
        growth.tasks = self.tasks();
        growth
    }

    fn tasks(&self) -> Vec<Alive> {
        let mut places: Vec<&str> =
            self.looks.iter().flat_map(|look| &look.tasks).map(|(place, _)| place.as_str()).collect();
        places.sort_unstable();
        places.dedup();
        let count = |look: &Look, place: &str| look.tasks.iter().filter(|(at, _)| at == place).map(|(_, n)| n).sum();
        let of = |place: &str| self.looks.iter().map(|look| count(look, place)).collect();
        places.into_iter().map(|place| Alive { spawned_at: place.to_owned(), values: of(place) }).collect()
    }
}

/// The stacks that are not perfkit's own: it records before the workers are set up, and makes much of its own then.
fn program(mut stacks: Stacks) -> Stacks {
    let all = std::mem::take(&mut stacks.stacks);
    stacks.stacks = all.into_iter().filter(|stack| !stacks.is_harness(stack)).collect();
    stacks
}

/// The frames of a stack that are kept.
fn frames(stacks: &Stacks, stack: &crate::record::stacks::Stack) -> Vec<Frame> {
    stacks.frames(stack).take(MOST_FRAMES).map(|(frame, _)| frame.clone()).collect()
}

fn name(site: &Site) -> Vec<&str> {
    site.stack.iter().map(|frame| frame.function.as_str()).collect()
}

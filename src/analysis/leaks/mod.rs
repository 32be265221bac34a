//! Whether something grows with the operations: live heap in total and by call site, tasks, threads, descriptors, resident memory.
//! Pure: reads the [`Run`] of a `leaks` session, decides with `stats::confirmed`. Refuses runs without such a session.

mod finding;
mod types;

use std::borrow::Cow;

use crate::record::growth::{Growth, Quantity};
use crate::record::{Run, Site, Status, name, stall};
use crate::stats::confirmed;
use crate::stats::growth::{self, Series, Settings};
use crate::stats::interval::Interval;
use crate::unit::Unit;

pub(super) use finding::ANALYSIS;
pub use types::{Judged, JudgedSite, Leaks, Rate, SCHEMA, Verdict};

/// The confidence of the intervals.
const CONFIDENCE: f64 = 0.95;
/// Operations of a round below which nothing is said to be flat: what one in a hundred operations leaks would hardly be seen.
const FEWEST: u64 = 20;

/// Judges a `leaks` session; `None` where the run is of none. The same run gives the same verdicts.
///
/// ```
/// use perfkit::analysis::leaks;
/// use perfkit::record::Run;
/// assert!(leaks::analyze(&Run::foreign("example", "1", "shop")).is_none());
/// ```
#[must_use]
pub fn analyze(run: &Run) -> Option<Leaks> {
    let growth = run.growth.as_ref()?;
    let mut leaks = Leaks {
        schema: Cow::Borrowed(SCHEMA),
        run: run.id.clone(),
        workload: run.workload.clone(),
        variant: run.variant.clone(),
        status: run.status,
        status_reason: run.status_reason.clone(),
        verdict: Verdict::Inconclusive,
        confidence: CONFIDENCE,
        operations: growth.operations.last().copied().unwrap_or(0),
        operations_per_round: growth.operations_per_round(),
        rounds: growth.operations.len() as u32,
        warm_up_rounds: growth.warm_up,
        quantities: Vec::new(),
        sites: Vec::new(),
        tasks: Vec::new(),
        operations_needed: None,
        warnings: run.warnings.clone(),
    };
    if run.status == Status::Invalid {
        return Some(leaks);
    }
    let mut needed = Vec::new();
    leaks.quantities =
        growth.quantities.iter().filter_map(|quantity| of_quantity(growth, quantity, &mut needed)).collect();
    retain(&mut leaks.quantities);
    leaks.sites = run.sites.iter().filter_map(|site| of_site(growth, site, &mut needed)).collect();
    leaks.sites.sort_by(|a, b| b.verdict.cmp(&a.verdict).then_with(|| steepness(b).total_cmp(&steepness(a))));
    let tasks = growth.tasks.iter().map(|tasks| {
        let judged = judge(&tasks.values, &[], &confirmed::things(leaks.operations_per_round as f64));
        needed.extend(judged.operations_needed);
        figures(&tasks.spawned_at, Unit::Count, &tasks.values, &judged)
    });
    leaks.tasks = tasks.filter(|judged| judged.verdict != Verdict::Ok).collect();
    leaks.verdict = overall(&leaks);
    if leaks.verdict < Verdict::Growing && leaks.operations_per_round < FEWEST {
        leaks.verdict = Verdict::Inconclusive;
        needed.push(FEWEST * confirmed::ROUNDS as u64);
    }
    let open = matches!(leaks.verdict, Verdict::Inconclusive | Verdict::Growing);
    leaks.operations_needed = needed.into_iter().max().filter(|_| open);
    Some(leaks)
}

/// The verdicts of the sites that are in a run, for `run.json`: in the order of its sites.
#[must_use]
pub fn site_verdicts(run: &Run) -> Vec<Option<Verdict>> {
    let Some(growth) = run.growth.as_ref().filter(|_| run.status != Status::Invalid) else {
        return vec![None; run.sites.len()];
    };
    let settings = confirmed::bytes(growth.operations_per_round() as f64);
    let verdict = |site: &Site| word(judge(&site.live_bytes, &site.live_blocks, &settings).verdict);
    run.sites.iter().map(|site| Some(verdict(site))).collect()
}

/// What the call sites of one function held after each round.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The nearest function of the program.
    pub function: String,
    /// Bytes after each round.
    pub live_bytes: Vec<f64>,
}

/// The functions whose call sites grew most, at most so many.
#[must_use]
pub fn by_function(run: &Run, most: usize) -> Vec<Held> {
    let mut all: Vec<Held> = Vec::new();
    // Sites stand by their growth.
    for site in run.sites.iter().filter(|site| !site.live_bytes.is_empty()) {
        let function = function(site);
        if let Some(held) = all.iter_mut().find(|held| held.function == function) {
            held.live_bytes.iter_mut().zip(&site.live_bytes).for_each(|(sum, bytes)| *sum += bytes);
        } else if all.len() < most {
            all.push(Held { function, live_bytes: site.live_bytes.clone() });
        }
    }
    all
}

fn function(site: &Site) -> String {
    stall::culprit(&site.stack).map_or_else(|| "[unknown]".to_owned(), |frame| name::readable(&frame.function))
}

impl Verdict {
    /// The word in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::WarmUp => "warm-up",
            Self::Inconclusive => "inconclusive",
            Self::Retention => "retention",
            Self::Growing => "growing",
            Self::Leak => "leak",
        }
    }
}

fn word(verdict: growth::Verdict) -> Verdict {
    match verdict {
        growth::Verdict::Ok => Verdict::Ok,
        growth::Verdict::WarmUp => Verdict::WarmUp,
        growth::Verdict::Growing => Verdict::Growing,
        growth::Verdict::Leak => Verdict::Leak,
        growth::Verdict::Inconclusive => Verdict::Inconclusive,
    }
}

fn judge(values: &[f64], blocks: &[f64], settings: &Settings) -> growth::Growth {
    confirmed::judge(&Series { values, blocks }, settings)
}

/// How fast something grows; none where it grows in steps between which nothing does.
fn rate(judged: &growth::Growth) -> Option<Rate> {
    let steps = judged.verdict == growth::Verdict::Growing;
    judged.slope.filter(|slope| !steps || slope.estimate > 0.0).map(of_interval)
}

fn of_interval(interval: Interval) -> Rate {
    Rate { estimate: interval.estimate, low: interval.low, high: interval.high }
}

fn figures(name: &str, unit: Unit, values: &[f64], judged: &growth::Growth) -> Judged {
    Judged {
        name: name.to_owned(),
        unit,
        verdict: word(judged.verdict),
        rate: rate(judged),
        first: values.first().copied().unwrap_or(0.0),
        last: values.last().copied().unwrap_or(0.0),
    }
}

fn of_quantity(growth: &Growth, quantity: &Quantity, needed: &mut Vec<u64>) -> Option<Judged> {
    let operations = growth.operations_per_round() as f64;
    let (settings, blocks) = match quantity.name.as_str() {
        "heap.live" => {
            (confirmed::bytes(operations), growth.quantity("heap.blocks").map_or(&[][..], |blocks| &blocks.values))
        }
        // They are there for the live bytes.
        "heap.blocks" => return None,
        "rss" => (confirmed::resident(operations), &[][..]),
        _ => (confirmed::things(operations), &[][..]),
    };
    let judged = judge(&quantity.values, blocks, &settings);
    if quantity.name == "heap.live" {
        needed.extend(judged.operations_needed);
    }
    Some(figures(&quantity.name, quantity.unit, &quantity.values, &judged))
}

/// Resident memory that grows with what is alive is the same growth; alone it is the allocator's. It never is a leak by itself.
fn retain(quantities: &mut [Judged]) {
    let live = quantities.iter().find(|judged| judged.name == "heap.live").map(|judged| judged.verdict);
    let Some(rss) = quantities.iter_mut().find(|judged| judged.name == "rss") else { return };
    if rss.verdict == Verdict::Inconclusive && rss.last - rss.first < confirmed::resident(1.0).least_growth {
        rss.verdict = Verdict::Ok;
    }
    if matches!(rss.verdict, Verdict::Leak | Verdict::Growing) {
        rss.verdict = match live {
            Some(Verdict::Leak | Verdict::Growing) | None => Verdict::Growing,
            Some(_) => Verdict::Retention,
        };
    }
}

/// A site that is not flat.
fn of_site(growth: &Growth, site: &Site, needed: &mut Vec<u64>) -> Option<JudgedSite> {
    let settings = confirmed::bytes(growth.operations_per_round() as f64);
    let judged = judge(&site.live_bytes, &site.live_blocks, &settings);
    if judged.verdict == growth::Verdict::Ok {
        return None;
    }
    needed.extend(judged.operations_needed);
    let at = |index: Option<usize>| index.and_then(|index| growth.operations.get(index)).copied().unwrap_or(0);
    let culprit = stall::culprit(&site.stack);
    Some(JudgedSite {
        function: function(site),
        place: culprit.map_or_else(String::new, |frame| super::summary::place(frame.file.as_deref(), frame.line)),
        verdict: word(judged.verdict),
        rate: rate(&judged),
        blocks: judged.blocks_per_operation.map(of_interval),
        live_bytes: site.live_bytes.last().copied().unwrap_or(0.0),
        live_blocks: site.live_blocks.last().copied().unwrap_or(0.0),
        first_seen: at(site.live_bytes.iter().position(|bytes| *bytes > 0.0)),
        last_grown: at(site.live_bytes.windows(2).rposition(|pair| pair[1] > pair[0]).map(|index| index + 1)),
        task: site.task.clone(),
        stack: site.stack.clone(),
    })
}

fn steepness(site: &JudgedSite) -> f64 {
    site.rate.map_or(0.0, |rate| rate.estimate)
}

/// The worst verdict. What is in a site is in the total too: a site whose growth is within the noise of the others counts as well.
/// Resident memory that is too noisy to judge leaves the verdict to what is alive.
fn overall(leaks: &Leaks) -> Verdict {
    let is_noise = |judged: &&Judged| judged.name == "rss" && judged.verdict == Verdict::Inconclusive;
    let known = leaks.quantities.iter().any(|judged| judged.name == "heap.live");
    let quantities = leaks.quantities.iter().chain(&leaks.tasks).filter(|judged| !(known && is_noise(judged)));
    let quantities = quantities.map(|judged| judged.verdict);
    quantities.chain(leaks.sites.iter().map(|site| site.verdict)).max().unwrap_or(Verdict::Inconclusive)
}

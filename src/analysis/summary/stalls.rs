//! Stalls as reports show them and findings speak of them: those of one place together, ranked by the delay that they
//! caused. Only the program's own are ranked; what the machine preempted is counted, and charged to nobody.

mod words;

use std::collections::BTreeMap;

use serde_json::Value;

use super::place;
use crate::record::pass::Pass;
use crate::record::stall::Cause;
use crate::record::{Probed, Run, Stall, name};

/// What counts as a stall where the run does not say.
const THRESHOLD_NS: f64 = 10e6;

/// What the probe says where no task was left out.
pub const EVERY_TASK: &str = "every task";

/// The stalls of one place in the program.
#[derive(Clone, Debug, PartialEq)]
pub struct HotStall<'a> {
    /// The one that delayed others most; of those that delayed nobody, the longest.
    pub worst: &'a Stall,
    /// The readable name of the function to look at.
    pub function: String,
    /// Its source file, where known.
    pub file: Option<&'a str>,
    /// The line in it; of a computation the one that most of the time was seen at.
    pub line: Option<u32>,
    /// `file:line`, where known.
    pub place: String,
    /// What the threads did.
    pub cause: Cause,
    /// The system call that most of the time was spent in.
    pub syscall: Option<&'a str>,
    /// How many there were.
    pub count: u64,
    /// How long they held their threads, all together.
    pub held_ns: u64,
    /// The longest.
    pub longest_ns: u64,
    /// Tasks that were ready meanwhile, one that met several stalls counted for each.
    pub delayed_tasks: u64,
    /// How long those waited, all together.
    pub delay_ns: u64,
    /// By how much timers fired too late, all together.
    pub timer_delay_ns: u64,
    /// By how much a timer fired too late at most.
    pub timer_late_ns: u64,
    /// Where most of the tasks were spawned.
    pub spawned_at: Option<&'a str>,
}

/// All stalls of a run in a few numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview<'a> {
    /// Rounds that were watched.
    pub rounds: usize,
    /// The program's own stalls in a round.
    pub per_round: f64,
    /// Those that the machine preempted, in a round.
    pub preempted_per_round: f64,
    /// The program's own stalls of all rounds.
    pub count: u64,
    /// Those of them that the run has kept; the others are in its `stalls.jsonl` alone.
    pub kept: u64,
    /// In a round those that were blocked, and those that computed; unknown where the run has not kept all.
    pub by_cause: Option<(f64, f64)>,
    /// The part of the worker threads' time that they took.
    pub held_share: Option<f64>,
    /// The longest of the program's own.
    pub longest_ns: f64,
    /// How long a poll had to take.
    pub threshold_ns: f64,
    /// Which tasks were watched.
    pub covered: Option<&'a str>,
}

/// The probe's own account of the rounds.
fn told(run: &Run) -> impl Iterator<Item = &Value> {
    let probe: Option<&Probed> = run.probes.iter().find(|probe| probe.name == "stalls");
    probe.and_then(|probe| probe.detail.get("rounds")?.as_array()).into_iter().flatten()
}

/// Whether stalls were looked for: without that their absence says nothing.
#[must_use]
pub fn were_watched(run: &Run) -> bool {
    !run.stalls.is_empty() || run.probes.iter().any(|probe| probe.name == "stalls")
}

/// How long a poll had to take to be a stall.
#[must_use]
pub fn threshold_ns(run: &Run) -> f64 {
    told(run).find_map(|round| round.get("threshold_ns")?.as_f64()).unwrap_or(THRESHOLD_NS)
}

/// Rounds in which stalls were looked for.
#[must_use]
pub fn rounds(run: &Run) -> usize {
    let measured = run.metric("stalls.count").map_or(0, |metric| metric.finite().len());
    let seen = run.stalls.iter().map(|stall| stall.round as usize + 1).max().unwrap_or(0);
    measured.max(seen).max(told(run).count()).max(1)
}

/// Threads that poll tasks, as the run's description of its runtime says.
#[must_use]
pub fn workers(run: &Run) -> Option<u32> {
    match run.load.runtime.split_once(':') {
        Some(("multi", number)) => number.parse().ok().filter(|number| *number > 0),
        _ => (run.load.runtime == "current").then_some(1),
    }
}

/// The good operations of each round of the time pass beside a metric's value in it.
fn by_round<'a>(run: &'a Run, metric: &str) -> impl Iterator<Item = (f64, f64)> + 'a {
    let values = run.metric(metric).map_or(&[][..], |metric| metric.values.as_slice());
    let rounds = run.rounds.iter().filter(|round| round.pass == Pass::Time);
    rounds.map(|round| round.ok as f64).zip(values.iter().copied())
}

/// The time of all worker threads in all rounds, where it can be told from throughput and operations.
#[must_use]
pub fn worker_ns(run: &Run) -> Option<f64> {
    let seconds: f64 = by_round(run, "throughput").map(|(ok, rate)| ok / rate).filter(|time| time.is_finite()).sum();
    workers(run).map(|workers| f64::from(workers) * seconds * 1e9).filter(|time| *time > 0.0)
}

/// How long the program's own stalls held worker threads in all rounds, also those that the run has not kept.
#[must_use]
pub fn held_ns(run: &Run) -> f64 {
    let measured: f64 =
        by_round(run, "stalls.blocked_per_op").map(|(ok, held)| ok * held).filter(|held| held.is_finite()).sum();
    let kept: u64 = own(run).map(|stall| stall.duration_ns).sum();
    measured.max(kept as f64)
}

/// The program's own stalls that the run has kept.
pub fn own(run: &Run) -> impl Iterator<Item = &Stall> {
    run.stalls.iter().filter(|stall| stall.is_own())
}

/// All stalls in a few numbers; `None` where they were not looked for.
#[must_use]
pub fn overview(run: &Run) -> Option<Overview<'_>> {
    if !were_watched(run) {
        return None;
    }
    let rounds = rounds(run);
    let sum = |metric: &str| run.metric(metric).map_or(0.0, |metric| metric.finite().iter().sum());
    let kept = own(run).count() as u64;
    let of = |cause: Cause| own(run).filter(|stall| stall.cause == cause).count() as f64 / rounds as f64;
    let preempted = (run.stalls.len() as u64 - kept) as f64;
    let count = sum("stalls.count").max(kept as f64);
    let longest = own(run).map(|stall| stall.duration_ns as f64).fold(0.0, f64::max);
    let measured = run.metric("stalls.max").map_or(0.0, |metric| metric.finite().into_iter().fold(0.0, f64::max));
    Some(Overview {
        rounds,
        per_round: count / rounds as f64,
        preempted_per_round: sum("stalls.preempted").max(preempted) / rounds as f64,
        count: count as u64,
        kept,
        by_cause: (kept > 0 && kept == count as u64).then(|| (of(Cause::Blocked), of(Cause::Cpu))),
        held_share: worker_ns(run).map(|whole| (held_ns(run) / whole).min(1.0)),
        longest_ns: longest.max(measured),
        threshold_ns: threshold_ns(run),
        covered: told(run).find_map(|round| round.get("covered")?.as_str()),
    })
}

/// Sections that handed their thread over before they blocked it, by function: how often, and how long it took.
#[must_use]
pub fn in_place(run: &Run) -> Vec<(String, u64, f64)> {
    let mut sums: BTreeMap<String, (u64, f64)> = BTreeMap::new();
    for hold in told(run).filter_map(|round| round.get("in_place")?.as_array()).flatten() {
        let function =
            hold.get("function").and_then(Value::as_str).filter(|name| !name.is_empty()).unwrap_or("[unknown]");
        let sum = sums.entry(name::readable(function)).or_default();
        sum.0 += hold.get("count").and_then(Value::as_u64).unwrap_or(0);
        sum.1 += hold.get("held_ns").and_then(Value::as_f64).unwrap_or(0.0);
    }
    let mut holds: Vec<_> = sums.into_iter().map(|(function, (count, held))| (function, count, held)).collect();
    holds.retain(|(_, count, _)| *count > 0);
    holds.sort_by(|a, b| b.2.total_cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
    holds
}

/// What makes stalls one: cause, function, file and line, and whether a lock may be what they wait for. A computation is
/// seen at any of its lines, so that they do not tell it from another.
type Place<'a> = (Cause, String, Option<&'a str>, Option<u32>, bool);

fn place_of(stall: &Stall) -> Place<'_> {
    let frame = stall.culprit();
    let line = frame.and_then(|frame| frame.line).filter(|_| stall.cause != Cause::Cpu);
    let function = frame.map_or_else(|| "[unknown]".to_owned(), |frame| name::readable(&frame.function));
    let waits_for_thread = stall.syscall.as_deref() == Some("futex");
    (stall.cause, function, frame.and_then(|frame| frame.file.as_deref()), line, waits_for_thread)
}

/// The program's own stalls by place, those that delayed others most first, then those that held their threads longest.
#[must_use]
pub fn stalls(run: &Run) -> Vec<HotStall<'_>> {
    let mut places: BTreeMap<Place<'_>, Vec<&Stall>> = BTreeMap::new();
    for stall in own(run) {
        places.entry(place_of(stall)).or_default().push(stall);
    }
    let mut hot: Vec<HotStall<'_>> =
        places.into_iter().filter_map(|(place, stalls)| together(place, &stalls)).collect();
    hot.sort_by(|a, b| {
        let rank = |stall: &HotStall<'_>| (stall.caused_ns(), stall.held_ns);
        rank(b).cmp(&rank(a)).then_with(|| a.function.cmp(&b.function))
    });
    hot
}

fn together<'a>((cause, function, file, _, _): Place<'a>, stalls: &[&'a Stall]) -> Option<HotStall<'a>> {
    let rank = |stall: &&&Stall| (caused_ns(stall.delay_ns, stall.timer_delay_ns), stall.duration_ns);
    let worst = stalls.iter().max_by_key(rank)?;
    let sum = |of: fn(&Stall) -> u64| stalls.iter().fold(0_u64, |sum, stall| sum.saturating_add(of(stall)));
    let most = |of: fn(&Stall) -> u64| stalls.iter().map(|stall| of(stall)).max().unwrap_or(0);
    let line = commonest(stalls, |stall| stall.culprit()?.line);
    Some(HotStall {
        worst,
        function,
        file,
        line,
        place: place(file, line),
        cause,
        syscall: commonest(stalls, |stall| stall.syscall.as_deref()),
        count: stalls.len() as u64,
        held_ns: sum(|stall| stall.duration_ns),
        longest_ns: most(|stall| stall.duration_ns),
        delayed_tasks: sum(|stall| stall.delayed_tasks),
        delay_ns: sum(|stall| stall.delay_ns),
        timer_delay_ns: sum(|stall| stall.timer_delay_ns),
        timer_late_ns: most(|stall| stall.timer_delay_ns),
        spawned_at: commonest(stalls, |stall| stall.task.as_ref()?.spawned_at.as_deref()),
    })
}

/// What most of the held time has in common, if most stalls say it at all.
fn commonest<'a, K: Ord + Copy>(stalls: &[&'a Stall], of: fn(&'a Stall) -> Option<K>) -> Option<K> {
    let mut sums: BTreeMap<K, u64> = BTreeMap::new();
    for stall in stalls {
        if let Some(key) = of(stall) {
            *sums.entry(key).or_default() += stall.duration_ns;
        }
    }
    sums.into_iter().max_by_key(|(_, held)| *held).map(|(key, _)| key)
}

fn caused_ns(delay: u64, timer: u64) -> u64 {
    delay.saturating_add(timer)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::sample::{blocked, computing, measured, preempted, watched};
    use super::*;

    #[test]
    fn stalls_of_one_place_are_one_and_stand_by_the_delay_that_they_caused() {
        let mut run = watched(2);
        let long = Stall { duration_ns: 900_000_000, ..blocked("shop::quiet", 3) };
        let late = Stall { timer_delay_ns: 30_000_000, round: 1, ..blocked("shop::loud", 7) };
        run.stalls = vec![long, late, blocked("shop::loud", 7), blocked("shop::loud", 8), preempted("shop::loud", 7)];
        let hot = stalls(&run);
        let places: Vec<_> = hot.iter().map(|stall| (stall.named(), stall.count)).collect();
        let expected =
            [("`shop::loud` (src/x.rs:7)", 2), ("`shop::quiet` (src/x.rs:3)", 1), ("`shop::loud` (src/x.rs:8)", 1)];
        assert_eq!(places, expected.map(|(named, count)| (named.to_owned(), count)));
        assert_eq!(
            (hot[0].held_ns, hot[0].timer_late_ns, hot[0].syscall),
            (64_000_000, 30_000_000, Some("clock_nanosleep"))
        );
        assert_eq!(hot[0].often(&run), "once a round");
        assert_eq!(hot[1].often(&run), "once in 2 rounds");
        assert_eq!(hot[0].spawned_at, Some("src/main.rs:4:5"));
    }

    #[test]
    fn a_computation_is_one_at_whichever_of_its_lines_it_was_seen() {
        let mut run = watched(1);
        let seldom = Stall { duration_ns: 11_000_000, ..computing("shop::spin", 5) };
        run.stalls = vec![computing("shop::spin", 6), seldom];
        let hot = stalls(&run);
        assert_eq!((hot.len(), hot[0].count, hot[0].line), (1, 2, Some(6)));
    }

    #[test]
    fn the_overview_counts_also_what_the_run_has_not_kept() {
        let mut run = watched(2);
        run.load.runtime = "multi:2".into();
        run.stalls = vec![blocked("shop::load", 1), computing("shop::spin", 2), preempted("shop::load", 1)];
        measured(&mut run, "stalls.count", &[30.0, 10.0]);
        measured(&mut run, "stalls.preempted", &[1.0, 3.0]);
        measured(&mut run, "stalls.blocked_per_op", &[5e6, 1e6]);
        measured(&mut run, "throughput", &[100.0, 100.0]);
        let all = overview(&run).unwrap();
        assert_eq!((all.rounds, all.per_round, all.preempted_per_round), (2, 20.0, 2.0));
        assert_eq!((all.count, all.kept, all.by_cause), (40, 2, None));
        // A hundred operations each in a second of two workers.
        assert_eq!(all.held_share, Some(0.15));
        assert_eq!(all.covered, Some("every task"));
        assert_eq!(stalls(&run)[0].often(&run), "at least once in 2 rounds");
        run.metrics[0].values = vec![1.0, 1.0];
        assert_eq!(overview(&run).unwrap().by_cause, Some((0.5, 0.5)));
    }

    #[test]
    fn a_run_that_was_not_watched_has_no_overview_and_one_that_was_quiet_has() {
        assert_eq!(overview(&Run::foreign("test", "1", "shop")), None);
        let quiet = watched(3);
        assert_eq!(overview(&quiet).map(|all| (all.rounds, all.count, all.longest_ns)), Some((3, 0, 0.0)));
        assert!(threshold_ns(&quiet) > 19e6, "20 ms, as the probe said");
    }

    #[test]
    fn hostile_details_are_read_without_a_panic() {
        let mut run = watched(1);
        for rounds in [json!(null), json!({}), json!([null, [], {"in_place": [1, {}, {"function": 3, "count": -1}]}])] {
            run.probes[0].detail.insert("rounds".into(), rounds);
            assert!(overview(&run).is_some() && in_place(&run).is_empty());
        }
        run.stalls = vec![Stall { stack: Vec::new(), delay_ns: u64::MAX, timer_delay_ns: u64::MAX, ..blocked("x", 1) }];
        assert_eq!(stalls(&run)[0].function, "[unknown]");
    }
}

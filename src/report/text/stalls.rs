//! The section on stalls: one line on all of them, then those of each place by the delay that they caused. Says that none
//! was seen only where somebody looked.

use std::io;

use super::super::page::{Page, Tone};
use super::super::table::{Cell, Side, Table, shorten, visible};
use super::TOP;
use crate::analysis::summary::stalls::{self, EVERY_TASK, HotStall, Overview};
use crate::record::Run;
use crate::unit::Unit;

/// Longest names that are shown whole; with the figures before them they fill a line.
const FUNCTION: usize = 40;
const PLACE: usize = 36;

pub(super) fn write(page: &mut Page<'_>, run: &Run) -> io::Result<()> {
    let Some(all) = stalls::overview(run) else { return Ok(()) };
    page.heading("Stalls", "polls that held a worker thread; places ranked by the delay that they caused")?;
    page.paragraph(2, None, &in_short(&all))?;
    let hot = stalls::stalls(run);
    if hot.is_empty() {
        return Ok(());
    }
    let right = Side::Right;
    let mut table = Table::new(&[
        ("count", right),
        ("held", right),
        ("longest", right),
        ("delayed", right),
        ("delay", right),
        ("timer late", right),
        ("cause", Side::Left),
        ("function", Side::Left),
        ("where", Side::Left),
    ]);
    for stall in hot.iter().take(TOP) {
        table.row(row(stall));
        if let Some(place) = stall.spawned_at {
            table.remark(&format!("task spawned at {}", shorten(&visible(place), PLACE)));
        }
    }
    table.show(page)?;
    match hot.len().saturating_sub(TOP) {
        0 => Ok(()),
        more => page.paragraph(2, Some(Tone::Quiet), &format!("… and {more} more places; run.json has them")),
    }
}

fn row(stall: &HotStall<'_>) -> [Cell; 9] {
    let count = |number: u64| Cell::from(Unit::Count.show(number as f64));
    let time = |ns: u64| Cell::from(if ns == 0 { "-".to_owned() } else { Unit::Ns.show(ns as f64) });
    let syscall = stall.syscall.map_or_else(String::new, |syscall| format!(" {syscall}"));
    [
        count(stall.count),
        time(stall.held_ns),
        time(stall.longest_ns),
        count(stall.delayed_tasks),
        time(stall.delay_ns),
        time(stall.timer_late_ns),
        Cell::from(format!("{}{syscall}", stall.cause.name())),
        Cell::from(shorten(&stall.function, FUNCTION)),
        Cell::from(shorten(&stall.place, PLACE)),
    ]
}

/// All of them in a sentence or two.
fn in_short(all: &Overview<'_>) -> String {
    let threshold = Unit::Ns.show(all.threshold_ns);
    let rounds = if all.rounds == 1 { "one round".to_owned() } else { format!("{} rounds", all.rounds) };
    let watched = match all.covered {
        Some(EVERY_TASK) => "every task watched".to_owned(),
        Some(covered) => format!("watched: {covered}"),
        None => "which tasks were watched is not known".to_owned(),
    };
    let mut text = if all.count == 0 {
        format!("no stalls ≥ {threshold} in {rounds} ({watched})")
    } else {
        let share = all
            .held_share
            .map_or_else(String::new, |share| format!(", {} of the worker threads' time", Unit::Ratio.show(share)));
        format!(
            "{} a round{}{share}, the longest {}; ≥ {threshold} in {rounds} ({watched})",
            Unit::Count.show(all.per_round),
            causes(all),
            Unit::Ns.show(all.longest_ns)
        )
    };
    if all.preempted_per_round > 0.0 {
        let count = Unit::Count.show(all.preempted_per_round);
        text.push_str(&format!("; {count} more a round because the machine gave the thread no processor"));
    }
    if all.kept < all.count {
        let (kept, count) = (Unit::Count.show(all.kept as f64), Unit::Count.show(all.count as f64));
        text.push_str(&format!("; below are the {kept} of {count} that delayed others most, stalls.jsonl has all"));
    }
    text
}

/// What they did, where the run has all of them.
fn causes(all: &Overview<'_>) -> String {
    let Some((blocked, computing)) = all.by_cause else { return String::new() };
    let parts = [(blocked, "blocked"), (computing, "cpu")];
    let told = parts.iter().filter(|(number, _)| *number > 0.0);
    let told: Vec<String> = told.map(|(number, word)| format!("{} {word}", Unit::Count.show(*number))).collect();
    format!(" ({})", told.join(", "))
}

#[cfg(test)]
mod tests {
    use anstyle::Style;

    use super::*;
    use crate::analysis::summary::sample::{blocked, computing, locked, measured, preempted, watched};
    use crate::record::Stall;
    use crate::report::{Report, human};

    fn rendered(run: &Run, style: fn(Tone) -> Style) -> String {
        let mut out = Vec::new();
        write(&mut Page { out: &mut out, style }, run).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn plain(run: &Run) -> String {
        rendered(run, |_| Style::new())
    }

    #[test]
    fn the_section_ranks_places_by_the_delay_that_they_caused() {
        let mut run = watched(1);
        run.load.runtime = "multi:2".into();
        measured(&mut run, "throughput", &[100.0]);
        measured(&mut run, "stalls.preempted", &[3.0]);
        let worst =
            Stall { delayed_tasks: 3, delay_ns: 60_000_000, timer_delay_ns: 9_000_000, ..blocked("shop::load", 12) };
        let compute = Stall { task: None, ..computing("shop::spin", 40) };
        run.stalls = vec![compute.clone(), worst.clone(), worst, locked("shop::add", 7), preempted("shop::load", 12)];
        let expected = "
Stalls  polls that held a worker thread; places ranked by the delay that they caused
  4 a round (3 blocked, 1 cpu), 6.40 % of the worker threads' time, the longest 32.0 ms; ≥ 20.0 ms in one round (every
  task watched); 3 more a round because the machine gave the thread no processor
  count     held  longest  delayed   delay  timer late  cause                    function    where
      2  64.0 ms  32.0 ms        6  120 ms     9.00 ms  blocked clock_nanosleep  shop::load  src/x.rs:12
      task spawned at src/main.rs:4:5
      1  32.0 ms  32.0 ms        0       -           -  blocked futex            shop::add   src/x.rs:7
      task spawned at src/main.rs:4:5
      1  32.0 ms  32.0 ms        0       -           -  cpu                      shop::spin  src/x.rs:40
";
        let text = plain(&run);
        assert_eq!(text, expected, "{text}");
    }

    #[test]
    fn a_quiet_run_says_so_and_one_that_was_not_watched_says_nothing() {
        let text = plain(&watched(5));
        assert!(text.ends_with("\n  no stalls ≥ 20.0 ms in 5 rounds (every task watched)\n"), "{text}");
        assert_eq!(plain(&Run::foreign("test", "1", "shop")), "");
        let mut starved = watched(2);
        starved.stalls = vec![preempted("shop::load", 12)];
        let text = plain(&starved);
        assert!(
            text.contains("no stalls ≥") && text.contains("; 0.50 more a round because") && !text.contains("x.rs"),
            "{text}"
        );
    }

    #[test]
    fn what_the_run_has_not_kept_is_told_and_long_lists_end() {
        let mut run = watched(2);
        run.stalls = (1..=30).map(|line| blocked("shop::load", line)).collect();
        measured(&mut run, "stalls.count", &[400.0, 600.0]);
        let text = plain(&run);
        assert!(text.contains("  500 a round, the longest 32.0 ms;"), "{text}");
        let short: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(short.contains("below are the 30 of 1,000 that delayed others most, stalls.jsonl has all"), "{text}");
        assert!(text.ends_with("… and 20 more places; run.json has them\n"), "{text}");
    }

    #[test]
    fn the_section_stands_right_behind_the_latencies() {
        let mut run = watched(2);
        measured(&mut run, "latency.mean", &[1e6, 1e6]);
        run.phases = vec![crate::analysis::summary::sample::phase("redis.get", 1e6, 1e6, 0.5)];
        let mut out = Vec::new();
        let report = Report { run: &run, frames: crate::analysis::summary::Frames::Program, files: &[] };
        super::super::write(&report, &mut out, |_| Style::new()).unwrap();
        let text = String::from_utf8(out).unwrap();
        let places = ["\nLatency", "\nStalls", "\nPhases"].map(|title| text.find(title).unwrap());
        assert!(places.is_sorted(), "{text}");
    }

    #[test]
    fn hostile_names_do_not_steer_the_terminal_and_colours_add_nothing_else() {
        let mut run = watched(1);
        let evil = "\u{1b}[2J\r\n::error::x\u{202E}";
        let mut stall = blocked(evil, 1);
        stall.syscall = Some(evil.into());
        stall.stack[1].file = Some(evil.into());
        stall.task.as_mut().unwrap().spawned_at = Some(evil.into());
        run.stalls = vec![stall];
        let text = plain(&run);
        assert!(!text.contains(['\u{1b}', '\r', '\u{202E}']) && !text.contains("\n::error"), "{text}");
        let covered = serde_json::json!([{ "covered": evil }]);
        run.probes[0].detail.insert("rounds".into(), covered);
        run.stalls.clear();
        let quiet = plain(&run);
        assert!(!quiet.contains(['\u{1b}', '\r', '\u{202E}']) && !quiet.contains("\n::error"), "{quiet}");
        let colored = rendered(&run, human::style);
        assert_eq!(anstream::adapter::strip_str(&colored).to_string(), quiet);
    }
}

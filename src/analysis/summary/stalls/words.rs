//! What findings say of the stalls of one place: names, numbers and sentences that several rules share.

use serde_json::{Map, Value, json};

use super::{HotStall, caused_ns, overview, rounds, worker_ns};
use crate::record::Run;
use crate::unit::Unit;

impl HotStall<'_> {
    /// The delay that they caused, of tasks and of timers.
    #[must_use]
    pub fn caused_ns(&self) -> u64 {
        caused_ns(self.delay_ns, self.timer_delay_ns)
    }

    /// How long one of them held its thread on average.
    #[must_use]
    pub fn mean_ns(&self) -> f64 {
        self.held_ns as f64 / self.count.max(1) as f64
    }

    /// The function and where it is, for a sentence.
    #[must_use]
    pub fn named(&self) -> String {
        let place = if self.place.is_empty() { String::new() } else { format!(" ({})", self.place) };
        format!("`{}`{place}", self.function)
    }

    /// How often it happened, for a sentence.
    #[must_use]
    pub fn often(&self, run: &Run) -> String {
        let rounds = rounds(run) as u64;
        let least = overview(run).filter(|all| all.kept < all.count).map_or("", |_| "at least ");
        let times = |count: u64| match count {
            1 => "once".to_owned(),
            count => format!("{} times", Unit::Count.show(count as f64)),
        };
        match self.count {
            count if rounds == 1 => format!("{least}{}", times(count)),
            count if count < rounds => format!("{least}{} in {rounds} rounds", times(count)),
            count => format!("{least}{} a round", times((count + rounds / 2) / rounds)),
        }
    }

    /// The part of the worker threads' time that they took.
    #[must_use]
    pub fn share(&self, run: &Run) -> Option<f64> {
        worker_ns(run).map(|whole| (self.held_ns as f64 / whole).min(1.0))
    }

    /// What it did to others, in a sentence or two.
    #[must_use]
    pub fn effect(&self, run: &Run) -> String {
        let ns = |time: u64| Unit::Ns.show(time as f64);
        let mut text = format!("The longest took {}", ns(self.longest_ns));
        if let Some(share) = self.share(run) {
            text.push_str(&format!("; all together took {} of the worker threads' time", Unit::Ratio.show(share)));
        }
        text.push('.');
        if self.delayed_tasks > 0 {
            let (tasks, delay) = (Unit::Count.show(self.delayed_tasks as f64), ns(self.delay_ns));
            text.push_str(&format!(" Tasks that were ready waited meanwhile: {tasks}, for {delay} in all."));
        }
        if self.timer_late_ns > 0 {
            text.push_str(&format!(" Timers fired up to {} late.", ns(self.timer_late_ns)));
        }
        if self.caused_ns() == 0 {
            text.push_str(" No other task was ready meanwhile; under more load there will be.");
        }
        text
    }

    /// The numbers, for a finding.
    #[must_use]
    pub fn evidence(&self, run: &Run) -> Map<String, Value> {
        let pairs = [
            ("function", json!(self.function)),
            ("file", json!(self.file)),
            ("line", json!(self.line)),
            ("cause", json!(self.cause.name())),
            ("syscall", json!(self.syscall)),
            ("count", json!(self.count)),
            ("rounds", json!(rounds(run))),
            ("held_ns", json!(self.held_ns)),
            ("longest_ns", json!(self.longest_ns)),
            ("share", json!(self.share(run))),
            ("delayed_tasks", json!(self.delayed_tasks)),
            ("delay_ns", json!(self.delay_ns)),
            ("timer_delay_ns", json!(self.timer_delay_ns)),
            ("spawned_at", json!(self.spawned_at)),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

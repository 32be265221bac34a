//! Shows how a run goes: a bar on a terminal, a line per round elsewhere, nothing when quiet.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::output::Output;
use crate::experiment::Event;
use crate::record::name::visible;
use crate::record::pass::Pass;
use crate::unit::Unit;

/// The progress of one run.
pub(super) struct Progress<'a> {
    output: &'a Output,
    bar: Option<ProgressBar>,
    round: String,
}

impl<'a> Progress<'a> {
    pub(super) fn new(output: &'a Output) -> Self {
        let bar = output.draws_progress().then(|| {
            let bar = ProgressBar::new(0);
            // The template is a constant that indicatif accepts.
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg:<56} {wide_bar} {pos}/{len} {eta_precise}")
            {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { output, bar, round: String::new() }
    }

    /// Takes what happened.
    pub(super) fn on(&mut self, event: Event) {
        match event {
            Event::Service { name, what } => self.say(&format!("{name}: {what}")),
            Event::RoundBegins { of, pass, round, done, all } => {
                let of = if of.is_empty() { String::new() } else { format!("{of} ") };
                self.round = format!("{of}{pass} {}", round + 1);
                if let Some(bar) = &self.bar {
                    bar.set_length(u64::from(all));
                    bar.set_position(u64::from(done));
                    bar.set_message(format!("{}: starting", self.round));
                }
            }
            Event::Progress { operations, ok, measuring } => {
                if let Some(bar) = &self.bar {
                    let count = Unit::Count.show(operations as f64);
                    let bad = operations.saturating_sub(ok);
                    let failures = if bad > 0 { format!(", {bad} not ok") } else { String::new() };
                    let what =
                        if measuring { format!("{count} operations{failures}") } else { "warming up".to_owned() };
                    bar.set_message(format!("{}: {what}", self.round));
                }
            }
            Event::RoundEnds { of: _, pass, median_ns, ok, planned } => {
                let mut median = match median_ns {
                    Some(ns) if pass == Pass::Time => format!(", median {}", Unit::Ns.show(ns)),
                    _ => String::new(),
                };
                if ok < planned {
                    median.push_str(&format!(", {} of {planned} operations not ok", planned - ok));
                }
                if let Some(bar) = &self.bar {
                    bar.inc(1);
                    bar.set_message(format!("{}: done{median}", self.round));
                } else if self.output.talks() {
                    self.output.say(&format!("{}: done{median}", self.round));
                }
            }
            Event::Warning(text) => self.say(&format!("warning: {text}")),
        }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(visible(text)),
            None => self.output.say(text),
        }
    }

    /// Clears the bar.
    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

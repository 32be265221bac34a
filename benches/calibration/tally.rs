//! What became of many simulated comparisons: how often a metric changed, regressed, improved, stayed within its margin, and how
//! often the whole did.

use perfkit::compare::{self, Comparison, MetricChange, Policy, Verdict};
use perfkit::record::Run;
use perfkit::stats::random::Random;

/// How often each thing was said of one metric, or of the whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// The interval excludes "no change".
    pub any: u32,
    /// The verdicts.
    pub regressed: u32,
    pub improved: u32,
    pub unchanged: u32,
    /// The interval holds the true change.
    pub covered: u32,
}

/// The counts of every metric.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Comparisons.
    pub times: u32,
    /// Of the verdict of the whole comparison.
    pub whole: Counts,
    truth: f64,
    metrics: Vec<(String, Counts)>,
}

impl Tally {
    /// Nothing counted yet; `truth` is the true ratio.
    pub fn new(truth: f64) -> Self {
        Self { times: 0, whole: Counts::default(), truth, metrics: Vec::new() }
    }

    /// Compares `times` pairs of runs.
    pub fn of(
        times: u32,
        truth: f64,
        policy: &Policy,
        mut random: Random,
        mut draw: impl FnMut(&mut Random) -> (Run, Run),
    ) -> Self {
        let mut tally = Self::new(truth);
        for _ in 0..times {
            let (base, head) = draw(&mut random);
            tally.add(&compare::compare(&base, &head, policy));
        }
        tally
    }

    /// Counts one comparison.
    ///
    /// # Panics
    /// Nothing was compared: what is never said would be counted as said rarely.
    pub fn add(&mut self, comparison: &Comparison) {
        assert_ne!(comparison.verdict, Verdict::NotCompared, "{}", comparison.reason);
        self.times += 1;
        self.whole.add_verdict(comparison.verdict);
        for change in &comparison.metrics {
            let place = self.metrics.iter().position(|(name, _)| *name == change.name).unwrap_or_else(|| {
                self.metrics.push((change.name.clone(), Counts::default()));
                self.metrics.len() - 1
            });
            self.metrics[place].1.add(change, self.truth);
        }
    }

    /// The counts of a metric; of one that never came up all are 0.
    pub fn of_metric(&self, name: &str) -> Counts {
        self.metrics.iter().find(|(other, _)| other == name).map(|(_, counts)| *counts).unwrap_or_default()
    }
}

impl Counts {
    fn add(&mut self, change: &MetricChange, truth: f64) {
        self.add_verdict(change.verdict);
        let (ends, nothing) = match (change.low, change.high, change.difference) {
            (Some(low), Some(high), _) => ((low, high), 1.0),
            (_, _, Some(difference)) => {
                ((difference.low.unwrap_or(f64::NEG_INFINITY), difference.high.unwrap_or(f64::INFINITY)), 0.0)
            }
            _ => return,
        };
        let holds = |value: f64| ends.0 <= value && value <= ends.1;
        self.any += u32::from(!holds(nothing));
        self.covered += u32::from(holds(truth));
    }

    /// Counts a verdict.
    pub fn add_verdict(&mut self, verdict: Verdict) {
        self.regressed += u32::from(verdict == Verdict::Regressed);
        self.improved += u32::from(verdict == Verdict::Improved);
        self.unchanged += u32::from(verdict == Verdict::Unchanged);
    }
}

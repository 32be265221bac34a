//! The change between two arms of rounds as a number with its interval: which method, on which scale, in which direction. Decides
//! nothing: that is the verdict's work.
//!
//! Everything in here is folded so that larger is worse: [`Better`] is looked at in one place, [`Arms::new`].

use super::{Method, Verdict};
use crate::stats::interval::Interval;
use crate::stats::paired::{self, Design};
use crate::stats::rank::{self, mann_whitney};
use crate::stats::refusal::Refusal;
use crate::stats::student::Estimate;
use crate::stats::{describe, hodges_lehmann, quantile, welch};
use crate::unit::Better;

/// Rounds in each arm from which the rank method is the first choice.
const MANY_ROUNDS: usize = 8;
/// Rounds in each arm from which the rank method can reach 95 %.
const FEW_ROUNDS: usize = 4;
/// A round further from the median than so many deviations is outlying.
const OUTLYING: f64 = 3.5;
/// The standard deviation of normal values by their median absolute deviation.
const OF_NORMAL: f64 = 1.4826;

/// The scale that two arms are compared on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// Logarithms: the change is a ratio.
    Ratio,
    /// The values as they are: a value is zero or negative.
    Difference,
}

/// Two arms of rounds, folded: larger is worse.
pub(super) struct Arms {
    pub(super) scale: Scale,
    /// 1 where lower values are better, −1 where higher ones are.
    sign: f64,
    base: Vec<f64>,
    head: Vec<f64>,
    design: Design,
}

/// A change that was made with one method.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) method: Method,
    /// Larger is worse; on the scale of the arms.
    pub(super) interval: Interval,
    /// The interval that equivalence is shown with.
    pub(super) narrow: Interval,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Exact,
    Student(Estimate),
    Ranks { base: Vec<f64>, head: Vec<f64> },
    SignedRanks,
}

impl Arms {
    /// Two arms of finite values; both have at least one.
    pub(super) fn new(base: &[f64], head: &[f64], better: Better, design: Design) -> Self {
        let sign = match better {
            Better::Lower => 1.0,
            Better::Higher => -1.0,
        };
        let positive = base.iter().chain(head).all(|value| *value > 0.0);
        let scale = if positive { Scale::Ratio } else { Scale::Difference };
        let fold = |values: &[f64]| {
            let on_scale = |value: &f64| if scale == Scale::Ratio { value.ln() } else { *value };
            values.iter().map(|value| sign * on_scale(value)).collect()
        };
        Self { scale, sign, base: fold(base), head: fold(head), design }
    }

    /// Back to head / base, or head − base, whichever way is better.
    pub(super) fn unfold(&self, interval: Interval) -> Interval {
        let way = if self.sign < 0.0 { interval.negated() } else { interval };
        if self.scale == Scale::Ratio { way.exponential() } else { way }
    }

    /// The figure of an arm: on the scale of ratios the geometric mean, else the mean.
    pub(super) fn figures(&self) -> (Option<f64>, Option<f64>) {
        let figure = |folded: &[f64]| {
            let mean = self.sign * describe::mean(folded)?;
            Some(if self.scale == Scale::Ratio { mean.exp() } else { mean })
        };
        (figure(&self.base), figure(&self.head))
    }

    /// The point alone, for an arm of one round.
    pub(super) fn point(&self) -> Option<f64> {
        Some(describe::mean(&self.head)? - describe::mean(&self.base)?)
    }

    /// Whether neither arm varies.
    #[expect(clippy::float_cmp, reason = "what does not vary is equal to the last digit")]
    pub(super) fn constant(&self) -> bool {
        let same = |values: &[f64]| values.windows(2).all(|pair| pair[0] == pair[1]);
        same(&self.base) && same(&self.head)
    }

    /// The standard deviation that planning goes by: of the differences where rounds belong together, else pooled.
    pub(super) fn deviation(&self) -> Option<f64> {
        match self.design {
            Design::Paired => describe::standard_deviation(&paired::differences(&self.base, &self.head).ok()?),
            Design::Unpaired => {
                let sum = describe::variance(&self.base)? + describe::variance(&self.head)?;
                Some((sum / 2.0).sqrt())
            }
        }
    }

    /// Rounds that planning goes by: of two arms of different size their harmonic mean.
    pub(super) fn rounds(&self) -> usize {
        let (base, head) = (self.base.len() as f64, self.head.len() as f64);
        (2.0 * base * head / (base + head)).floor() as usize
    }

    /// The change by the method that the rule names, and by the other one where it can be had.
    ///
    /// The rule looks at the number of rounds, at the layout of the data and at the size of the family, never at the change.
    ///
    /// # Errors
    /// No method can serve: fewer than two rounds in an arm.
    pub(super) fn changes(&self, confidence: f64, family: usize) -> Result<(Change, Option<Change>), Refusal> {
        if self.constant() {
            return Ok((self.exact()?, None));
        }
        match self.design {
            Design::Paired => match self.paired_t(confidence) {
                // Differences that do not vary are a shift by a constant: nothing is left to chance.
                Err(Refusal::Constant) => Ok((self.exact()?, None)),
                first => Ok((first?, self.signed_ranks(confidence).ok())),
            },
            Design::Unpaired => {
                let welch = self.welch(confidence);
                // Of thousands of rounds there are more pairs than ranks are worth: the means say it as well.
                match self.ranks(confidence) {
                    Ok(ranks) if self.ranks_first(confidence, family) => Ok((ranks, welch.ok())),
                    ranks => Ok((welch?, ranks.ok())),
                }
            }
        }
    }

    /// Whether ranks are the first choice: many rounds, or an outlying one; and never where the rank test could not reach the
    /// level that the family asks for, because such a gate could not fire.
    fn ranks_first(&self, confidence: f64, family: usize) -> bool {
        let fewest = self.base.len().min(self.head.len());
        let wanted = fewest >= MANY_ROUNDS
            || (fewest >= FEW_ROUNDS && (has_outlying_round(&self.base) || has_outlying_round(&self.head)));
        let smallest_p = (0..fewest)
            .fold(1.0, |p, taken| p * (fewest - taken) as f64 / (self.base.len() + self.head.len() - taken) as f64);
        wanted && smallest_p <= (1.0 - confidence) / 2.0 / family.max(1) as f64
    }

    fn exact(&self) -> Result<Change, Refusal> {
        let point = self.point().filter(|point| point.is_finite()).ok_or(Refusal::NotFinite)?;
        let interval = Interval { estimate: point, low: point, high: point };
        Ok(Change { method: Method::Exact, interval, narrow: interval, kind: Kind::Exact })
    }

    fn student(method: Method, estimate: Estimate, confidence: f64) -> Result<Change, Refusal> {
        let (interval, narrow) = (estimate.interval(confidence)?, estimate.interval(narrower(confidence))?);
        Ok(Change { method, interval, narrow, kind: Kind::Student(estimate) })
    }

    fn paired_t(&self, confidence: f64) -> Result<Change, Refusal> {
        Self::student(Method::PairedT, paired::paired(&self.base, &self.head)?, confidence)
    }

    fn welch(&self, confidence: f64) -> Result<Change, Refusal> {
        Self::student(Method::WelchT, welch::welch(&self.base, &self.head)?, confidence)
    }

    fn ranks(&self, confidence: f64) -> Result<Change, Refusal> {
        let at =
            |confidence| hodges_lehmann::two_samples(&self.base, &self.head, confidence).map(|shift| shift.interval);
        let kind = Kind::Ranks { base: self.base.clone(), head: self.head.clone() };
        Ok(Change { method: Method::HodgesLehmann, interval: at(confidence)?, narrow: at(narrower(confidence))?, kind })
    }

    fn signed_ranks(&self, confidence: f64) -> Result<Change, Refusal> {
        let differences = paired::differences(&self.base, &self.head)?;
        let at = |confidence| hodges_lehmann::one_sample(&differences, confidence).map(|shift| shift.interval);
        let (interval, narrow) = (at(confidence)?, at(narrower(confidence))?);
        Ok(Change { method: Method::HodgesLehmann, interval, narrow, kind: Kind::SignedRanks })
    }
}

/// Equivalence at 5 % is shown by the 90 % interval.
fn narrower(confidence: f64) -> f64 {
    1.0 - 2.0 * (1.0 - confidence)
}

fn has_outlying_round(values: &[f64]) -> bool {
    let (Some(center), Some(deviation)) = (quantile::median(values), describe::median_absolute_deviation(values))
    else {
        return false;
    };
    let far = OUTLYING * OF_NORMAL * deviation.max(f64::MIN_POSITIVE);
    values.iter().any(|value| (value - center).abs() > far)
}

impl Change {
    /// The p-value of "worse by no more than the margin"; `None` where the method has none.
    pub(super) fn p_worse_than(&self, margin: f64) -> Option<f64> {
        match &self.kind {
            Kind::Exact => Some(if self.interval.estimate > margin { 0.0 } else { 1.0 }),
            Kind::Student(estimate) => Some(estimate.p_above(margin)),
            Kind::Ranks { base, head } => {
                let shifted: Vec<f64> = head.iter().map(|value| value - margin).collect();
                let test = mann_whitney(base, &shifted, rank::Method::Automatic).ok()?;
                let half = test.p / 2.0;
                Some(if test.probability >= 0.5 { half } else { 1.0 - half })
            }
            Kind::SignedRanks => None,
        }
    }

    /// The verdict for a margin on the scale of the arms, not corrected for any family.
    pub(super) fn verdict(&self, margin: f64) -> Verdict {
        if self.interval.low > margin {
            Verdict::Regressed
        } else if self.interval.high < -margin {
            Verdict::Improved
        } else if -margin < self.narrow.low && self.narrow.high < margin {
            Verdict::Unchanged
        } else if self.method == Method::Exact {
            // A change of exactly the margin does not exceed it.
            Verdict::Unchanged
        } else {
            Verdict::Inconclusive
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: [f64; 5] = [100.0, 103.0, 98.0, 101.0, 99.0];

    fn arms(head: &[f64], better: Better) -> Arms {
        Arms::new(&BASE, head, better, Design::Unpaired)
    }

    #[test]
    fn swapping_the_arms_mirrors_the_change() {
        let head = [120.0, 118.0, 125.0, 121.0, 119.0];
        let there = arms(&head, Better::Lower).changes(0.95, 1).unwrap().0;
        let back = Arms::new(&head, &BASE, Better::Lower, Design::Unpaired).changes(0.95, 1).unwrap().0;
        assert!((there.interval.low + back.interval.high).abs() < 1e-12);
        assert_eq!((there.verdict(0.0953), back.verdict(0.0953)), (Verdict::Regressed, Verdict::Improved));
    }

    #[test]
    fn higher_is_better_turns_the_verdict_once() {
        let head = [120.0, 118.0, 125.0, 121.0, 119.0];
        let higher = arms(&head, Better::Higher);
        let change = higher.changes(0.95, 1).unwrap().0;
        assert_eq!(change.verdict(0.0953), Verdict::Improved);
        let ratio = higher.unfold(change.interval);
        assert!(ratio.low > 1.0 && ratio.low < ratio.estimate && ratio.estimate < ratio.high, "{ratio:?}");
    }

    #[test]
    fn a_rank_test_that_could_not_fire_in_its_family_is_not_the_first_choice() {
        let head = [120.0, 118.0, 925.0, 121.0, 119.0];
        let method = |family| arms(&head, Better::Lower).changes(0.95, family).unwrap().0.method;
        assert_eq!((method(1), method(6), method(7)), (Method::HodgesLehmann, Method::HodgesLehmann, Method::WelchT));
    }

    #[test]
    fn a_round_is_outlying_by_standard_deviations_and_not_by_bare_median_deviations() {
        // Median 0, MAD 1: 5 is 3.4 standard deviations away, 5.5 is 3.7.
        assert!(!has_outlying_round(&[-1.0, -0.5, 0.0, 1.0, 5.0]));
        assert!(has_outlying_round(&[-1.0, -0.5, 0.0, 1.0, 5.5]));
    }

    #[test]
    fn what_does_not_vary_is_compared_exactly() {
        let change = Arms::new(&[64.0; 3], &[80.0; 3], Better::Lower, Design::Unpaired).changes(0.95, 1).unwrap().0;
        assert_eq!((change.method, change.verdict(0.1_f64.ln_1p())), (Method::Exact, Verdict::Regressed));
    }

    #[test]
    fn zeros_are_compared_by_differences_and_one_round_is_refused() {
        let zeros = Arms::new(&[0.0, 0.0, 0.0], &[3.0, 4.0, 3.0], Better::Lower, Design::Unpaired);
        assert_eq!(zeros.scale, Scale::Difference);
        assert_eq!(zeros.changes(0.95, 1).unwrap().0.verdict(0.0), Verdict::Regressed);
        let one = Arms::new(&[1.0], &[2.0, 3.0], Better::Lower, Design::Unpaired);
        assert!(one.changes(0.95, 1).is_err());
    }
}

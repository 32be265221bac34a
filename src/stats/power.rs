//! What a comparison can see: the smallest change that a number of rounds detects, and the rounds that a change needs. Refuses
//! a gate that could never fire.

use super::distribution::student_quantile;
use super::paired::Design;
use super::refusal::{self, Refusal};

/// The most rounds that are considered.
const MOST_ROUNDS: usize = 1_000_000;

/// A planned comparison on the logarithmic scale.
///
/// ```
/// use perfkit::stats::{paired::Design, power::Gate};
/// let gate = Gate { margin: 0.10, deviation: 0.0515, design: Design::Unpaired, confidence: 0.95, power: 0.8 };
/// let smallest = gate.minimum_detectable(10).unwrap();
/// assert!((smallest - 0.178).abs() < 1e-3);
/// assert_eq!(gate.rounds_to_detect(smallest).unwrap(), 10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gate {
    /// The margin that a change must be shown to exceed: 0.10 for 10 %; 0 for any change.
    pub margin: f64,
    /// The standard deviation of one round's logarithm, or with [`Design::Paired`] of the difference of two.
    pub deviation: f64,
    /// Whether rounds are paired.
    pub design: Design,
    /// The confidence of the two-sided interval, 0.95.
    pub confidence: f64,
    /// The wanted probability to find the change, 0.8.
    pub power: f64,
}

impl Gate {
    fn check(&self) -> Result<(), Refusal> {
        refusal::check_share(self.confidence)?;
        refusal::check_share(self.power)?;
        let sizes = [self.margin, self.deviation];
        if sizes.iter().all(|size| *size >= 0.0 && size.is_finite()) { Ok(()) } else { Err(Refusal::Parameter) }
    }

    /// The standard error of the difference and its degrees of freedom, with this many rounds in each arm.
    fn error(&self, rounds: usize) -> Result<(f64, f64), Refusal> {
        if rounds < 2 {
            return Err(Refusal::TooFew);
        }
        let count = rounds as f64;
        Ok(match self.design {
            Design::Paired => (self.deviation / count.sqrt(), count - 1.0),
            // Two arms of equal deviation have 2R − 2 degrees, but Welch's test estimates them from the arms, and takes fewer:
            // about 3 instead of 4 for three rounds.
            Design::Unpaired => (self.deviation * (2.0 / count).sqrt(), 2.0 * count * (count - 1.0) / (count + 1.0)),
        })
    }

    /// The smallest change (0.14 for 14 %) that is shown to exceed the margin with the wanted power:
    /// `exp(ln(1 + margin) + (t₁₋α/₂ + t_power)·standard error) − 1`.
    ///
    /// Assumes normal logarithms, and arms of equal deviation; a change of this size is found with the wanted power to within
    /// five points from three rounds on, and to within three from ten on. Cost: O(1). Source: any textbook on
    /// power, on the log scale; the deviation may come from `components`: `√(between + c·within/n)`, with c = 1 for the mean and
    /// π/2 for the median of normal values.
    ///
    /// # Errors
    /// `TooFew` below two rounds; `Parameter`; `NotFinite` where the change is beyond any number.
    pub fn minimum_detectable(&self, rounds: usize) -> Result<f64, Refusal> {
        self.check()?;
        let (error, degrees) = self.error(rounds)?;
        let reach = self.reach(f64::midpoint(1.0, self.confidence), degrees)?;
        refusal::finite((self.margin.ln_1p() + reach * error).exp_m1())
    }

    /// `t_p + t_power`, where the power is added.
    fn reach(&self, p: f64, degrees: f64) -> Result<f64, Refusal> {
        let quantile = |p: f64| student_quantile(p, degrees).ok_or(Refusal::Parameter);
        Ok(quantile(p)? + quantile(self.power)?)
    }

    /// The fewest rounds in each arm with which a true change of `change` (0.2 for 20 %) is shown to exceed the margin.
    ///
    /// An improvement is given as its inverse: 0.25 for a fall by a fifth. Cost: O(log rounds).
    ///
    /// # Errors
    /// `Parameter` unless the change is beyond the margin: no number of rounds shows that; `TooMany` above 10⁶ rounds.
    pub fn rounds_to_detect(&self, change: f64) -> Result<usize, Refusal> {
        self.check()?;
        if !(change > self.margin && change.is_finite()) {
            return Err(Refusal::Parameter);
        }
        // Equal but for rounding is enough.
        let target = change * (1.0 + 1e-12);
        fewest(|rounds| self.minimum_detectable(rounds).is_ok_and(|smallest| smallest <= target))
    }

    /// The fewest rounds in each arm with which a true change of `change` is shown to lie within the margin, by two one-sided
    /// tests at half the error (the 90 % interval at a confidence of 95 %).
    ///
    /// Assumes as [`Gate::minimum_detectable`]. Cost: O(log rounds). Source: Schuirmann (1987).
    ///
    /// # Errors
    /// `Parameter` unless the change is within the margin; `TooMany` above 10⁶ rounds.
    ///
    /// ```
    /// use perfkit::stats::{paired::Design, power::Gate};
    /// let gate = Gate { margin: 0.10, deviation: 0.05, design: Design::Unpaired, confidence: 0.95, power: 0.8 };
    /// assert!(gate.rounds_to_show_unchanged(0.0).unwrap() < gate.rounds_to_show_unchanged(0.05).unwrap());
    /// ```
    pub fn rounds_to_show_unchanged(&self, change: f64) -> Result<usize, Refusal> {
        self.check()?;
        let room = self.margin.ln_1p() - change.ln_1p().abs();
        if room.is_nan() || room <= 0.0 {
            return Err(Refusal::Parameter);
        }
        // In the middle both tests must succeed: each may then fail with half the probability.
        let power = if change == 0.0 { f64::midpoint(1.0, self.power) } else { self.power };
        let gate = Self { power, ..*self };
        fewest(|rounds| {
            let needed =
                gate.error(rounds).and_then(|(error, degrees)| Ok(gate.reach(self.confidence, degrees)? * error));
            needed.is_ok_and(|needed| needed <= room)
        })
    }
}

/// The fewest rounds that are enough, of a condition that stays true once it is.
fn fewest(enough: impl Fn(usize) -> bool) -> Result<usize, Refusal> {
    let mut high = 2;
    while !enough(high) {
        if high >= MOST_ROUNDS {
            return Err(Refusal::TooMany);
        }
        high = (high * 2).min(MOST_ROUNDS);
    }
    let mut low = 1;
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        if enough(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(high)
}

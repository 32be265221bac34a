//! A straight line through values at a few levels, measured in rounds, and whether it bends. The interval comes from how the
//! rounds differ, not from how the levels scatter around the line. Refuses rounds that lack a level.

use super::interval::{self, Interval};
use super::refusal::{self, Refusal};

/// A line, `value = at_zero + slope · level`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// How much the value rises with each unit of the level.
    pub slope: Interval,
    /// What the line is at level zero.
    pub at_zero: Interval,
}

/// Where a line bends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bend {
    /// The level, one of those that were measured.
    pub at: f64,
    /// What the first of the two lines is at level zero.
    pub at_zero: Interval,
    /// The slope up to there.
    pub before: Interval,
    /// The slope from there on.
    pub after: Interval,
}

/// Fits a line by least squares to each round alone; slope and value at zero are the means over the rounds with their
/// t-intervals. `rounds` has for each round the values at `levels`, which rise.
///
/// Assumes that rounds are independent of each other; the scatter may differ from level to level, as that of memory does. Where the
/// truth is no line, it is the slope of the nearest one: ask [`bend`]. Cost: O(rounds · levels). Source: the two-stage analysis of
/// repeated measures (Feldman 1988, "Families of lines").
///
/// # Errors
/// `TooFew` below two levels or two rounds; `Unpaired` where a round has not a value for each level; `NotFinite`; `Constant` where
/// levels do not rise; `Parameter` for a confidence that is not between 0 and 1.
///
/// ```
/// let rounds = [vec![11.0, 20.0, 60.0], vec![13.0, 22.0, 62.0]];
/// let line = perfkit::stats::line::fit(&[1.0, 10.0, 50.0], &rounds, 0.95).unwrap();
/// assert!((line.slope.estimate - 1.0).abs() < 1e-9);
/// assert!((line.at_zero.estimate - 11.0).abs() < 1e-9 && line.at_zero.low < 0.0);
/// ```
pub fn fit(levels: &[f64], rounds: &[Vec<f64>], confidence: f64) -> Result<Line, Refusal> {
    check(levels, rounds, 2, confidence)?;
    let lines: Vec<[f64; 2]> = rounds.iter().map(|values| straight(levels, values)).collect();
    let of = |index: usize| over(lines.iter().map(|line| line[index]), confidence);
    Ok(Line { at_zero: of(0)?, slope: of(1)? })
}

/// Where the line bends, if it does: two lines that meet at one of the inner levels fit better, the slopes differ by more than
/// chance, and by at least `margin` of the steeper one.
///
/// The level is the one where two lines leave least over; whether the slopes differ there is a t-test over rounds, at the confidence
/// for all inner levels together (Bonferroni), so that a straight line is called bent in at most `1 - confidence` of all cases. The
/// true place of a knee lies between the levels beside the one that is named. Assumptions and cost as [`fit`].
///
/// # Errors
/// As [`fit`]; `TooFew` also below three levels.
///
/// ```
/// let rounds = [vec![10.0, 20.0, 40.0], vec![10.1, 20.0, 40.2], vec![9.9, 20.1, 40.1]];
/// let bend = perfkit::stats::line::bend(&[1.0, 11.0, 21.0], &rounds, 0.95, 0.1).unwrap().unwrap();
/// assert_eq!(bend.at, 11.0);
/// assert!((bend.before.estimate - 1.0).abs() < 0.02 && (bend.after.estimate - 2.0).abs() < 0.02);
/// ```
pub fn bend(levels: &[f64], rounds: &[Vec<f64>], confidence: f64, margin: f64) -> Result<Option<Bend>, Refusal> {
    check(levels, rounds, 3, confidence)?;
    let inner = &levels[1..levels.len() - 1];
    let means: Vec<f64> = (0..levels.len())
        .map(|level| rounds.iter().map(|values| values[level]).sum::<f64>() / rounds.len() as f64)
        .collect();
    let left_over = |at: f64| hinged(levels, &means, at).map(|fit| squares(levels, &means, at, fit));
    let mut best: Option<(f64, f64)> = None;
    for at in inner {
        let left = left_over(*at).ok_or(Refusal::NotFinite)?;
        if best.is_none_or(|(_, least)| left < least) {
            best = Some((*at, left));
        }
    }
    let Some((at, _)) = best else { return Ok(None) };
    let fits: Option<Vec<[f64; 3]>> = rounds.iter().map(|values| hinged(levels, values, at)).collect();
    let fits = fits.ok_or(Refusal::NotFinite)?;
    let at_zero = over(fits.iter().map(|fit| fit[0]), confidence)?;
    let before = over(fits.iter().map(|fit| fit[1]), confidence)?;
    let after = over(fits.iter().map(|fit| fit[1] + fit[2]), confidence)?;
    let together = 1.0 - (1.0 - confidence) / inner.len() as f64;
    let change = over(fits.iter().map(|fit| fit[2]), together)?;
    let steeper = before.estimate.abs().max(after.estimate.abs());
    let bends = !change.contains(0.0) && change.estimate.abs() >= margin * steeper && steeper > 0.0;
    Ok(bends.then_some(Bend { at, at_zero, before, after }))
}

fn check(levels: &[f64], rounds: &[Vec<f64>], least: usize, confidence: f64) -> Result<(), Refusal> {
    refusal::check_share(confidence)?;
    refusal::check(levels, least)?;
    if rounds.len() < 2 {
        return Err(Refusal::TooFew);
    }
    if rounds.iter().any(|values| values.len() != levels.len()) {
        return Err(Refusal::Unpaired);
    }
    rounds.iter().try_for_each(|values| refusal::check(values, least))?;
    if levels.windows(2).all(|pair| pair[0] < pair[1]) { Ok(()) } else { Err(Refusal::Constant) }
}

fn over(values: impl Iterator<Item = f64>, confidence: f64) -> Result<Interval, Refusal> {
    let values: Vec<f64> = values.collect();
    interval::mean(&values, confidence).ok_or(Refusal::NotFinite)
}

/// Value at zero and slope by least squares.
fn straight(levels: &[f64], values: &[f64]) -> [f64; 2] {
    let count = levels.len() as f64;
    let (level, value) = (levels.iter().sum::<f64>() / count, values.iter().sum::<f64>() / count);
    let together: f64 = levels.iter().zip(values).map(|(x, y)| (x - level) * (y - value)).sum();
    let slope = together / levels.iter().map(|x| (x - level).powi(2)).sum::<f64>();
    [value - slope * level, slope]
}

/// Value at zero, slope, and change of the slope from `at` on, by least squares.
fn hinged(levels: &[f64], values: &[f64], at: f64) -> Option<[f64; 3]> {
    // What the level and a constant say of the hinge and of the values is taken out of both: what is left gives the change.
    let hinge: Vec<f64> = levels.iter().map(|level| (level - at).max(0.0)).collect();
    let [hinge_zero, hinge_slope] = straight(levels, &hinge);
    let [zero, slope] = straight(levels, values);
    let rest: Vec<f64> =
        levels.iter().zip(&hinge).map(|(level, hinge)| hinge - hinge_zero - hinge_slope * level).collect();
    let left: f64 = rest.iter().zip(levels.iter().zip(values)).map(|(r, (x, y))| r * (y - zero - slope * x)).sum();
    let change = left / rest.iter().map(|rest| rest * rest).sum::<f64>();
    let fit = [zero - change * hinge_zero, slope - change * hinge_slope, change];
    fit.iter().all(|value| value.is_finite()).then_some(fit)
}

/// The sum of squares that a bent line leaves over.
fn squares(levels: &[f64], values: &[f64], at: f64, [zero, slope, change]: [f64; 3]) -> f64 {
    let line = |level: f64| zero + slope * level + change * (level - at).max(0.0);
    levels.iter().zip(values).map(|(level, value)| (value - line(*level)).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::Random;

    const LEVELS: [f64; 4] = [1.0, 10.0, 50.0, 100.0];

    /// Rounds of a line that may bend at 50, with scatter that rises with the level, as that of memory does.
    fn rounds(random: &mut Random, bend: f64) -> Vec<Vec<f64>> {
        let value = |random: &mut Random, level: f64| {
            let line = 20.0 + 6.8 * level + bend * (level - 50.0).max(0.0);
            line + random.normal() * (0.5 + 0.01 * line)
        };
        (0..5).map(|_| LEVELS.iter().map(|level| value(random, *level)).collect()).collect()
    }

    #[test]
    fn the_interval_of_a_slope_has_it_as_often_as_it_says() {
        let mut random = Random::new(7);
        let all = 4000;
        let hit =
            (0..all).filter(|_| fit(&LEVELS, &rounds(&mut random, 0.0), 0.95).unwrap().slope.contains(6.8)).count();
        let share = hit as f64 / f64::from(all);
        assert!((0.938..=0.962).contains(&share), "{share}");
    }

    #[test]
    fn a_straight_line_is_seldom_called_bent_and_a_knee_is_found_where_it_is() {
        let mut random = Random::new(8);
        let bends = |random: &mut Random, change: f64| {
            let found = (0..1000).filter_map(|_| bend(&LEVELS, &rounds(random, change), 0.95, 0.1).unwrap());
            found.map(|bend| bend.at).collect::<Vec<f64>>()
        };
        let false_ones = bends(&mut random, 0.0).len();
        assert!(false_ones <= 50, "{false_ones} of 1000");
        let found = bends(&mut random, 5.0);
        let right = found.iter().filter(|at| (**at - 50.0).abs() < 1e-9).count();
        assert!(right >= 980, "{right} of {}", found.len());
    }

    #[test]
    fn values_without_scatter_have_a_slope_without_width_and_no_bend() {
        let exact: Vec<Vec<f64>> = (0..3).map(|_| LEVELS.iter().map(|level| 3.0 + 0.1 * level).collect()).collect();
        let line = fit(&LEVELS, &exact, 0.95).unwrap();
        assert!(line.slope.half_width() < 1e-12 && (line.slope.estimate - 0.1).abs() < 1e-12);
        assert_eq!(bend(&LEVELS, &exact, 0.95, 0.1), Ok(None));
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let two = vec![vec![1.0, 2.0], vec![1.0, 2.0]];
        assert_eq!(fit(&[1.0], &[vec![1.0], vec![1.0]], 0.95), Err(Refusal::TooFew));
        assert_eq!(fit(&[1.0, 2.0], &two[..1], 0.95), Err(Refusal::TooFew));
        assert_eq!(fit(&[2.0, 1.0], &two, 0.95), Err(Refusal::Constant));
        assert_eq!(fit(&[1.0, 2.0, 3.0], &two, 0.95), Err(Refusal::Unpaired));
        assert_eq!(fit(&[1.0, 2.0], &[vec![1.0, f64::NAN], vec![1.0, 2.0]], 0.95), Err(Refusal::NotFinite));
        assert_eq!(bend(&[1.0, 2.0], &two, 0.95, 0.1), Err(Refusal::TooFew));
        assert_eq!(fit(&[1.0, 2.0], &two, 1.0), Err(Refusal::Parameter));
    }
}

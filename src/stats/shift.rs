//! Differences at several places of a distribution at once (the decile shift function), with a band that holds for all of them
//! together. Refuses arms of fewer than two rounds, and rounds of different length.

use super::bootstrap::Plan;
use super::describe;
use super::distribution::student_quantile;
use super::interval::Interval;
use super::paired::Design;
use super::quantile::{self, Sorted};
use super::random::Random;
use super::refusal::{self, Refusal};

/// The nine deciles of a sample, type 7. Cost: O(1).
///
/// ```
/// use perfkit::stats::{quantile::Sorted, shift::deciles};
/// let values: Vec<f64> = (0..=10).map(f64::from).collect();
/// let deciles = deciles(&Sorted::new(&values).unwrap());
/// assert_eq!(deciles.len(), 9);
/// assert!((deciles[8] - 9.0).abs() < 1e-12);
/// ```
#[must_use]
pub fn deciles(values: &Sorted) -> [f64; 9] {
    std::array::from_fn(|index| values.quantile((index + 1) as f64 / 10.0))
}

/// Differences with their simultaneous band.
#[derive(Clone, Debug, PartialEq)]
pub struct Shift {
    /// For each place `head − base`, with the band: all of them hold together at the confidence.
    pub points: Vec<Interval>,
    /// How many standard errors the band is wide on each side; at least Student's for one place.
    pub critical: f64,
}

/// The shift function: for each place (decile) the mean over rounds of head less that of base, with a max-T band.
///
/// `base` and `head` hold one row for each round, with the same places in each: deciles, or their logarithms. The width is the
/// quantile of the largest |t| over all places, in comparisons without a difference that are simulated with normal rounds of
/// the spread and correlation that the rounds show. Places that move together cost little. A place that does not vary gets a
/// band without width. Assumes independent rounds, near normal. Cost: O(B·R²·places) for B draws. Source: Doksum (1974); max-T by
/// Westfall and Young (1993).
///
/// # Errors
/// `TooFew` below two rounds in an arm, rows without places, or below 100 draws; `Unpaired` for rows of different length or, with
/// [`Design::Paired`], arms of different size; `NotFinite`; `Constant` where no place varies; `TooMany` above 10⁶ draws;
/// `Parameter`.
///
/// ```
/// use perfkit::stats::{bootstrap::Plan, paired::Design, shift::shift_function};
/// let base = [vec![1.0, 5.0], vec![1.2, 5.1], vec![0.9, 4.8], vec![1.1, 5.2]];
/// let head = [vec![1.1, 8.0], vec![1.0, 8.3], vec![1.2, 7.9], vec![0.9, 8.4]];
/// let shift = shift_function(&base, &head, Design::Unpaired, Plan::default()).unwrap();
/// assert!(shift.points[0].contains(0.0) && shift.points[1].low > 2.0);
/// ```
pub fn shift_function(base: &[Vec<f64>], head: &[Vec<f64>], design: Design, plan: Plan) -> Result<Shift, Refusal> {
    plan.check()?;
    let places = base.first().ok_or(Refusal::TooFew)?.len();
    if places == 0 || base.len() < 2 || head.len() < 2 {
        return Err(Refusal::TooFew);
    }
    let uneven = base.iter().chain(head).any(|row| row.len() != places);
    if uneven || (design == Design::Paired && base.len() != head.len()) {
        return Err(Refusal::Unpaired);
    }
    base.iter().chain(head).try_for_each(|row| refusal::check(row, 1))?;
    let columns = match design {
        Design::Paired => {
            let difference = |(base, head): (&Vec<f64>, &Vec<f64>)| base.iter().zip(head).map(|(b, h)| h - b).collect();
            let rows: Vec<Vec<f64>> = base.iter().zip(head).map(difference).collect();
            (0..places).map(|place| Column::new(&[(&rows, 1.0)], place)).collect::<Result<Vec<_>, _>>()?
        }
        Design::Unpaired => {
            (0..places).map(|place| Column::new(&[(base, -1.0), (head, 1.0)], place)).collect::<Result<Vec<_>, _>>()?
        }
    };
    let varying: Vec<&Column> = columns.iter().filter(|column| column.error > 0.0).collect();
    if varying.is_empty() {
        return Err(Refusal::Constant);
    }
    let critical = critical(&varying, plan)?;
    let point = |column: &Column| {
        let half = critical * column.error;
        let (low, high) = (refusal::finite(column.estimate - half)?, refusal::finite(column.estimate + half)?);
        Ok(Interval { estimate: column.estimate, low, high })
    };
    Ok(Shift { points: columns.iter().map(point).collect::<Result<_, Refusal>>()?, critical })
}

/// One place: its difference and standard error.
struct Column {
    estimate: f64,
    error: f64,
    degrees: f64,
    /// For each arm what each round is away from its mean; 0 where the place does not vary.
    residuals: Vec<Vec<f64>>,
}

impl Column {
    /// From arms with the sign that their mean enters with.
    fn new(arms: &[(&[Vec<f64>], f64)], place: usize) -> Result<Self, Refusal> {
        let (mut estimate, mut residuals, mut parts) = (0.0, Vec::new(), Vec::new());
        let mut values = Vec::new();
        for (rows, sign) in arms {
            let column: Vec<f64> = rows.iter().map(|row| row[place]).collect();
            let count = column.len() as f64;
            let mean = describe::mean(&column).ok_or(Refusal::NotFinite)?;
            estimate += sign * mean;
            residuals.push(column.iter().map(|value| value - mean).collect());
            parts.push((describe::variance(&column).ok_or(Refusal::NotFinite)? / count, count - 1.0));
            values.extend(column);
        }
        let variance: f64 = parts.iter().map(|part| part.0).sum();
        let error = variance.sqrt();
        let error = if describe::is_rounding(error, &[&values]) { 0.0 } else { refusal::finite(error)? };
        let degrees = 1.0 / parts.iter().map(|(part, degrees)| (part / variance).powi(2) / degrees).sum::<f64>();
        Ok(Self { estimate: refusal::finite(estimate)?, error, degrees, residuals })
    }
}

/// The quantile of the largest |t| of the columns over simulated comparisons without a difference.
fn critical(columns: &[&Column], plan: Plan) -> Result<f64, Refusal> {
    let mut random = Random::new(plan.seed);
    let sizes: Vec<usize> = columns[0].residuals.iter().map(Vec::len).collect();
    let mut sums = vec![(0.0, 0.0); columns.len()];
    let mut largest = Vec::with_capacity(plan.resamples);
    for _ in 0..plan.resamples {
        // Of each column the simulated difference and the square of its standard error.
        let mut drawn = vec![(0.0, 0.0); columns.len()];
        for (arm, size) in sizes.iter().enumerate() {
            simulate(&mut random, columns, arm, &mut sums);
            let count = *size as f64;
            for ((difference, square), (sum, squares)) in drawn.iter_mut().zip(&sums) {
                let mean = sum / count;
                *difference += mean;
                *square += (squares - count * mean * mean).max(0.0) / (count - 1.0) / count;
            }
        }
        let t = drawn
            .iter()
            .filter(|(_, square)| *square > 0.0)
            .map(|(difference, square)| difference.abs() / square.sqrt());
        largest.push(t.fold(0.0, f64::max));
    }
    let drawn = quantile::of(&largest, plan.confidence).ok_or(Refusal::NotFinite)?;
    // The band of many places is never narrower than that of one: drawing must not make it so.
    let fewest = columns.iter().map(|column| column.degrees).fold(f64::INFINITY, f64::min);
    let single = student_quantile(f64::midpoint(1.0, plan.confidence), fewest).ok_or(Refusal::NotFinite)?;
    Ok(drawn.max(single))
}

/// One arm of normal rounds with the spread and the correlation that its rounds show: sums and sums of squares by column.
fn simulate(random: &mut Random, columns: &[&Column], arm: usize, sums: &mut [(f64, f64)]) {
    let size = columns[0].residuals[arm].len();
    let count = size as f64;
    // A few rounds show fewer directions than there are places; a share of its own for each place makes up for that.
    let own = 1.0 / count;
    let (shared, own) = (((1.0 - own) / (count - 1.0)).sqrt(), own.sqrt());
    let mut multipliers = vec![0.0; size];
    sums.fill((0.0, 0.0));
    for _ in 0..size {
        for multiplier in &mut multipliers {
            *multiplier = random.normal();
        }
        for (column, sum) in columns.iter().zip(sums.iter_mut()) {
            let residuals = &column.residuals[arm];
            let together: f64 = residuals.iter().zip(&multipliers).map(|(away, multiplier)| away * multiplier).sum();
            let squares: f64 = residuals.iter().map(|away| away * away).sum();
            let alone = (squares / (count - 1.0)).sqrt() * random.normal();
            // In units of the standard error, so that very large and very small values stay in range.
            let value = (shared * together + own * alone) / column.error;
            *sum = (sum.0 + value, sum.1 + value * value);
        }
    }
}

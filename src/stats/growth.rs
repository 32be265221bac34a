//! Judges whether a quantity that is looked at after equal rounds of operations grows without end: a leak. Refuses to call a
//! leak what slows down, what has been as high before, and growth by which no block is added.

use super::describe;
use super::drift::{change, drift, steady_from};
use super::interval::Interval;
use super::quantile;
use super::refusal::{self, Refusal};
use super::trend::{Dependence, mann_kendall, theil_sen};

/// The level of every test: of a rise (one-sided) and of a bend (over all places).
const LEVEL: f64 = 0.01;
/// The fewest rounds after the warm-up that can be judged: of six late ones a test can reach the level.
const LEAST_ROUNDS: usize = 12;
/// Longer series are averaged to at most this many looks.
const MOST_ROUNDS: usize = 512;
/// The level of the tests that a rate holds or has fallen, which only tell apart what is known to rise.
const HOLDS: f64 = 0.1;
/// The share of the earlier rate that the later one must have to go on.
const KEPT: f64 = 0.5;
/// How many standard deviations off its neighbours a look is wild.
const WILD: f64 = 7.0;
/// How many times the growth of the doubling of operations before the last one must bring: 2 for a container that doubles.
const DOUBLING: f64 = 1.4;

/// What became of one quantity over equal rounds of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Flat, falling, or nothing beyond noise.
    Ok,
    /// It rises and clearly slows down: bounded, as a cache that fills.
    WarmUp,
    /// It rises without bound so far, but no blocks are added (a container that doubles), or the growth was not confirmed.
    Growing,
    /// Something is added that is never freed, at a rate that does not slow down.
    Leak,
    /// Too few rounds or operations to tell, or it rises and the noise hides how it goes on.
    Inconclusive,
}

/// One quantity, looked at after each round of a session.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    /// Live bytes (or descriptors, threads, tasks) after each round, those of the warm-up first.
    pub values: &'a [f64],
    /// The blocks alive at the same looks; empty where there are none or nobody knows them.
    pub blocks: &'a [f64],
}

/// How a series was measured, and how little is still a leak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Operations in each round.
    pub operations: f64,
    /// The rounds at the start that are not judged.
    pub warm_up: usize,
    /// The least slope that matters, in units of the series per operation.
    pub least_slope: f64,
    /// The least growth over the judged late rounds that matters, in units of the series.
    pub least_growth: f64,
    /// The confidence of the intervals.
    pub confidence: f64,
}

impl Settings {
    /// For live bytes: 6 rounds of warm-up, half a byte per operation, 4 KiB, 95 %.
    ///
    /// ```
    /// use perfkit::stats::growth::Settings;
    /// // For descriptors, one in 2,000 operations and three in all.
    /// let settings = Settings { least_slope: 0.0005, least_growth: 3.0, ..Settings::bytes(500.0) };
    /// assert_eq!((settings.warm_up, settings.confidence), (6, 0.95));
    /// ```
    pub fn bytes(operations: f64) -> Self {
        Self { operations, warm_up: 6, least_slope: 0.5, least_growth: 4_096.0, confidence: 0.95 }
    }
}

/// The verdict on a series, and the figures behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// What became of the quantity.
    pub verdict: Verdict,
    /// Units per operation over the late half of the judged rounds.
    pub slope: Option<Interval>,
    /// Blocks per operation over the same rounds; `None` where the blocks are not known.
    pub blocks_per_operation: Option<Interval>,
    /// Units per operation over the early half of the judged rounds.
    pub early_slope: Option<f64>,
    /// Units from the first judged round to the last.
    pub growth: f64,
    /// The larger of the p-values of the two tests that the late half must pass, one-sided against "it does not rise".
    pub p: Option<f64>,
    /// The operations per whole session, warm-up included, that would decide; `None` where it is decided or nobody can say.
    pub operations_needed: Option<u64>,
}

impl Growth {
    /// Of a series that cannot be judged.
    const UNKNOWN: Self = Self {
        verdict: Verdict::Inconclusive,
        slope: None,
        blocks_per_operation: None,
        early_slope: None,
        growth: 0.0,
        p: None,
        operations_needed: None,
    };
}

/// Judges one series, which starts at the first operation.
///
/// Judged are the rounds after the warm-up. `Leak`: their late half rises by Mann–Kendall's test and by a t-test of the slope
/// that allows for a wandering level, both at 1 %; the lower end of the slope is at least `least_slope`, the growth `least_growth`;
/// it ends above what the early half had reached; its rate is shown (at 10 %) to be at least half of the early one, and no
/// bend is found after which it rises by less than four fifths — unless it has settled to a lower, steady rate long enough to
/// be judged alone. Where `blocks` are known their late half must rise too, else it is `Growing`, as is what rises in
/// doubling steps. One look never suffices: go on to twice the length unless it is `Ok`, then [`confirm`].
///
/// The slope is Theil–Sen's, its interval the hull of Theil–Sen's and the wandering level's: it covers by more than its
/// confidence where deviations are independent. What fills at a steady rate and is full after the last round is not
/// to be told from a leak. Cost: O(n²) in the number of rounds, at most 512 (more are averaged). A series that cannot be
/// judged is `Inconclusive`, without figures.
///
/// ```
/// use perfkit::stats::growth::{Series, Settings, Verdict, judge};
/// let values: Vec<f64> = (0..24).map(|round| 9e6 + 512_000.0 * f64::from(round)).collect();
/// let growth = judge(&Series { values: &values, blocks: &[] }, &Settings::bytes(500.0));
/// assert_eq!(growth.verdict, Verdict::Leak);
/// assert_eq!(growth.slope.unwrap().estimate, 1024.0);
/// ```
pub fn judge(series: &Series<'_>, settings: &Settings) -> Growth {
    judged(series, settings).unwrap_or(Growth::UNKNOWN)
}

/// The verdict after a session of twice the length: a continuation of the first, or a fresh one.
///
/// `Leak` only where the longer says so and the first had found a rise too. Figures and every other verdict are those of
/// the longer. Cost: O(1).
///
/// ```
/// use perfkit::stats::growth::{Series, Settings, Verdict, confirm, judge};
/// let cache = |rounds: i32| -> Vec<f64> { (0..rounds).map(|round| 1e5 * f64::from(round.min(23))).collect() };
/// let judge = |values: &[f64]| judge(&Series { values, blocks: &[] }, &Settings::bytes(500.0));
/// let (first, longer) = (judge(&cache(24)), judge(&cache(48)));
/// assert_eq!(first.verdict, Verdict::Leak);
/// assert_eq!(confirm(&first, &longer).verdict, Verdict::WarmUp);
/// ```
pub fn confirm(first: &Growth, longer: &Growth) -> Growth {
    match (first.verdict, longer.verdict) {
        (Verdict::Ok, Verdict::Leak) => Growth { verdict: Verdict::Growing, ..*longer },
        _ => *longer,
    }
}

fn judged(series: &Series<'_>, settings: &Settings) -> Result<Growth, Refusal> {
    refusal::check(series.values, 1)?;
    refusal::check(series.blocks, 0)?;
    refusal::check_share(settings.confidence)?;
    let sizes = [settings.operations, settings.least_slope, settings.least_growth];
    if !(sizes.iter().all(|size| size.is_finite() && *size >= 0.0) && settings.operations > 0.0) {
        return Err(Refusal::Parameter);
    }
    if !series.blocks.is_empty() && series.blocks.len() != series.values.len() {
        return Err(Refusal::Unpaired);
    }
    let session = settings.operations * series.values.len() as f64;
    let rest = series.values.get(settings.warm_up..).unwrap_or_default();
    let (thinner, stride) = thinned(rest);
    let values = calmed(&thinner);
    let growth = refusal::finite(rest.last().unwrap_or(&0.0) - rest.first().unwrap_or(&0.0))?;
    if values.len() < LEAST_ROUNDS {
        let rounds = settings.warm_up.saturating_add(LEAST_ROUNDS) as f64;
        let operations_needed = whole(rounds * settings.operations);
        return Ok(Growth { growth, operations_needed, ..Growth::UNKNOWN });
    }
    let settings = Settings { operations: settings.operations * stride, ..*settings };
    let rises = p_rises(&values)? < LEVEL;
    let steady = if rises { steady_from(&values, LEAST_ROUNDS, LEVEL)? } else { Some(0) };
    let start = steady.unwrap_or(0);
    let body = &values[start..];
    let halves = change(body, body.len() / 2, KEPT)?;
    let rate = if !rises {
        Rate::Flat
    } else if steady.is_none() || halves.negated().p_above(0.0) < HOLDS {
        Rate::Slows
    } else if halves.p_above(0.0) < HOLDS {
        Rate::Holds
    } else {
        Rate::Hidden
    };
    let late = Rise::of(&body[body.len() / 2..], &settings)?;
    let early = Rise::of(&body[..body.len().div_ceil(2)], &settings)?;
    let blocks = calmed(&thinned(series.blocks.get(settings.warm_up..).unwrap_or_default()).0);
    let blocks_rise = blocks.get(start + body.len() / 2..).map(|late| Rise::of(late, &settings)).transpose()?;
    let stand_still = !blocks.is_empty() && p_rises(&blocks)? >= LEVEL;
    let found = Found { rate, late, blocks: blocks_rise, stand_still };
    let verdict = found.verdict(series, body, &settings);
    let needed = if verdict == Verdict::Inconclusive { found.factor(&settings) } else { None };
    Ok(Growth {
        verdict,
        slope: Some(late.slope),
        blocks_per_operation: blocks_rise.map(|rise| rise.slope),
        early_slope: Some(early.slope.estimate),
        growth,
        p: Some(late.p),
        operations_needed: needed.and_then(|factor| whole(factor * session)),
    })
}

/// Averages neighbours so that at most [`MOST_ROUNDS`] are left; how many make one.
fn thinned(values: &[f64]) -> (Vec<f64>, f64) {
    let stride = values.len().div_ceil(MOST_ROUNDS).max(1);
    let mean = |group: &[f64]| group.iter().map(|value| value / stride as f64).sum();
    if stride == 1 { (values.to_vec(), 1.0) } else { (values.chunks_exact(stride).map(mean).collect(), stride as f64) }
}

/// Replaces single wild looks by the median of their neighbourhood (Hampel's filter): what is gone at the next look was no
/// leak, and would hide one. A series that never falls stays as it is, and so do its ends.
fn calmed(values: &[f64]) -> Vec<f64> {
    let middle = |index: usize| {
        let reach = index.min(values.len() - 1 - index).min(2);
        quantile::median(&values[index - reach..=index + reach]).unwrap_or(values[index])
    };
    let medians: Vec<f64> = (0..values.len()).map(middle).collect();
    let off: Vec<f64> = values.iter().zip(&medians).map(|(value, median)| (value - median).abs()).collect();
    // Both scales are those of a standard deviation; the mean stands in where most looks are not off at all.
    let scale = match quantile::median(&off) {
        Some(median) if median > 0.0 => 1.4826 * median,
        _ => 1.2533 * describe::mean(&off).unwrap_or(0.0),
    };
    let calm = |((value, median), off): ((&f64, &f64), &f64)| if *off > WILD * scale { *median } else { *value };
    values.iter().zip(&medians).zip(&off).map(calm).collect()
}

/// A number of operations, where it is one that a program could do.
fn whole(operations: f64) -> Option<u64> {
    (1.0..1e15).contains(&operations).then(|| operations.ceil() as u64)
}

/// The p-value of Mann and Kendall's test against "it does not rise"; 1 for a constant series.
fn p_rises(values: &[f64]) -> Result<f64, Refusal> {
    match mann_kendall(values, Dependence::Independent) {
        Ok(test) if test.score > 0.0 => Ok(test.p / 2.0),
        Ok(test) => Ok(1.0 - test.p / 2.0),
        Err(Refusal::Constant) => Ok(1.0),
        Err(refusal) => Err(refusal),
    }
}

/// The rise of some rounds.
#[derive(Clone, Copy)]
struct Rise {
    /// Per operation.
    slope: Interval,
    /// Over these rounds, along the slope.
    growth: f64,
    p: f64,
    /// How much of their noise stays, from 0 to 1.
    wander: f64,
}

impl Rise {
    fn of(values: &[f64], settings: &Settings) -> Result<Self, Refusal> {
        let positions: Vec<f64> = (0..values.len()).map(|round| round as f64).collect();
        let line = theil_sen(&positions, values, settings.confidence)?.slope;
        let wandering = drift(values)?;
        let wandering_slope = wandering.interval(settings.confidence)?;
        let per_operation = |slope: f64| refusal::finite(slope / settings.operations);
        let slope = Interval {
            estimate: per_operation(line.estimate)?,
            low: per_operation(line.low.min(wandering_slope.low))?,
            high: per_operation(line.high.max(wandering_slope.high))?,
        };
        let growth = line.estimate * (values.len() - 1) as f64;
        Ok(Self { slope, growth, p: p_rises(values)?.max(wandering.p_above(0.0)), wander: wandering.wander })
    }
}

/// What becomes of the rate of the judged rounds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rate {
    /// They do not rise.
    Flat,
    /// The late rate is shown to be at least half of the early one, and no bend is left.
    Holds,
    /// The late rate is shown to be less than half of the early one, or a bend is left.
    Slows,
    /// They rise, and noise hides the rest.
    Hidden,
}

/// All that the verdict is made from.
struct Found {
    rate: Rate,
    late: Rise,
    blocks: Option<Rise>,
    /// The blocks are known, and do not rise over all judged rounds.
    stand_still: bool,
}

impl Found {
    fn verdict(&self, series: &Series<'_>, body: &[f64], settings: &Settings) -> Verdict {
        let Self { rate, late, blocks, stand_still } = self;
        let matters = late.slope.low >= settings.least_slope && late.growth >= settings.least_growth;
        if late.p < LEVEL && matters && *rate == Rate::Holds && ends_higher(body) {
            let adds_blocks = blocks.is_none_or(|blocks| blocks.p < LEVEL && blocks.slope.low > 0.0);
            return match (adds_blocks, stand_still) {
                (true, _) => Verdict::Leak,
                (false, true) => Verdict::Growing,
                (false, false) => Verdict::Inconclusive,
            };
        }
        let doubles = if *stand_still {
            // Pushes before the first round, such as those of a calibration, delay the next doubling.
            doubles(series.values, settings, series.values.len() * 2 / 5)
        } else {
            let in_steps = blocks.is_none() && *rate != Rate::Flat && steps(body);
            let half = series.values.len() / 2;
            in_steps && doubles(series.values, settings, half) && series.values[half - 1] > series.values[half / 2 - 1]
        };
        if doubles {
            return Verdict::Growing;
        }
        let rise = body.last().zip(body.first()).map_or(0.0, |(last, first)| last - first);
        if *rate == Rate::Slows && rise >= settings.least_growth {
            return Verdict::WarmUp;
        }
        // What is too slow to matter, and what was as high before, is no growth. Where looks are tied the slope is 0 too easily.
        let slope = late.slope;
        let goes_on = *rate != Rate::Flat && slope.estimate >= 0.0 && slope.high >= settings.least_slope;
        if goes_on && slope.high > 0.0 && ends_higher(body) { Verdict::Inconclusive } else { Verdict::Ok }
    }

    /// How many times the operations would decide, if the rate stays. The error of the slope shrinks with the operations of a
    /// round, or with their root where the level wanders. At least twice, for anything less would hardly look different.
    fn factor(&self, settings: &Settings) -> Option<f64> {
        let Self { late, .. } = self;
        let room = late.slope.estimate - settings.least_slope;
        let reach = (late.slope.estimate - late.slope.low).max(0.0);
        let sharper = if reach > 0.0 { (reach / room).powf(1.0 / (1.0 - late.wander / 2.0)) } else { 1.0 };
        let longer = if settings.least_growth > 0.0 { settings.least_growth / late.growth } else { 1.0 };
        let factor = sharper.max(longer).max(2.0);
        (room > 0.0 && late.growth > 0.0 && factor.is_finite()).then_some(factor)
    }
}

/// Whether the last third lies above what the early half had reached, one wild round aside.
///
/// What was as high before, and was freed, is no leak: a cache that is cleared now and then.
fn ends_higher(values: &[f64]) -> bool {
    let mut early = values[..values.len() / 2].to_vec();
    early.sort_unstable_by(f64::total_cmp);
    let reached = early.len().checked_sub(2).map_or(f64::INFINITY, |second| early[second]);
    quantile::median(&values[values.len() - values.len() / 3..]).is_some_and(|end| end > reached)
}

/// Whether the rounds from `half` on brought at least 1.4 times the growth of as many doublings before, and nothing fell.
///
/// A container that doubles whenever it is full does so once in each doubling of the operations, whenever that is.
fn doubles(values: &[f64], settings: &Settings, half: usize) -> bool {
    let quarter = half.div_ceil(2).max(settings.warm_up).clamp(1, half.max(1)) - 1;
    let half = half.max(1) - 1;
    let (before, after) = (values[half] - values[quarter], values[values.len() - 1] - values[half]);
    let fell = values[quarter..].windows(2).map(|pair| pair[0] - pair[1]).fold(0.0, f64::max);
    after > 0.0 && after >= settings.least_growth && after >= DOUBLING * before && fell < 0.1 * after
}

/// Whether nearly all of the rise came in at most three rounds.
fn steps(values: &[f64]) -> bool {
    let mut rises: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    rises.sort_unstable_by(|a, b| b.total_cmp(a));
    let total: f64 = rises.iter().sum();
    total > 0.0 && rises.iter().take(3).sum::<f64>() >= 0.8 * total
}

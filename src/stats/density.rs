//! The modes of a distribution: where its density peaks, between which valleys, and with what weight. Refuses fewer than four
//! values. Says nothing of whether a mode is real: compare modes of rounds with each other.

use super::describe;
use super::quantile;
use super::refusal::{self, Refusal};

/// Kernels are cut off at this many bandwidths, where a normal density has fallen to 10⁻⁵.
const REACH: f64 = 4.8;
/// Bins in a bandwidth.
const BINS_PER_BANDWIDTH: f64 = 8.0;
/// The most bins; where the range is so wide that more were needed, the bandwidth grows.
const MOST_BINS: f64 = 65_536.0;

/// A density on an even grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Density {
    /// The place of the first point.
    pub start: f64,
    /// The distance of two points.
    pub step: f64,
    /// The density at the points; its integral is 1.
    pub values: Vec<f64>,
    /// The standard deviation of the normal kernel.
    pub bandwidth: f64,
}

/// One mode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mode {
    /// Where the density is highest.
    pub center: f64,
    /// The share of the values between its valleys.
    pub weight: f64,
    /// The valley below, or the smallest value.
    pub low: f64,
    /// The valley above, or the largest value.
    pub high: f64,
}

/// Silverman's bandwidth: `0.9·min(deviation, interquartile range/1.34)·n^(−1/5)`; the one of the two that is positive.
///
/// Made for one normal mode, so it smooths: it counts few false modes and misses close ones. Cost: O(n). Source: Silverman
/// (1986).
///
/// # Errors
/// `TooFew` below two values; `NotFinite`; `Constant`.
///
/// ```
/// let values: Vec<f64> = (0..100).map(f64::from).collect();
/// let bandwidth = perfkit::stats::density::silverman_bandwidth(&values).unwrap();
/// assert!((bandwidth - 0.9 * 29.0115 * 100f64.powf(-0.2)).abs() < 1e-3);
/// ```
pub fn silverman_bandwidth(values: &[f64]) -> Result<f64, Refusal> {
    refusal::check(values, 2)?;
    let deviation = describe::standard_deviation(values).ok_or(Refusal::NotFinite)?;
    if describe::is_rounding(deviation, &[values]) {
        return Err(Refusal::Constant);
    }
    let quartiles = quantile::several(values, &[0.25, 0.75]).ok_or(Refusal::NotFinite)?;
    let range = (quartiles[1] - quartiles[0]) / 1.34;
    let scale = if range > 0.0 { range.min(deviation) } else { deviation };
    refusal::finite(0.9 * scale * (values.len() as f64).powf(-0.2))
}

/// The kernel density estimate of a sample, with a normal kernel on a grid.
///
/// Values are shared out to the two nearest grid points, then smoothed by the kernel, cut off at 4.8 bandwidths. Assumes
/// independent values. The bandwidth grows where the range is above 8,192 of it: take logarithms of values with a
/// long tail. Cost: O(n + 80·bins), at most 65,536 bins. Source: Silverman (1982), Wand (1994).
///
/// # Errors
/// `TooFew` for an empty sample; `NotFinite`; `Parameter` where the bandwidth is not positive.
///
/// ```
/// let density = perfkit::stats::density::density(&[1.0, 2.0, 2.5, 9.0], 0.5).unwrap();
/// let mass: f64 = density.values.iter().sum::<f64>() * density.step;
/// assert!((mass - 1.0).abs() < 1e-9);
/// ```
pub fn density(values: &[f64], bandwidth: f64) -> Result<Density, Refusal> {
    refusal::check(values, 1)?;
    if !(bandwidth > 0.0 && bandwidth.is_finite()) {
        return Err(Refusal::Parameter);
    }
    let (least, most) =
        values.iter().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
    let range = refusal::finite(most - least)?;
    let bandwidth = bandwidth.max(range * BINS_PER_BANDWIDTH / (MOST_BINS - 2.0 * REACH * BINS_PER_BANDWIDTH - 4.0));
    let step = bandwidth / BINS_PER_BANDWIDTH;
    let margin = (REACH * BINS_PER_BANDWIDTH).ceil() as usize;
    let start = least - margin as f64 * step;
    let bins = (range / step).ceil() as usize + 2 * margin + 2;
    if step <= 0.0 || start + step <= start || most + step <= most {
        return Err(Refusal::NotFinite);
    }
    let mut counts = vec![0.0; bins];
    for value in values {
        let place = (value - start) / step;
        let bin = (place as usize).min(bins - 2);
        let part = (place - bin as f64).clamp(0.0, 1.0);
        counts[bin] += 1.0 - part;
        counts[bin + 1] += part;
    }
    let kernel: Vec<f64> = (0..=margin).map(|bin| (-0.5 * (bin as f64 / BINS_PER_BANDWIDTH).powi(2)).exp()).collect();
    let mass = (2.0 * kernel.iter().sum::<f64>() - kernel[0]) * values.len() as f64 * step;
    let mut smooth = vec![0.0; bins];
    for (bin, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0.0) {
        let from = bin.saturating_sub(margin);
        let to = (bin + margin).min(bins - 1);
        for (offset, sum) in smooth[from..=to].iter_mut().enumerate() {
            *sum += count * kernel[(from + offset).abs_diff(bin)] / mass;
        }
    }
    Ok(Density { start, step, values: smooth, bandwidth })
}

/// The modes of a sample, from the smallest place to the largest; their weights sum to 1.
///
/// Peaks of the density with Silverman's bandwidth. Two peaks are one mode where the valley between them is above 80 % of the
/// lower peak, and a mode with less than `least_weight` of the values (say 0.05) joins the neighbour across the higher
/// valley. Values that do not vary are one mode. Assumes independent values; a single run has false modes half of the time,
/// hence compare weights and centers over rounds. Cost: O(n + bins). Source: Silverman (1981, 1986).
///
/// # Errors
/// `TooFew` below four values; `NotFinite`; `Parameter` unless `0 ≤ least_weight < 0.5`.
///
/// ```
/// let values: Vec<f64> = (0..100).map(|index| if index < 72 { 120.0 } else { 1150.0 } + f64::from(index % 10)).collect();
/// let modes = perfkit::stats::density::modes(&values, 0.05).unwrap();
/// assert_eq!(modes.len(), 2);
/// assert!((modes[0].weight - 0.72).abs() < 1e-9 && (modes[1].center - 1154.0).abs() < 20.0);
/// ```
pub fn modes(values: &[f64], least_weight: f64) -> Result<Vec<Mode>, Refusal> {
    refusal::check(values, 4)?;
    if !(0.0..0.5).contains(&least_weight) {
        return Err(Refusal::Parameter);
    }
    let (least, most) =
        values.iter().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
    let density = match silverman_bandwidth(values).and_then(|bandwidth| density(values, bandwidth)) {
        Err(Refusal::Constant) => return Ok(vec![Mode { center: values[0], weight: 1.0, low: least, high: most }]),
        other => other?,
    };
    let mut peaks = peaks(&density.values);
    merge(&mut peaks, &density.values, |low, high| low.height.min(high.height) * 0.8);
    let place = |bin: usize| density.start + bin as f64 * density.step;
    loop {
        let weights = weights(values, &peaks, place);
        let lightest = (0..peaks.len()).min_by(|a, b| weights[*a].total_cmp(&weights[*b]));
        if let Some(index) = lightest.filter(|index| peaks.len() > 1 && weights[*index] < least_weight) {
            absorb(&mut peaks, index, &density.values);
            continue;
        }
        let edge = |index: usize| if index == 0 { least } else { place(peaks[index].valley) };
        let mode = |index: usize| Mode {
            center: place(peaks[index].bin),
            weight: weights[index],
            low: edge(index),
            high: if index + 1 == peaks.len() { most } else { edge(index + 1) },
        };
        return Ok((0..peaks.len()).map(mode).collect());
    }
}

/// A peak, and the valley below it (0 for the first).
#[derive(Clone, Copy)]
struct Peak {
    bin: usize,
    height: f64,
    valley: usize,
}

fn peaks(density: &[f64]) -> Vec<Peak> {
    let mut peaks: Vec<Peak> = Vec::new();
    let (mut rising, mut valley) = (true, 0);
    for bin in 1..density.len() {
        if rising && density[bin] < density[bin - 1] {
            peaks.push(Peak { bin: bin - 1, height: density[bin - 1], valley });
            rising = false;
        } else if !rising && density[bin] > density[bin - 1] {
            valley = bin - 1;
            rising = true;
        }
    }
    peaks
}

/// Joins neighbours whose valley is above `bound`, the shallowest valley first.
fn merge(peaks: &mut Vec<Peak>, density: &[f64], bound: impl Fn(Peak, Peak) -> f64) {
    loop {
        let excess = |index: usize| density[peaks[index].valley] / bound(peaks[index - 1], peaks[index]);
        let shallowest = (1..peaks.len()).max_by(|a, b| excess(*a).total_cmp(&excess(*b)));
        match shallowest.filter(|index| excess(*index) > 1.0) {
            Some(index) => join(peaks, index),
            None => return,
        }
    }
}

/// Makes one of a peak and the one below it.
fn join(peaks: &mut Vec<Peak>, index: usize) {
    let above = peaks.remove(index);
    let below = &mut peaks[index - 1];
    if above.height > below.height {
        *below = Peak { valley: below.valley, ..above };
    }
}

/// Joins a light peak to the neighbour across the higher valley.
fn absorb(peaks: &mut Vec<Peak>, index: usize, density: &[f64]) {
    let depth = |index: usize| peaks.get(index).filter(|_| index > 0).map_or(-1.0, |peak| density[peak.valley]);
    let across = if depth(index) >= depth(index + 1) { index } else { index + 1 };
    join(peaks, across);
}

/// The shares of the values themselves, not of the smoothed density, between the valleys.
fn weights(values: &[f64], peaks: &[Peak], place: impl Fn(usize) -> f64) -> Vec<f64> {
    let valleys: Vec<f64> = peaks.iter().skip(1).map(|peak| place(peak.valley)).collect();
    let mut counts = vec![0_usize; peaks.len()];
    for value in values {
        counts[valleys.partition_point(|valley| valley <= value)] += 1;
    }
    counts.into_iter().map(|count| count as f64 / values.len() as f64).collect()
}

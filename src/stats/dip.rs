//! Hartigan's dip: how far a sample is from having one mode. A label only: it "rejects" half of ordinary runs. Refuses more than
//! 100,000 values.

use super::quantile::Sorted;
use super::random::Random;
use super::refusal::{self, Refusal};

/// The most values the dip is computed for.
const MOST_VALUES: usize = 100_000;

/// The dip: the greatest distance between the distribution function of the sample and the nearest one with one mode.
///
/// Between 0 (one mode without doubt, or no variation) and 1/4 (two points). Assumes independent values for its p-value. Cost: O(n log n), in
/// bad cases O(n²). Source: Hartigan and Hartigan (1985), algorithm AS 217, with Maechler's corrections.
///
/// # Errors
/// `TooFew` for an empty sample; `TooMany` above 100,000 values; `NotFinite`.
///
/// ```
/// let dip = perfkit::stats::dip::dip(&[1.0, 1.1, 1.2, 9.0, 9.1, 9.2]).unwrap();
/// assert!(dip > 0.2);
/// ```
pub fn dip(values: &[f64]) -> Result<f64, Refusal> {
    refusal::check(values, 1)?;
    if values.len() > MOST_VALUES {
        return Err(Refusal::TooMany);
    }
    Ok(dip_of_sorted(Sorted::new(values).ok_or(Refusal::NotFinite)?.values()))
}

/// The p-value of "one mode": the share of uniform samples of this size with at least this dip, from `resamples` of them.
///
/// Uniform is the worst case with one mode, so the p-value is too large rather than too small. Cost: O(resamples·n log n).
/// Source: Hartigan and Hartigan (1985).
///
/// # Errors
/// `TooFew` below four values or 100 resamples; `TooMany` above 10⁶ resamples or 100,000 values; `Parameter` where the dip is not in
/// [0, 1].
///
/// ```
/// let p = perfkit::stats::dip::p_value(0.12, 30, 999, 1).unwrap();
/// assert!(p < 0.02);
/// ```
pub fn p_value(dip: f64, count: usize, resamples: usize, seed: u64) -> Result<f64, Refusal> {
    if count < 4 || resamples < 100 {
        return Err(Refusal::TooFew);
    }
    if count > MOST_VALUES || resamples > 1_000_000 {
        return Err(Refusal::TooMany);
    }
    if !(0.0..=1.0).contains(&dip) {
        return Err(Refusal::Parameter);
    }
    let mut random = Random::new(seed);
    let mut sample = vec![0.0; count];
    let mut reached = 0;
    for _ in 0..resamples {
        for value in &mut sample {
            *value = random.uniform();
        }
        sample.sort_unstable_by(f64::total_cmp);
        reached += usize::from(dip_of_sorted(&sample) >= dip);
    }
    Ok((reached as f64 + 1.0) / (resamples as f64 + 1.0))
}

/// For each value the one before it on the greatest convex minorant, taking the values up to it alone.
fn convex_links(x: &[f64]) -> Vec<usize> {
    let mut links = vec![0; x.len()];
    for end in 1..x.len() {
        let mut link = end - 1;
        while link > 0 {
            let before = links[link];
            if (x[end] - x[link]) * (link - before) as f64 >= (x[link] - x[before]) * (end - link) as f64 {
                link = before;
            } else {
                break;
            }
        }
        links[end] = link;
    }
    links
}

/// For each value the one after it on the least concave majorant, taking the values from it alone.
fn concave_links(x: &[f64]) -> Vec<usize> {
    let last = x.len() - 1;
    let mut links = vec![last; x.len()];
    for start in (0..last).rev() {
        let mut link = start + 1;
        while link < last {
            let after = links[link];
            if (x[link] - x[start]) * (after - link) as f64 >= (x[after] - x[link]) * (link - start) as f64 {
                link = after;
            } else {
                break;
            }
        }
        links[start] = link;
    }
    links
}

#[expect(clippy::float_cmp, reason = "ties are equal to the last digit")]
fn dip_of_sorted(x: &[f64]) -> f64 {
    let count = x.len();
    if count < 2 || x[0] == x[count - 1] {
        return 0.0;
    }
    let (convex, concave) = (convex_links(x), concave_links(x));
    let (mut low, mut high, mut dip) = (0, count - 1, 0.0_f64);
    loop {
        // The minorant from high down to low, the majorant from low up to high.
        let mut minorant = vec![high];
        while minorant[minorant.len() - 1] > low {
            minorant.push(convex[minorant[minorant.len() - 1]]);
        }
        let mut majorant = vec![low];
        while majorant[majorant.len() - 1] < high {
            majorant.push(concave[majorant[majorant.len() - 1]]);
        }
        let (distance, at_minorant, at_majorant) = widest(x, &minorant, &majorant);
        if distance < dip {
            break;
        }
        let below = minorant[at_minorant..].windows(2).map(|pair| sag(x, pair[1], pair[0], 1.0)).fold(0.0, f64::max);
        let above = majorant[at_majorant..].windows(2).map(|pair| sag(x, pair[0], pair[1], -1.0)).fold(0.0, f64::max);
        dip = dip.max(below).max(above);
        let (next_low, next_high) = (minorant[at_minorant], majorant[at_majorant]);
        if (next_low, next_high) == (low, high) || next_low >= next_high {
            break;
        }
        (low, high) = (next_low, next_high);
    }
    dip / (2.0 * count as f64)
}

/// The greatest distance between minorant and majorant, in steps of the distribution function, and where it is.
fn widest(x: &[f64], minorant: &[usize], majorant: &[usize]) -> (f64, usize, usize) {
    let (mut at_minorant, mut at_majorant) = (minorant.len() - 1, majorant.len() - 1);
    if minorant.len() == 2 && majorant.len() == 2 {
        return (0.0, at_minorant, at_majorant);
    }
    let mut distance = 0.0;
    let (mut lower, mut upper) = (minorant.len() - 2, 1);
    loop {
        let (on_minorant, on_majorant) = (minorant[lower], majorant[upper]);
        if on_minorant > on_majorant {
            let before = minorant[lower + 1];
            let slope = (on_minorant - before) as f64 / (x[on_minorant] - x[before]);
            let gap = (on_majorant as f64 - before as f64 + 1.0) - (x[on_majorant] - x[before]) * slope;
            upper += 1;
            if gap >= distance {
                (distance, at_minorant, at_majorant) = (gap, lower + 1, upper - 1);
            }
        } else {
            let before = majorant[upper - 1];
            let slope = (on_majorant - before) as f64 / (x[on_majorant] - x[before]);
            let gap = (x[on_minorant] - x[before]) * slope - (on_minorant as f64 - before as f64 - 1.0);
            if gap >= distance {
                (distance, at_minorant, at_majorant) = (gap, lower, upper);
            }
            lower = lower.saturating_sub(1);
        }
        upper = upper.min(majorant.len() - 1);
        if minorant[lower] == majorant[upper] {
            return (distance, at_minorant, at_majorant);
        }
    }
}

/// How far the distribution function leaves the chord between two points, to the side of `sign`; at least one step.
#[expect(clippy::float_cmp, reason = "ties are equal to the last digit")]
fn sag(x: &[f64], from: usize, to: usize, sign: f64) -> f64 {
    if to - from < 2 || x[to] == x[from] {
        return 1.0;
    }
    let slope = (to - from) as f64 / (x[to] - x[from]);
    let away = |index: usize| sign * ((index - from) as f64 - (x[index] - x[from]) * slope) + 1.0;
    (from..=to).map(away).fold(1.0, f64::max)
}

//! Shares of the variance: the covariance of each component with the latency, within rounds and between them. Refuses shares of
//! latencies that do not vary.
//!
//! Because the components add up to the latency, the covariances add up to its variance (`VProfiler`, 2017, written as
//! one number a component). Within rounds they are pooled: sums of products over all rounds. The interval is that of the ratio of
//! two sums over rounds (Cochran 1977): a round's deviation is `C − share·V`, and t has as many degrees as rounds less one.
//! It stays true where rounds differ much in how much they vary, which the mean of the rounds' own shares does not.

use super::split::Splitter;
use super::types::{Between, Part, Share};
use crate::stats::student::Estimate;
use crate::stats::trend::{self, Dependence};

/// The confidence of every interval.
pub(super) const CONFIDENCE: f64 = 0.95;
/// Rounds that an interval needs.
pub(super) const ROUNDS: usize = 3;
/// Rounds that a trend of their means needs: with fewer the least p-value is above 0.05.
const ROUNDS_FOR_TREND: usize = 5;

/// The sums of one round.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    pub(super) count: f64,
    pub(super) latency_ns: f64,
    /// Mean of each component.
    pub(super) means: Vec<f64>,
    /// Sum of products with the latency of each component, both less their means.
    pub(super) products: Vec<f64>,
}

impl Moments {
    /// The sum of squares of the latency: that of the products, as the components add up to it.
    fn squares(&self) -> f64 {
        self.products.iter().sum()
    }
}

/// The moments of every round, in two passes so that large means cost no digits. Also the share of operations whose phases
/// were longer than themselves.
pub(super) fn moments(splitter: &Splitter<'_>, sizes: &[usize]) -> (Vec<Moments>, f64) {
    let width = splitter.names().len();
    let empty = |size: &usize| Moments {
        count: *size as f64,
        latency_ns: 0.0,
        means: vec![0.0; width],
        products: vec![0.0; width],
    };
    let mut rounds: Vec<Moments> = sizes.iter().map(empty).collect();
    let mut squeezed = 0_usize;
    splitter.each(|place, _, whole, parts| {
        let round = &mut rounds[place];
        round.latency_ns += whole.latency_ns;
        round.means.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
        squeezed += usize::from(whole.squeezed);
    });
    for round in &mut rounds {
        round.latency_ns /= round.count;
        round.means.iter_mut().for_each(|sum| *sum /= round.count);
    }
    splitter.each(|place, _, whole, parts| {
        let round = &mut rounds[place];
        let off = whole.latency_ns - round.latency_ns;
        for ((sum, part), mean) in round.products.iter_mut().zip(parts).zip(&round.means) {
            *sum += (part - mean) * off;
        }
    });
    let all: usize = sizes.iter().sum();
    (rounds, squeezed as f64 / all.max(1) as f64)
}

/// The variance within rounds; `None` where no round has two operations.
pub(super) fn within(rounds: &[Moments]) -> Option<f64> {
    let degrees: f64 = rounds.iter().map(|round| round.count - 1.0).sum();
    (degrees > 0.0).then(|| varying(rounds) / degrees)
}

/// The mean latency of all operations.
pub(super) fn mean(rounds: &[Moments]) -> Option<f64> {
    let count: f64 = rounds.iter().map(|round| round.count).sum();
    (count > 0.0).then(|| rounds.iter().map(|round| round.latency_ns * round.count).sum::<f64>() / count)
}

/// The sum of squares within rounds; 0 where it is no more than rounding.
fn varying(rounds: &[Moments]) -> f64 {
    let squares: f64 = rounds.iter().map(Moments::squares).sum();
    let rounding: f64 = rounds.iter().map(|round| round.count * (4.0 * f64::EPSILON * round.latency_ns).powi(2)).sum();
    if squares > rounding { squares } else { 0.0 }
}

/// Each component's share of the variance within rounds, the largest first; components that no operation has are left out.
pub(super) fn shares(names: &[String], rounds: &[Moments]) -> Vec<Share> {
    let all = varying(rounds);
    if all <= 0.0 {
        return Vec::new();
    }
    let count: f64 = rounds.iter().map(|round| round.count).sum();
    let of_component = |(component, name): (usize, &String)| {
        let mean_ns = rounds.iter().map(|round| round.means[component] * round.count).sum::<f64>() / count;
        let share = rounds.iter().map(|round| round.products[component]).sum::<f64>() / all;
        if mean_ns == 0.0 && share == 0.0 {
            return None;
        }
        let (low, high) =
            interval(rounds, component, share, all).map_or((None, None), |(low, high)| (Some(low), Some(high)));
        Some(Share { component: name.clone(), share, low, high, mean_ns })
    };
    let mut shares: Vec<Share> = names.iter().enumerate().filter_map(of_component).collect();
    shares.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.component.cmp(&b.component)));
    shares
}

/// The interval of a share over rounds.
fn interval(rounds: &[Moments], component: usize, share: f64, all: f64) -> Option<(f64, f64)> {
    let rounds: Vec<&Moments> = rounds.iter().filter(|round| round.count > 1.0).collect();
    if rounds.len() < ROUNDS {
        return None;
    }
    let count = rounds.len() as f64;
    let deviation = |round: &&Moments| round.products[component] - share * round.squares();
    let squares: f64 = rounds.iter().map(|round| deviation(round).powi(2)).sum();
    let error = (count / (count - 1.0) * squares).sqrt() / all;
    match Estimate::new(share, error, count - 1.0) {
        Ok(estimate) => estimate.interval(CONFIDENCE).ok().map(|interval| (interval.low, interval.high)),
        // Rounds that agree to the last digit.
        Err(_) => (error == 0.0).then_some((share, share)),
    }
}

/// What lies between rounds: the analysis of variance (Searle 1971) of the latency, and the same of each component's covariance
/// with it.
pub(super) fn between(names: &[String], rounds: &[Moments]) -> Option<Between> {
    let within = within(rounds).filter(|_| rounds.len() > 1)?;
    let (count, groups) = (rounds.iter().map(|round| round.count).sum::<f64>(), rounds.len() as f64);
    let size = (count - rounds.iter().map(|round| round.count.powi(2)).sum::<f64>() / count) / (groups - 1.0);
    let mean_ns = mean(rounds)?;
    let covariance = |component: usize| {
        let mean = rounds.iter().map(|round| round.means[component] * round.count).sum::<f64>() / count;
        let product = |round: &Moments| round.count * (round.means[component] - mean) * (round.latency_ns - mean_ns);
        let inside: f64 = rounds.iter().map(|round| round.products[component]).sum::<f64>() / (count - groups);
        (rounds.iter().map(product).sum::<f64>() / (groups - 1.0) - inside) / size
    };
    let covariances: Vec<f64> = (0..names.len()).map(covariance).collect();
    let rounding = (4.0 * f64::EPSILON * mean_ns).powi(2);
    let variance = Some(covariances.iter().sum::<f64>()).filter(|sum| *sum > rounding).unwrap_or(0.0);
    let mut components: Vec<Part> = Vec::new();
    if variance > 0.0 && rounds.len() >= ROUNDS {
        let parts = names.iter().zip(&covariances).filter(|(_, covariance)| **covariance != 0.0);
        components = parts.map(|(name, part)| Part { component: name.clone(), share: part / variance }).collect();
        components.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.component.cmp(&b.component)));
    }
    let means: Vec<f64> = rounds.iter().map(|round| round.latency_ns).collect();
    let trend = (rounds.len() >= ROUNDS_FOR_TREND).then(|| trend::mann_kendall(&means, Dependence::Independent).ok());
    Some(Between {
        variance_ns2: variance,
        share_of_total: if variance > 0.0 { variance / (variance + within) } else { 0.0 },
        components,
        trend_p: trend.flatten().map(|trend| trend.p),
    })
}

//! Whether intervals cover the truth as often as they say, by small seeded simulations. The tolerance is three standard errors of
//! the simulation or more: bootstraps and bands are drawn too rarely here to tell more than a gross fault.

use super::bootstrap::{Plan, bca, studentized_clusters};
use super::hodges_lehmann::{one_sample, two_samples};
use super::interval::{self, Interval};
use super::paired::{Design, paired};
use super::proportion::{Count, clopper_pearson, newcombe, wilson};
use super::random::Random;
use super::shift::shift_function;
use super::trend::theil_sen;
use super::welch::welch;
use super::{describe, harrell_davis};

fn sample(random: &mut Random, count: usize, deviation: f64) -> Vec<f64> {
    (0..count).map(|_| random.normal() * deviation).collect()
}

#[track_caller]
fn covers(times: usize, bounds: std::ops::RangeInclusive<f64>, mut draw: impl FnMut(&mut Random) -> bool) {
    let mut random = Random::new(2_024);
    let share = (0..times).filter(|_| draw(&mut random)).count() as f64 / times as f64;
    assert!(bounds.contains(&share), "{share}");
}

#[test]
fn student_welch_and_paired() {
    covers(3_000, 0.938..=0.962, |random| interval::mean(&sample(random, 5, 1.0), 0.95).unwrap().contains(0.0));
    covers(3_000, 0.938..=0.965, |random| {
        let estimate = welch(&sample(random, 5, 1.0), &sample(random, 9, 3.0)).unwrap();
        estimate.interval(0.95).unwrap().contains(0.0)
    });
    covers(3_000, 0.938..=0.962, |random| {
        // A state of the machine that both values of a round share.
        let base = sample(random, 6, 5.0);
        let head: Vec<f64> = base.iter().map(|base| base + random.normal()).collect();
        paired(&base, &head).unwrap().interval(0.95).unwrap().contains(0.0)
    });
}

#[test]
fn hodges_lehmann_and_theil_sen_are_exact_at_the_confidence_they_tell() {
    let told = two_samples(&[0.0, 1.0, 2.0, 3.0, 4.0], &[0.0; 6], 0.95).unwrap().confidence;
    covers(3_000, told - 0.012..=told + 0.012, |random| {
        two_samples(&sample(random, 5, 1.0), &sample(random, 6, 1.0), 0.95).unwrap().interval.contains(0.0)
    });
    let told = one_sample(&[0.0; 8], 0.95).unwrap().confidence;
    covers(3_000, told - 0.012..=told + 0.012, |random| {
        one_sample(&sample(random, 8, 1.0), 0.95).unwrap().interval.contains(0.0)
    });
    let positions: Vec<f64> = (0..9).map(f64::from).collect();
    let told = theil_sen(&positions, &[0.0; 9], 0.95).unwrap().confidence;
    covers(3_000, told - 0.012..=told + 0.012, |random| {
        theil_sen(&positions, &sample(random, 9, 1.0), 0.95).unwrap().slope.contains(0.0)
    });
    covers(2_000, 0.945..=0.985, |random| {
        harrell_davis::median_interval(&sample(random, 20, 1.0), 0.95).unwrap().interval.contains(0.0)
    });
}

#[test]
fn shares_near_the_edge() {
    let count = |random: &mut Random, share: f64| {
        Count::new((0..60).filter(|_| random.uniform() < share).count() as u64, 60).unwrap()
    };
    covers(1_500, 0.93..=0.985, |random| wilson(count(random, 0.08), 0.95).unwrap().contains(0.08));
    covers(1_000, 0.95..=1.0, |random| clopper_pearson(count(random, 0.08), 0.95).unwrap().contains(0.08));
    covers(1_500, 0.93..=0.985, |random| {
        newcombe(count(random, 0.3), count(random, 0.2), 1.0, 0.95).unwrap().contains(-0.1)
    });
}

#[test]
fn bootstraps() {
    let plan = Plan { resamples: 199, confidence: 0.95, seed: 5 };
    // BCa of a mean is a little short in small samples; that is known of it.
    covers(200, 0.88..=0.98, |random| {
        let values = sample(random, 25, 1.0);
        bca(&[&values], |samples| describe::mean(&samples[0]).unwrap(), plan).unwrap().contains(0.0)
    });
    let change = |arms: &[Vec<&f64>]| {
        let mean = |arm: &[&f64]| arm.iter().copied().sum::<f64>() / arm.len() as f64;
        mean(&arms[1]) - mean(&arms[0])
    };
    covers(200, 0.90..=0.99, |random| {
        let (base, head) = (sample(random, 6, 1.0), sample(random, 8, 2.0));
        studentized_clusters(&[&base, &head], change, plan).unwrap().contains(0.0)
    });
}

#[test]
fn the_band_holds_for_all_places_together() {
    let plan = Plan { resamples: 100, confidence: 0.95, seed: 5 };
    for design in [Design::Paired, Design::Unpaired] {
        covers(200, 0.90..=0.995, |random| {
            // Places that move together by half, as deciles do.
            let mut rows = |count: usize| -> Vec<Vec<f64>> {
                let mut row = || {
                    let shared = random.normal();
                    (0..9).map(|_| shared + random.normal()).collect()
                };
                (0..count).map(|_| row()).collect()
            };
            let (base, head) = (rows(6), rows(6));
            let band = shift_function(&base, &head, design, plan).unwrap();
            band.points.iter().all(|point: &Interval| point.contains(0.0))
        });
    }
}

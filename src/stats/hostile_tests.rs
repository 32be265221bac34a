//! What must not break anything: empty, single, constant, tied, endless and absurd values, through every public function that takes
//! values. Whatever comes back is finite, and nothing comes back where a value is not.

use super::bootstrap::{Plan, bca, studentized_clusters};
use super::interval::Interval;
use super::negative_binomial::{Counts, fit};
use super::paired::Design;
use super::power::Gate;
use super::proportion::{Count, clopper_pearson, design_effect, fisher, newcombe, wilson};
use super::quantile::Sorted;
use super::rank::{Method, brunner_munzel, mann_whitney};
use super::refusal::Refusal;
use super::trend::{Dependence, mann_kendall, theil_sen};
use super::{
    autocorrelation, components, density, describe, dip, distance, energy, equivalence, harrell_davis, hodges_lehmann,
    interval, multiple, paired, power, quantile, random, shift, spread, student, welch,
};

/// What a function gave for two samples and a confidence; nothing where it refused.
type Call = fn(&[f64], &[f64], f64) -> Option<Vec<f64>>;

fn ends(interval: Interval) -> Vec<f64> {
    let Interval { estimate, low, high } = interval;
    assert!(low <= high, "{interval:?}");
    vec![low, estimate, high]
}

fn plan(confidence: f64) -> Plan {
    Plan { resamples: 100, confidence, seed: 1 }
}

fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

const OF_ONE: &[(&str, Call)] = &[
    ("mean", |x, _, _| Some(vec![describe::mean(x)?])),
    ("variance", |x, _, _| Some(vec![describe::variance(x)?])),
    ("standard_deviation", |x, _, _| Some(vec![describe::standard_deviation(x)?])),
    ("median_absolute_deviation", |x, _, _| Some(vec![describe::median_absolute_deviation(x)?])),
    ("quantile::of", |x, _, q| Some(vec![quantile::of(x, q)?])),
    ("quantile::several", |x, _, q| quantile::several(x, &[q, 0.3])),
    ("median", |x, _, _| Some(vec![quantile::median(x)?])),
    ("Sorted", |x, _, q| Some(vec![Sorted::new(x)?.quantile(q)])),
    ("deciles", |x, _, _| Some(shift::deciles(&Sorted::new(x)?).to_vec())),
    ("harrell_davis", |x, _, q| Some(vec![harrell_davis::quantile(x, q).ok()?])),
    ("maritz_jarrett", |x, _, q| Some(vec![harrell_davis::standard_error(x, q).ok()?])),
    ("median_interval", |x, _, c| Some(ends(harrell_davis::median_interval(x, c).ok()?.interval))),
    ("interval::mean", |x, _, c| Some(ends(interval::mean(x, c)?))),
    ("one_sample", |x, _, c| Some(ends(hodges_lehmann::one_sample(x, c).ok()?.interval))),
    ("at_lag", |x, _, _| Some(vec![autocorrelation::at_lag(x, 1).ok()?])),
    ("effective_size", |x, _, _| Some(vec![autocorrelation::effective_size(x).ok()?])),
    ("mean_interval", |x, _, c| Some(ends(autocorrelation::mean_interval(x, c).ok()?))),
    ("mann_kendall", |x, _, _| mann_kendall(x, Dependence::Independent).ok().map(|test| vec![test.tau, test.p])),
    ("mann_kendall_ess", |x, _, _| {
        mann_kendall(x, Dependence::Autocorrelated).ok().map(|test| vec![test.score, test.p])
    }),
    ("silverman", |x, _, _| Some(vec![density::silverman_bandwidth(x).ok()?])),
    ("density", |x, _, _| Some(density::density(x, 0.5).ok()?.values)),
    ("modes", |x, _, _| {
        let modes = density::modes(x, 0.05).ok()?;
        let weight: f64 = modes.iter().map(|mode| mode.weight).sum();
        assert!((weight - 1.0).abs() < 1e-9, "{modes:?}");
        Some(modes.iter().flat_map(|mode| [mode.low, mode.center, mode.high]).collect())
    }),
    ("dip", |x, _, _| Some(vec![dip::dip(x).ok()?])),
    ("bca", |x, _, c| Some(ends(bca(&[x], |samples| average(&samples[0]), plan(c)).ok()?))),
];

const OF_TWO: &[(&str, Call)] = &[
    ("welch", |x, y, c| Some(ends(welch::welch(x, y).ok()?.interval(c).ok()?))),
    ("welch p", |x, y, _| {
        let estimate = welch::welch(x, y).ok()?;
        Some(vec![estimate.p_two_sided(), estimate.p_above(0.1), estimate.p_below(0.1), estimate.degrees()])
    }),
    ("paired", |x, y, c| Some(ends(paired::paired(x, y).ok()?.interval(c).ok()?))),
    ("differences", |x, y, _| paired::differences(x, y).ok()),
    ("tost", |x, y, c| Some(vec![equivalence::tost(&welch::welch(x, y).ok()?, c).ok()?.p()])),
    ("mwu exact", |x, y, _| mann_whitney(x, y, Method::Exact).ok().map(|test| vec![test.u, test.p])),
    ("mwu", |x, y, _| mann_whitney(x, y, Method::Asymptotic).ok().map(|test| vec![test.cliffs_delta(), test.p])),
    ("brunner_munzel", |x, y, _| brunner_munzel(x, y).ok().map(|test| vec![test.statistic, test.degrees, test.p])),
    ("two_samples", |x, y, c| Some(ends(hodges_lehmann::two_samples(x, y, c).ok()?.interval))),
    ("brown_forsythe", |x, y, _| spread::brown_forsythe(x, y).ok().map(|test| vec![test.statistic, test.p])),
    ("fligner_killeen", |x, y, _| spread::fligner_killeen(x, y).ok().map(|test| vec![test.statistic, test.p])),
    ("ansari_bradley", |x, y, _| spread::ansari_bradley(x, y).ok().map(|test| vec![test.statistic, test.p])),
    ("ks", |x, y, _| distance::kolmogorov_smirnov(x, y).ok().map(|test| vec![test.statistic, test.p])),
    ("cvm", |x, y, _| distance::cramer_von_mises(x, y).ok().map(|test| vec![test.statistic, test.p])),
    ("theil_sen", |x, y, c| Some(ends(theil_sen(x, y, c).ok()?.slope))),
    ("components", |x, y, _| {
        let found = components::components(&[x, y]).ok()?;
        Some(vec![found.mean, found.between, found.within, found.intraclass_correlation(), found.design_effect()])
    }),
    ("energy", |x, y, _| Some(vec![energy::distance(&Sorted::new(x)?, &Sorted::new(y)?)?])),
    ("energy test", |x, y, _| {
        let (x, y) = (Sorted::new(x)?, Sorted::new(y)?);
        let test = energy::permutation_test(&[x.clone(), x], &[y.clone(), y], 99, 1).ok()?;
        Some(vec![test.distance, test.p])
    }),
    ("negative_binomial", |x, y, c| {
        let (base, head) = (vec![1.0; x.len()], vec![2.0; y.len()]);
        let rows = [Counts { base: x, head: y }, Counts { base: x, head: y }];
        let change = fit(&rows, &base, &head).ok()?[1];
        let mut found = ends(change.log_ratio.interval(c).ok()?);
        found.extend(ends(change.difference(c).ok()?));
        found.extend([change.deviation, change.base.value, change.head.value, change.log_ratio.p_two_sided()]);
        Some(found)
    }),
    ("bca of two", |x, y, c| {
        Some(ends(bca(&[x, y], |samples| average(&samples[1]) - average(&samples[0]), plan(c)).ok()?))
    }),
    ("clusters", |x, y, c| {
        let mean = |arm: &[&f64]| arm.iter().copied().sum::<f64>() / arm.len() as f64;
        Some(ends(studentized_clusters(&[x, y], |arms| mean(&arms[1]) - mean(&arms[0]), plan(c)).ok()?))
    }),
    ("shift_function", |x, y, c| {
        let rows = |values: &[f64]| -> Vec<Vec<f64>> { values.iter().map(|value| vec![*value, -value]).collect() };
        let found = shift::shift_function(&rows(x), &rows(y), Design::Unpaired, plan(c)).ok()?;
        Some(found.points.into_iter().flat_map(ends).collect())
    }),
    ("shift_function paired", |x, y, c| {
        let rows = |values: &[f64]| -> Vec<Vec<f64>> { values.iter().map(|value| vec![*value]).collect() };
        let found = shift::shift_function(&rows(x), &rows(y), Design::Paired, plan(c)).ok()?;
        Some(found.points.into_iter().flat_map(ends).collect())
    }),
];

fn samples() -> Vec<Vec<f64>> {
    let tiny = f64::MIN_POSITIVE;
    vec![
        vec![],
        vec![1.0],
        vec![f64::NAN],
        vec![f64::NEG_INFINITY, f64::INFINITY],
        vec![1.0, 2.0, f64::NAN, 3.0, 4.0, 5.0],
        vec![1.0, 2.0, 3.0, 4.0, 5.0, f64::INFINITY],
        vec![-f64::NAN, 1.0, 2.0, 3.0, 4.0, 5.0],
        vec![2.0, 2.0],
        vec![0.1; 7],
        vec![0.0, -0.0, 0.0, -0.0, 0.0],
        vec![1.0, 1.0, 1.0, 1.0, 1.0, 2.0],
        vec![1.0, 2.0],
        vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        vec![f64::MAX, -f64::MAX, f64::MAX, -f64::MAX, 0.0, f64::MAX],
        vec![f64::MAX; 6],
        vec![tiny, 2.0 * tiny, 3.0 * tiny, tiny / 8.0, 0.0, 5.0 * tiny],
        vec![1e-160, 2e-160, 3e-160, 5e-160, 4e-160, 9e-160],
        vec![1e160, 2e160, 3e160, 5e160, 4e160, 9e160],
        vec![1e15, 1e15 + 1.0, 1e15 + 2.0, 1e15 + 3.0, 1e15, 1e15 + 1.0],
        vec![1.0, 1e300, 1.0, 2.0, 3.0, 1.0],
        (0..24).map(|index| f64::from(index * 37 % 11)).collect(),
    ]
}

#[test]
fn nothing_panics_and_nothing_is_silently_wrong() {
    let samples = samples();
    let confidences = [0.95, 0.5, 0.0, 1.0, -1.0, 2.0, f64::NAN, 1.0 - f64::EPSILON, 1e-300];
    for confidence in confidences {
        for x in &samples {
            for (name, call) in OF_ONE {
                judge(name, call(x, x, confidence), &[x], confidence);
            }
            for y in &samples {
                // Fewer confidences than above, for the time it takes: the usual one and those out of range.
                for (name, call) in OF_TWO.iter().filter(|_| !(0.0..0.9).contains(&confidence)) {
                    judge(name, call(x, y, confidence), &[x, y], confidence);
                }
            }
        }
    }
}

fn judge(name: &str, result: Option<Vec<f64>>, inputs: &[&Vec<f64>], confidence: f64) {
    let Some(result) = result else { return };
    assert!(result.iter().all(|number| number.is_finite()), "{name}({inputs:?}, {confidence}) = {result:?}");
    let sane = inputs.iter().copied().flatten().all(|value| value.is_finite());
    assert!(sane, "{name}({inputs:?}) = {result:?} in spite of a value that is not finite");
}

#[test]
fn plain_values_are_not_refused() {
    // Otherwise a function that always refuses would pass the test above.
    let x = [3.0, 1.0, 4.0, 1.5, 5.0, 9.0, 2.0, 6.0, 5.5, 3.5];
    let y = [2.0, 7.0, 1.8, 2.8, 1.2, 8.0, 2.5, 8.5, 4.2, 5.2];
    for (name, call) in OF_ONE.iter().chain(OF_TWO) {
        assert!(call(&x, &y, 0.9).is_some(), "{name}");
    }
}

#[test]
fn counts_and_plans_refuse_what_makes_no_sense() {
    assert_eq!(Count::new(1, 0), Err(Refusal::TooFew));
    assert_eq!(Count::new(2, 1), Err(Refusal::Parameter));
    let counts = [(0, 1), (1, 1), (0, u64::MAX), (u64::MAX, u64::MAX), (1 << 40, 1 << 41), (3, 1 << 60)];
    let counts = counts.map(|(successes, trials)| Count::new(successes, trials).unwrap());
    for one in counts {
        for other in counts {
            let p = fisher(one, other);
            assert!(p == Err(Refusal::TooMany) || p.is_ok_and(|p| (0.0..=1.0).contains(&p)), "{one:?} {other:?} {p:?}");
            ends(newcombe(one, other, 1.0, 0.95).unwrap());
            assert!(design_effect(&[one, other]).unwrap() >= 1.0);
        }
        assert!(wilson(one, 0.95).unwrap().contains(one.share()));
        let exact = clopper_pearson(one, 0.95);
        assert!(exact == Err(Refusal::TooMany) || exact.is_ok_and(|exact| exact.contains(one.share())), "{one:?}");
        for confidence in [f64::NAN, 0.0, 1.0, -3.0] {
            assert_eq!(wilson(one, confidence), Err(Refusal::Parameter));
            assert_eq!(clopper_pearson(one, confidence), Err(Refusal::Parameter));
            assert_eq!(newcombe(one, one, 1.0, confidence), Err(Refusal::Parameter));
        }
        assert_eq!(newcombe(one, one, f64::NAN, 0.95), Err(Refusal::Parameter));
    }
    assert_eq!(design_effect(&[]), Err(Refusal::TooFew));
    for p_values in [&[f64::NAN][..], &[-0.1], &[0.5, 1.1]] {
        assert_eq!(multiple::holm(p_values), Err(Refusal::Parameter));
        assert_eq!(multiple::benjamini_hochberg(p_values), Err(Refusal::Parameter));
        assert_eq!(multiple::benjamini_yekutieli(p_values), Err(Refusal::Parameter));
    }
    assert_eq!(multiple::holm(&[]), Ok(vec![]));
    assert_eq!(multiple::weighted(&[], &[]), Ok(vec![]));
    assert_eq!(multiple::weighted(&[0.5], &[]), Err(Refusal::Unpaired));
    assert_eq!(multiple::weighted(&[0.5], &[0.0]), Err(Refusal::Parameter));
    assert_eq!(multiple::weighted(&[f64::NAN], &[1.0]), Err(Refusal::Parameter));
    assert_eq!(multiple::weighted(&[0.5], &[f64::NAN]), Err(Refusal::NotFinite));
    assert!(student::Estimate::new(1.0, f64::NAN, 3.0).is_err());
    assert!(student::Estimate::new(1.0, 1.0, 0.0).is_err());
    assert!(interval::standard_deviation(f64::NAN, 3.0, 0.95).is_none());
    assert!(interval::standard_deviation(1.0, 0.0, 0.95).is_none());
    assert!(dip::p_value(f64::NAN, 10, 100, 1).is_err());
    assert!(components::components(&[]).is_err());
    assert!(components::components(&[&[1.0, 2.0], &[]]).is_err());
    random::Random::new(0).shuffle::<u8>(&mut []);
}

#[test]
fn a_gate_that_can_never_fire_is_refused() {
    let gate = Gate { margin: 0.1, deviation: 0.05, design: Design::Paired, confidence: 0.95, power: 0.8 };
    assert_eq!(gate.minimum_detectable(1), Err(Refusal::TooFew));
    assert_eq!(
        gate.rounds_to_detect(0.1),
        Err(Refusal::Parameter),
        "at the margin itself no number of rounds is enough"
    );
    assert_eq!(gate.rounds_to_detect(0.100_001), Err(Refusal::TooMany));
    assert_eq!(gate.rounds_to_show_unchanged(0.2), Err(Refusal::Parameter));
    for broken in [f64::NAN, f64::INFINITY, -1.0] {
        assert!(power::Gate { deviation: broken, ..gate }.minimum_detectable(5).is_err());
        assert!(power::Gate { margin: broken, ..gate }.rounds_to_detect(0.5).is_err());
        assert!(power::Gate { confidence: broken, ..gate }.rounds_to_show_unchanged(0.0).is_err());
        assert!(gate.rounds_to_show_unchanged(broken).is_err());
    }
}

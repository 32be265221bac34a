//! Every value of `tests/data/reference_scipy.json` (made by `scripts/reference-stats.py`) against this module: closed forms to
//! 10⁻⁹ relative, bootstraps and drawn p-values to 2 %. The four places where scipy itself is less exact are named.

use serde_json::Value;

use super::bootstrap::{Plan, bca};
use super::proportion::{Count, clopper_pearson, fisher, newcombe, wilson};
use super::rank::{Method, brunner_munzel, mann_whitney};
use super::{describe, dip, distance, equivalence, harrell_davis, hodges_lehmann, multiple, quantile, spread, welch};

pub(super) const EXACT: f64 = 1e-9;
const DRAWN: f64 = 0.02;
/// scipy subtracts two large squares for Maritz and Jarrett's error, and counts Ansari and Bradley's sums in 32-bit floats.
const BY_SCIPY: f64 = 1e-7;

/// The file with Python's NaN, which is not JSON, as null.
pub(super) fn reference() -> Value {
    let text = include_str!("../../tests/data/reference_scipy.json").replace("NaN", "null");
    serde_json::from_str(&text).unwrap()
}

pub(super) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// Relative error; below 1e-9 to six digits, so that a p-value of 1e-30 is not "equal" to 0 by its smallness.
#[track_caller]
pub(super) fn close(what: &str, got: f64, want: &Value, tolerance: f64) {
    let want = want.as_f64().unwrap();
    let allowed = if want.abs() < EXACT { 1e-6 * want.abs() } else { tolerance * want.abs() };
    assert!((got - want).abs() <= allowed.max(1e-15), "{what}: {got} instead of {want}");
}

fn logs(values: &[f64]) -> Vec<f64> {
    values.iter().map(|value| value.ln()).collect()
}

#[expect(clippy::too_many_lines, reason = "a table: one row for each name in the file")]
/// One value per name: those that every set has.
fn check(name: &str, key: &str, want: &Value, x: &[f64], y: &[f64]) {
    let what = format!("{name}.{key}");
    let with = |arm: &str| if arm.ends_with("_x") { x } else { y };
    match key {
        "x" | "y" => {}
        "welch" => {
            let estimate = welch::welch(x, y).unwrap();
            let interval = estimate.interval(0.95).unwrap();
            close(&what, estimate.statistic(), &want["t"], EXACT);
            close(&what, estimate.p_two_sided(), &want["p"], EXACT);
            close(&what, estimate.degrees(), &want["df"], EXACT);
            close(&what, interval.low, &want["ci95_diff_mean_y_minus_x"][0], EXACT);
            close(&what, interval.high, &want["ci95_diff_mean_y_minus_x"][1], EXACT);
        }
        "welch_log" => {
            let estimate = welch::welch(&logs(x), &logs(y)).unwrap();
            let interval = estimate.interval(0.95).unwrap().exponential();
            close(&what, estimate.p_two_sided(), &want["p"], EXACT);
            close(&what, interval.estimate, &want["ratio"], EXACT);
            close(&what, interval.low, &want["ratio_ci95"][0], EXACT);
            close(&what, interval.high, &want["ratio_ci95"][1], EXACT);
        }
        "tost_log_margin_1.10" => {
            let estimate = welch::welch(&logs(x), &logs(y)).unwrap();
            let test = equivalence::tost(&estimate, 1.1_f64.ln()).unwrap();
            close(&what, test.p_lower, &want["p_lower"], EXACT);
            close(&what, test.p_upper, &want["p_upper"], EXACT);
            close(&what, test.p_beyond, &want["p_superiority_beyond_1.10"], EXACT);
        }
        "mwu_exact" | "mwu_asymptotic_cc" => {
            let method = if key == "mwu_exact" { Method::Exact } else { Method::Asymptotic };
            let test = mann_whitney(x, y, method).unwrap();
            close(&what, test.u, &want["U_y"], EXACT);
            close(&what, test.p, &want["p"], EXACT);
        }
        "cliffs_delta_y_over_x" => {
            close(&what, mann_whitney(x, y, Method::Asymptotic).unwrap().cliffs_delta(), want, EXACT);
        }
        "brunner_munzel" => {
            let test = brunner_munzel(x, y).unwrap();
            close(&what, test.statistic, &want["stat"], EXACT);
            close(&what, test.p, &want["p"], EXACT);
        }
        "brown_forsythe" | "fligner" | "ansari" => {
            let (test, statistic) = match key {
                "brown_forsythe" => (spread::brown_forsythe(x, y), "F"),
                "fligner" => (spread::fligner_killeen(x, y), "chi2"),
                _ => (spread::ansari_bradley(x, y), "AB"),
            };
            close(&what, test.unwrap().statistic, &want[statistic], EXACT);
            // With ties across the middle scipy (as R) keeps the mean that untied ranks would have; see spread.rs.
            let tolerance = if what == "ties.ansari" { 0.03 } else { BY_SCIPY };
            close(&what, test.unwrap().p, &want["p"], if key == "ansari" { tolerance } else { EXACT });
        }
        "ks" => {
            let test = distance::kolmogorov_smirnov(x, y).unwrap();
            close(&what, test.statistic, &want["D"], EXACT);
            close(&what, test.p, &want["p"], EXACT);
        }
        "cvm" => {
            let test = distance::cramer_von_mises(x, y).unwrap();
            close(&what, test.statistic, &want["T"], EXACT);
            // Both take this from 1, so tiny values have absolute precision only, and scipy stops its series at 1e-7.
            let want = want["p"].as_f64().unwrap();
            assert!((test.p - want).abs() < EXACT, "{what}: {} instead of {want}", test.p);
        }
        "hodges_lehmann_y_minus_x" => {
            close(&what, hodges_lehmann::two_samples(x, y, 0.95).unwrap().interval.estimate, want, EXACT);
        }
        "hl_log_ratio" => {
            let shift = hodges_lehmann::two_samples(&logs(x), &logs(y), 0.95).unwrap();
            close(&what, shift.interval.exponential().estimate, want, EXACT);
        }
        "bca95_ratio_of_medians_B20000" => ratio_of(&what, x, y, want, |values| quantile::median(values).unwrap()),
        "bca95_ratio_of_means_B20000" => ratio_of(&what, x, y, want, |values| describe::mean(values).unwrap()),
        _ if key.starts_with("dip_") => {
            let dip = dip::dip(with(key)).unwrap();
            close(&what, dip, &want["dip"], EXACT);
            let p = dip::p_value(dip, with(key).len(), 1_999, 1).unwrap();
            let want = want["p"].as_f64().unwrap();
            assert!((p - want).abs() < DRAWN, "{what}: {p} instead of {want}");
        }
        _ => check_quantiles(&what, key, want, with(key)),
    }
}

fn check_quantiles(what: &str, key: &str, want: &Value, values: &[f64]) {
    if key.starts_with("mean_sd_mad_") {
        close(what, describe::mean(values).unwrap(), &want[0], EXACT);
        close(what, describe::standard_deviation(values).unwrap(), &want[1], EXACT);
        close(what, describe::median_absolute_deviation(values).unwrap(), &want[2], EXACT);
        return;
    }
    if key.starts_with("median_orderstat_ci95_") {
        match harrell_davis::median_interval(values, 0.95) {
            Ok(median) => {
                assert_eq!(median.rank as u64, want["lo_order"].as_u64().unwrap(), "{what}");
                assert_eq!((values.len() - median.rank + 1) as u64, want["hi_order"].as_u64().unwrap(), "{what}");
                close(what, median.interval.low, &want["lo"], EXACT);
                close(what, median.interval.high, &want["hi"], EXACT);
                close(what, median.confidence, &want["confidence"], EXACT);
            }
            Err(refusal) => assert!(want.is_null(), "{what}: {refusal}"),
        }
        return;
    }
    for (q, want) in want.as_object().unwrap() {
        let (q, what) = (q.parse().unwrap(), format!("{what}.{q}"));
        let got = match key.rsplit_once('_').unwrap().0 {
            "quantile_type7" => quantile::of(values, q),
            "harrell_davis" => harrell_davis::quantile(values, q).ok(),
            "maritz_jarrett_se" => harrell_davis::standard_error(values, q).ok(),
            _ => panic!("{what} is not tested"),
        };
        match got {
            Some(got) => close(&what, got, want, if what.contains("maritz") { BY_SCIPY } else { EXACT }),
            None => assert!(want.is_null(), "{what}: refused instead of {want}"),
        }
    }
}

fn ratio_of(what: &str, x: &[f64], y: &[f64], want: &Value, of: impl Fn(&[f64]) -> f64) {
    let plan = Plan { resamples: 9_999, confidence: 0.95, seed: 1 };
    let interval = bca(&[x, y], |samples| of(&samples[1]) / of(&samples[0]), plan).unwrap();
    close(what, interval.low, &want[0], DRAWN);
    close(what, interval.high, &want[1], DRAWN);
}

#[test]
fn every_set_agrees() {
    let reference = reference();
    let mut compared = 0;
    for (name, set) in reference.as_object().unwrap() {
        if set.get("x").is_none() {
            assert!(["binomial", "multiple_testing", "beyond"].contains(&name.as_str()), "{name} is not tested");
            continue;
        }
        let (x, y) = (numbers(&set["x"]), numbers(&set["y"]));
        for (key, want) in set.as_object().unwrap() {
            check(name, key, want, &x, &y);
            compared += 1;
        }
    }
    assert!(compared > 150, "{compared}");
}

#[test]
fn counts_agree() {
    for case in reference()["binomial"].as_array().unwrap() {
        let count = |successes: &str, trials: &str| {
            Count::new(case[successes].as_u64().unwrap(), case[trials].as_u64().unwrap()).unwrap()
        };
        let (head, base) = (count("x1", "n1"), count("x0", "n0"));
        let pairs = [
            (wilson(head, 0.95), "wilson1"),
            (wilson(base, 0.95), "wilson0"),
            (newcombe(base, head, 1.0, 0.95), "newcombe_hybrid_score_diff_ci95"),
            (clopper_pearson(head, 0.95), "clopper_pearson1"),
        ];
        for (got, key) in pairs {
            let got = got.unwrap();
            close(key, got.low, &case[key][0], EXACT);
            close(key, got.high, &case[key][1], EXACT);
        }
        close("fisher_p", fisher(base, head).unwrap(), &case["fisher_p"], EXACT);
    }
}

#[test]
fn adjusted_p_values_agree() {
    let reference = &reference()["multiple_testing"];
    let p_values = numbers(&reference["p"]);
    let tests = [
        (multiple::benjamini_hochberg(&p_values), "bh_adjusted"),
        (multiple::benjamini_yekutieli(&p_values), "by_adjusted"),
        (multiple::holm(&p_values), "holm_adjusted"),
    ];
    for (got, key) in tests {
        for (got, want) in got.unwrap().into_iter().zip(reference[key].as_array().unwrap()) {
            close(key, got, want, EXACT);
        }
    }
}

//! The section `beyond` of `tests/data/reference_scipy.json`: what only some samples have, and what needed a reference made for it.

use serde_json::Value;

use super::distribution::student_quantile;
use super::quantile::Sorted;
use super::rank::{Method, mann_whitney};
use super::reference_tests::{EXACT, close, numbers, reference};
use super::trend::{Dependence, mann_kendall, theil_sen};
use super::{density, energy, hodges_lehmann, paired};

fn check(name: &str, key: &str, want: &Value, x: &[f64], y: &[f64]) {
    let what = format!("beyond.{name}.{key}");
    let size = x.len().min(y.len());
    match key {
        "paired" => {
            let estimate = paired::paired(&x[..size], &y[..size]).unwrap();
            let interval = estimate.interval(0.95).unwrap();
            close(&what, estimate.statistic(), &want["t"], EXACT);
            close(&what, estimate.p_two_sided(), &want["p"], EXACT);
            close(&what, interval.low, &want["ci95"][0], EXACT);
            close(&what, interval.high, &want["ci95"][1], EXACT);
        }
        "walsh_median" => {
            let differences = paired::differences(&x[..size], &y[..size]).unwrap();
            // Four differences cannot reach 95 %.
            let confidence = if size < 6 { 0.8 } else { 0.95 };
            let shift = hodges_lehmann::one_sample(&differences, confidence).unwrap();
            close(&what, shift.interval.estimate, want, EXACT);
        }
        "hodges_lehmann_ci95" => {
            let shift = hodges_lehmann::two_samples(x, y, 0.95).unwrap();
            close(&what, shift.interval.low, &want[0], EXACT);
            close(&what, shift.interval.high, &want[1], EXACT);
        }
        "energy_distance_squared" => {
            let distance = energy::distance(&Sorted::new(x).unwrap(), &Sorted::new(y).unwrap());
            close(&what, distance.unwrap(), want, EXACT);
        }
        "kendall_of_y" => {
            let test = mann_kendall(y, Dependence::Independent).unwrap();
            close(&what, test.tau, &want["tau"], EXACT);
            // Above 60 values this module takes the normal approximation.
            close(&what, test.p, &want["p"], if y.len() <= 60 { EXACT } else { 0.02 });
        }
        "theil_sen_of_y" => {
            let positions: Vec<f64> = (0..y.len()).map(|position| position as f64).collect();
            let confidence = if y.len() < 5 { 0.8 } else { 0.95 };
            let line = theil_sen(&positions, y, confidence).unwrap();
            close(&what, line.slope.estimate, &want["slope"], EXACT);
            close(&what, line.intercept, &want["intercept"], EXACT);
        }
        "density_of_y" => {
            let bandwidth = density::silverman_bandwidth(y).unwrap();
            close(&what, bandwidth, &want["bandwidth"], EXACT);
            let found = density::density(y, bandwidth).unwrap();
            let highest = numbers(&want["at_y"]).into_iter().fold(0.0, f64::max);
            for (place, want) in y.iter().zip(numbers(&want["at_y"])) {
                let position = (place - found.start) / found.step;
                let (bin, part) = (position as usize, position.fract());
                let got = found.values[bin] * (1.0 - part) + found.values[bin + 1] * part;
                // Binned: half a per cent of the highest point.
                assert!((got - want).abs() < 0.005 * highest, "{what}: {got} instead of {want}");
            }
        }
        _ => panic!("{what} is not tested"),
    }
}

#[test]
fn what_goes_beyond_agrees() {
    let reference = reference();
    for (name, rows) in reference["beyond"].as_object().unwrap() {
        match name.as_str() {
            "student_quantiles" => {
                for row in rows.as_array().unwrap() {
                    let got = student_quantile(row[0].as_f64().unwrap(), row[1].as_f64().unwrap()).unwrap();
                    close("student", got, &row[2], 1e-10);
                }
            }
            "mwu_exact_with_ties" => {
                let test = mann_whitney(&numbers(&rows["x"]), &numbers(&rows["y"]), Method::Exact).unwrap();
                close(name, test.p, &rows["p"], EXACT);
            }
            _ => {
                let (x, y) = (numbers(&reference[name]["x"]), numbers(&reference[name]["y"]));
                rows.as_object().unwrap().iter().for_each(|(key, want)| check(name, key, want, &x, &y));
            }
        }
    }
}

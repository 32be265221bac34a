//! The model of counts: what it must say of plain cases, what must not move it, and whether it is wrong no more often than it says.
//! The tolerance of the simulations is three standard errors of a binomial share.

use super::multiple::weighted;
use super::negative_binomial::{Change, Counts, fit};
use super::random::Random;
use super::refusal::Refusal;

/// Counts of one arm: a row of counts for each thing.
type Table = Vec<Vec<f64>>;

fn fitted(base: &Table, head: &Table, exposure_base: &[f64], exposure_head: &[f64]) -> Vec<Change> {
    let rows: Vec<Counts<'_>> = base.iter().zip(head).map(|(base, head)| Counts { base, head }).collect();
    fit(&rows, exposure_base, exposure_head).unwrap()
}

/// Shares like those of functions: a few large, most small.
fn shares(count: usize) -> Vec<f64> {
    let weights: Vec<f64> = (1..=count).map(|rank| (rank as f64).powf(-1.1)).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// Rounds of `stacks` each, drawn at rates that vary between rounds by `deviation`, row by row and all together.
struct World {
    rates: Vec<f64>,
    stacks: usize,
    rounds: usize,
    deviation: f64,
    together: f64,
}

impl World {
    fn arm(&self, random: &mut Random) -> (Table, Vec<f64>) {
        let mut table = vec![vec![0.0; self.rounds]; self.rates.len()];
        let mut exposures = Vec::new();
        for round in 0..self.rounds {
            let all = (self.together * random.normal()).exp();
            let mut sum = 0.0;
            let cumulative: Vec<f64> = (self.rates.iter())
                .map(|rate| {
                    sum += rate * all * (self.deviation * random.normal()).exp();
                    sum
                })
                .collect();
            for _ in 0..self.stacks {
                let place = random.uniform() * sum;
                let row = cumulative.partition_point(|end| *end <= place).min(table.len() - 1);
                table[row][round] += 1.0;
            }
            exposures.push(self.stacks as f64 / sum);
        }
        (table, exposures)
    }

    fn with(&self, row: usize, factor: f64) -> Self {
        let mut rates = self.rates.clone();
        rates[row] *= factor;
        Self { rates, ..*self }
    }
}

/// How often any row was found changed, and how often each row's interval held the truth of no change.
fn without_change(world: &World, times: usize) -> (f64, f64) {
    let mut random = Random::new(2_024);
    let (mut found, mut covered, mut asked) = (0, 0, 0);
    for _ in 0..times {
        let ((base, exposure_base), (head, exposure_head)) = (world.arm(&mut random), world.arm(&mut random));
        let changes = fitted(&base, &head, &exposure_base, &exposure_head);
        let large = |change: &&Change| {
            change.base.count + change.head.count > 0.002 * 2.0 * (world.stacks * world.rounds) as f64
        };
        let changes: Vec<&Change> = changes.iter().filter(large).collect();
        asked += changes.len();
        covered += changes.iter().filter(|change| change.log_ratio.interval(0.95).unwrap().contains(0.0)).count();
        let p_values: Vec<f64> = changes.iter().map(|change| change.log_ratio.p_two_sided()).collect();
        let weights: Vec<f64> = changes.iter().map(|change| (change.base.count + change.head.count).sqrt()).collect();
        found += usize::from(weighted(&p_values, &weights).unwrap().iter().any(|q| *q <= 0.05));
    }
    (found as f64 / times as f64, covered as f64 / asked as f64)
}

#[test]
fn between_equal_arms_a_change_is_found_as_rarely_as_promised_and_intervals_cover() {
    let calm = World { rates: shares(60), stacks: 1_000, rounds: 5, deviation: 0.05, together: 0.0 };
    let together = World { rates: shares(60), deviation: 0.02, together: 0.06, ..calm };
    let few = World { rates: shares(6), rounds: 3, deviation: 0.1, ..calm };
    for (name, world) in [("calm", calm), ("together", together), ("few", few)] {
        let (found, covered) = without_change(&world, 60);
        // 0.06 and three standard errors of 60 trials.
        assert!(found <= 0.06 + 0.092, "{name}: {found}");
        assert!((0.92..=0.98).contains(&covered), "{name}: {covered}");
    }
}

#[test]
fn a_change_of_a_middling_row_is_found_and_its_interval_holds_the_truth() {
    let world = World { rates: shares(60), stacks: 3_000, rounds: 5, deviation: 0.05, together: 0.0 };
    let grown = world.with(4, 1.5);
    let mut random = Random::new(7);
    let (mut found, mut covered) = (0, 0);
    for _ in 0..25 {
        let ((base, exposure_base), (head, exposure_head)) = (world.arm(&mut random), grown.arm(&mut random));
        let changes = fitted(&base, &head, &exposure_base, &exposure_head);
        let interval = changes[4].log_ratio.interval(0.95).unwrap();
        found += usize::from(changes[4].log_ratio.p_two_sided() < 0.001);
        covered += usize::from(interval.contains(1.5f64.ln()));
    }
    assert!(found >= 24 && covered >= 20, "{found} {covered}");
}

#[test]
fn many_steady_rows_leave_only_the_chance_of_counting() {
    let mut random = Random::new(3);
    let world = World { rates: vec![0.02; 50], stacks: 5_000, rounds: 6, deviation: 0.0, together: 0.0 };
    let ((base, exposure_base), (head, exposure_head)) = (world.arm(&mut random), world.arm(&mut random));
    for change in fitted(&base, &head, &exposure_base, &exposure_head) {
        let chance = (1.0 / change.base.count + 1.0 / change.head.count).sqrt();
        let error = change.log_ratio.standard_error() / chance;
        assert!((0.95..1.15).contains(&error) && change.log_ratio.degrees() > 50.0, "{error} {change:?}");
        assert!(change.deviation < 0.03, "{change:?}");
    }
}

#[test]
fn rows_that_vary_have_wider_intervals_than_rows_that_do_not() {
    let steady = vec![vec![500.0, 510.0, 490.0, 505.0]; 20];
    let wild = vec![vec![300.0, 700.0, 400.0, 620.0]; 5];
    let table: Table = steady.into_iter().chain(wild).collect();
    let changes = fitted(&table, &table, &[1.0; 4], &[1.0; 4]);
    assert!(
        changes[0].deviation < 0.05 && changes[24].deviation > 0.2,
        "{} {}",
        changes[0].deviation,
        changes[24].deviation
    );
    assert!(changes[24].log_ratio.standard_error() > 3.0 * changes[0].log_ratio.standard_error());
}

#[test]
fn what_all_rows_have_in_common_is_known_from_as_many_rounds_as_there_are() {
    let rounds = [0.9, 1.1, 1.0, 0.95];
    let table: Table = (1..40).map(|row| rounds.map(|round| round * 2_000.0 * f64::from(row)).to_vec()).collect();
    let changes = fitted(&table, &table, &[1.0; 4], &[1.0; 4]);
    assert!(changes.iter().skip(5).all(|change| change.log_ratio.degrees() < 8.0), "{:?}", changes[38]);
}

#[test]
fn exchanging_the_arms_mirrors_and_scaling_or_reordering_changes_nothing() {
    let mut random = Random::new(5);
    let world = World { rates: shares(30), stacks: 800, rounds: 4, deviation: 0.1, together: 0.02 };
    let ((base, exposure_base), (head, exposure_head)) = (world.arm(&mut random), world.arm(&mut random));
    let plain = fitted(&base, &head, &exposure_base, &exposure_head);
    let close = |a: f64, b: f64| assert!((a - b).abs() <= 1e-9 * a.abs().max(1.0), "{a} {b}");
    let swapped = fitted(&head, &base, &exposure_head, &exposure_base);
    let thousandth = |exposures: &[f64]| -> Vec<f64> { exposures.iter().map(|exposure| exposure / 1e3).collect() };
    let scaled = fitted(&base, &head, &thousandth(&exposure_base), &thousandth(&exposure_head));
    let backwards = |table: &Table| -> Table { table.iter().map(|row| row.iter().rev().copied().collect()).collect() };
    let reversed: Vec<f64> = exposure_base.iter().rev().copied().collect();
    let reordered = fitted(&backwards(&base), &head, &reversed, &exposure_head);
    for (index, change) in plain.iter().enumerate() {
        close(change.log_ratio.value(), -swapped[index].log_ratio.value());
        for other in [&swapped[index], &scaled[index], &reordered[index]] {
            close(change.log_ratio.standard_error(), other.log_ratio.standard_error());
            close(change.log_ratio.degrees(), other.log_ratio.degrees());
        }
        close(change.head.value * 1e3, scaled[index].head.value);
    }
}

#[test]
fn a_row_that_one_arm_never_saw_has_a_finite_ratio_and_a_difference_above_zero() {
    let table =
        |last: f64| -> Table { vec![vec![200.0, 210.0, 190.0], vec![50.0, 55.0, 52.0], vec![last, last, last]] };
    let changes = fitted(&table(0.0), &table(40.0), &[2.0; 3], &[1.0; 3]);
    let (ratio, difference) = (changes[2].log_ratio, changes[2].difference(0.95).unwrap());
    assert!(ratio.p_two_sided() < 0.01 && ratio.interval(0.95).unwrap().low > 0.0);
    assert!(
        (difference.estimate - 40.0).abs() < 1e-12 && difference.low > 20.0 && difference.high < 70.0,
        "{difference:?}"
    );
    let gone = fitted(&table(40.0), &table(0.0), &[1.0; 3], &[1.0; 3])[2].difference(0.95).unwrap();
    assert!(gone.high < -20.0, "{gone:?}");
    // Equal rates of nothing are equal, whatever the exposures.
    let nothing = fitted(&table(0.0), &table(0.0), &[5.0; 3], &[1.0; 3])[2];
    assert!(nothing.log_ratio.value().abs() < 1e-12 && nothing.difference(0.95).unwrap().contains(0.0));
    assert!(changes[2].difference(1.0).is_err());
}

#[test]
fn what_is_no_count_is_refused() {
    let fit = |base: &[f64], exposure: &[f64]| fit(&[Counts { base, head: &[1.0, 2.0] }], exposure, &[1.0, 1.0]);
    assert_eq!(fit(&[1.0], &[1.0]), Err(Refusal::TooFew));
    assert_eq!(fit(&[1.0, 2.0, 3.0], &[1.0, 1.0]), Err(Refusal::Unpaired));
    assert_eq!(fit(&[-1.0, 2.0], &[1.0, 1.0]), Err(Refusal::Parameter));
    assert_eq!(fit(&[1.0, 2.0], &[0.0, 1.0]), Err(Refusal::Parameter));
    assert_eq!(fit(&[f64::NAN, 2.0], &[1.0, 1.0]), Err(Refusal::NotFinite));
    assert_eq!(fit(&[1.0, 2.0], &[f64::INFINITY, 1.0]), Err(Refusal::NotFinite));
    assert_eq!(fit(&[f64::MAX, f64::MAX], &[1.0, 1.0]), Err(Refusal::NotFinite));
    assert_eq!(super::negative_binomial::fit(&[], &[1.0, 1.0], &[1.0, 1.0]), Ok(Vec::new()));
}

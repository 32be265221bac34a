//! The verdict on growth: what it must say of plain cases, what must not break it, and how often it is wrong, by seeded
//! simulations. `cargo test --release --lib growth_tests::table -- --ignored --nocapture` prints all rates.

use super::drift::drift;
use super::growth::{Growth, Series, Settings, Verdict, confirm, judge};
use super::random::Random;

const OPERATIONS: f64 = 500.0;
const ROUNDS: usize = 48;
/// Deviation of live bytes between rounds, as measured with two workers.
const NOISE: f64 = 20_000.0;

/// A series of a whole session of twice the length, and its blocks where they are known.
type World = (Vec<f64>, Vec<f64>);

fn rounds(value: impl FnMut(usize) -> f64) -> Vec<f64> {
    (1..=ROUNDS).map(value).collect()
}

/// As the command does: 24 rounds, and 48 unless the first are fine.
fn verdicts((values, blocks): &World, settings: &Settings) -> (Growth, Growth) {
    let half = ROUNDS / 2;
    let known = |rounds: usize| blocks.get(..rounds).unwrap_or_default();
    let first = judge(&Series { values: &values[..half], blocks: known(half) }, settings);
    if first.verdict == Verdict::Ok {
        return (first, first);
    }
    (first, confirm(&first, &judge(&Series { values, blocks: known(ROUNDS) }, settings)))
}

fn autoregressive(random: &mut Random, memory: f64, deviation: f64) -> Vec<f64> {
    let mut value = random.normal();
    rounds(|_| {
        value = memory * value + (1.0 - memory * memory).sqrt() * random.normal();
        1e7 + deviation * value
    })
}

fn rising(random: &mut Random, per_operation: f64, deviation: f64) -> World {
    (rounds(|round| per_operation * OPERATIONS * round as f64 + deviation * random.normal()), Vec::new())
}

/// Blocks of 1 KiB of which one in `every` operations is lost, by chance.
fn lost_blocks(random: &mut Random, every: f64, operations: usize) -> World {
    let mut lost = 0.0;
    let blocks = rounds(|_| {
        lost += (0..operations).filter(|_| random.uniform() * every < 1.0).count() as f64;
        lost
    });
    (blocks.iter().map(|blocks| 1_024.0 * blocks).collect(), blocks)
}

/// A cache of 1 KiB entries that is full after `full` rounds and may then flutter.
fn filling(random: &mut Random, full: f64, deviation: f64) -> World {
    let blocks = rounds(|round| (round as f64).min(full) * OPERATIONS);
    (blocks.iter().map(|blocks| 1_024.0 * blocks + deviation * random.normal()).collect(), blocks)
}

fn saturating(random: &mut Random, memory: f64, deviation: f64) -> World {
    let values = rounds(|round| 3e6 * (1.0 - (-(round as f64) / memory).exp()) + deviation * random.normal());
    (values, Vec::new())
}

/// A cache that is cleared every `period` rounds.
fn sawtooth(random: &mut Random, period: f64, deviation: f64) -> World {
    let offset = random.uniform() * period;
    (rounds(|round| 512_000.0 * ((round as f64 + offset) % period) + deviation * random.normal()), Vec::new())
}

/// A vector that doubles, with `pushes` of eight bytes per operation onto what it had.
fn doubling(before: f64, pushes: f64) -> World {
    let values = rounds(|round| 8.0 * 2f64.powf((before + pushes * OPERATIONS * round as f64).log2().ceil()));
    (values, vec![1.0; ROUNDS])
}

fn walk(random: &mut Random, deviation: f64) -> Vec<f64> {
    let mut level = 1e7;
    rounds(|_| {
        level += deviation * random.normal();
        level
    })
}

/// A steady leak, looked at with noise that is wild in one round of twenty.
fn spiky(random: &mut Random, per_operation: f64) -> World {
    let (mut values, blocks) = rising(random, per_operation, NOISE);
    for value in &mut values {
        *value += if random.uniform() < 0.05 { 1e6 } else { 0.0 };
    }
    (values, blocks)
}

/// A buffer that is as large as the largest of all requests so far.
fn largest_so_far(random: &mut Random, request: impl Fn(&mut Random) -> f64) -> World {
    let mut largest: f64 = 0.0;
    let values = rounds(|_| {
        (0..OPERATIONS as usize).for_each(|_| largest = largest.max(request(random)));
        largest
    });
    (values, vec![1.0; ROUNDS])
}

fn jump(random: &mut Random, deviation: f64) -> World {
    let place = ROUNDS as f64 * random.uniform();
    let value = |round: usize| if round as f64 > place { 1e6 } else { 0.0 };
    (rounds(|round| value(round) + deviation * random.normal()), Vec::new())
}

/// Descriptors of a pool that is in use by chance, of which one is lost every so many operations.
fn descriptors(random: &mut Random, every: f64) -> World {
    (rounds(|round| (round as f64 * OPERATIONS / every).floor() + 8.0 + random.below(5) as f64), Vec::new())
}

fn counts() -> Settings {
    Settings { least_slope: 0.0005, least_growth: 3.0, ..Settings::bytes(OPERATIONS) }
}

/// How often (Ok, `WarmUp`, `Growing`, `Leak`, `Inconclusive`) is said at the first look and in the end.
fn rates(times: usize, settings: &Settings, mut world: impl FnMut(&mut Random) -> World) -> [[usize; 5]; 2] {
    let mut random = Random::new(7);
    let mut counts = [[0; 5]; 2];
    for _ in 0..times {
        let (first, last) = verdicts(&world(&mut random), settings);
        counts[0][first.verdict as usize] += 1;
        counts[1][last.verdict as usize] += 1;
    }
    counts
}

fn judge_plain(values: &[f64]) -> Growth {
    judge(&Series { values, blocks: &[] }, &Settings::bytes(OPERATIONS))
}

#[test]
fn exact_series() {
    let line = |slope: f64, count: i32| -> Vec<f64> { (0..count).map(|round| slope * f64::from(round)).collect() };
    let leak = judge_plain(&line(512_000.0, 24));
    assert_eq!((leak.verdict, leak.growth, leak.operations_needed), (Verdict::Leak, 17.0 * 512_000.0, None));
    let slope = leak.slope.unwrap();
    assert_eq!((slope.low, slope.estimate, slope.high, leak.early_slope), (1_024.0, 1_024.0, 1_024.0, Some(1_024.0)));
    assert!(leak.p.unwrap() < 1e-4);
    assert_eq!(judge_plain(&[7e6; 24]).verdict, Verdict::Ok);
    assert_eq!(judge_plain(&line(-512_000.0, 24)).verdict, Verdict::Ok);
    // Zero at first and constant then, and a single early jump.
    for jump in [1, 7, 9, 12, 20] {
        let values: Vec<f64> = (0..48).map(|round| if round < jump { 0.0 } else { 1e6 }).collect();
        assert!([Verdict::Ok, Verdict::WarmUp].contains(&judge_plain(&values).verdict), "{jump}");
    }
    // Far from zero, where differences lose digits.
    let far: Vec<f64> = line(0.1 * OPERATIONS * 7.0, 48).iter().map(|value| value + 1e12).collect();
    assert!([Verdict::Leak, Verdict::Inconclusive].contains(&judge_plain(&far).verdict));
}

#[test]
fn what_is_too_little_says_how_many_operations_would_do() {
    // One block in 1,000 operations, 200 a round: 3.7 KiB in all.
    let blocks: Vec<f64> = (1..=24).map(|round| (f64::from(round) * 200.0 / 1_000.0).floor()).collect();
    let values: Vec<f64> = blocks.iter().map(|blocks| 1_024.0 * blocks).collect();
    let growth = judge(&Series { values: &values, blocks: &blocks }, &Settings::bytes(200.0));
    assert_eq!(growth.verdict, Verdict::Inconclusive);
    let needed = growth.operations_needed.unwrap();
    assert!((9_600..500_000).contains(&needed), "{needed}");
    let operations = needed as f64 / 24.0;
    let blocks: Vec<f64> = (1..=24).map(|round| (f64::from(round) * operations / 1_000.0).floor()).collect();
    let values: Vec<f64> = blocks.iter().map(|blocks| 1_024.0 * blocks).collect();
    let longer = judge(&Series { values: &values, blocks: &blocks }, &Settings::bytes(operations));
    assert_eq!(longer.verdict, Verdict::Leak);
    let few = judge_plain(&[1.0; 17]);
    assert_eq!((few.verdict, few.operations_needed), (Verdict::Inconclusive, Some(9_000)));
}

#[test]
fn blocks_must_grow_too() {
    let values: Vec<f64> = (0..24).map(|round| 512_000.0 * f64::from(round)).collect();
    let verdict = |blocks: &[f64]| judge(&Series { values: &values, blocks }, &Settings::bytes(OPERATIONS)).verdict;
    assert_eq!(verdict(&[3.0; 24]), Verdict::Growing);
    let rising: Vec<f64> = (0..24).map(|round| 500.0 * f64::from(round)).collect();
    assert_eq!(verdict(&rising), Verdict::Leak);
}

#[test]
fn hostile_input_is_inconclusive_and_nothing_worse() {
    let settings = Settings::bytes(OPERATIONS);
    for values in
        [vec![], vec![f64::NAN; 24], (0..24).map(|round| if round % 2 == 0 { f64::MAX } else { f64::MIN }).collect()]
    {
        assert_eq!(judge_plain(&values).verdict, Verdict::Inconclusive, "{values:?}");
    }
    let line: Vec<f64> = (0..10_000).map(f64::from).collect();
    let unpaired = judge(&Series { values: &line, blocks: &[1.0] }, &settings);
    assert_eq!(unpaired.verdict, Verdict::Inconclusive);
    assert_eq!(judge(&Series { values: &line, blocks: &line }, &Settings::bytes(1.0)).verdict, Verdict::Leak);
    for changed in [
        Settings { operations: 0.0, ..settings },
        Settings { operations: f64::NAN, ..settings },
        Settings { least_slope: -1.0, ..settings },
        Settings { confidence: 1.0, ..settings },
        Settings { warm_up: usize::MAX, ..settings },
    ] {
        assert_eq!(judge(&Series { values: &line, blocks: &[] }, &changed).verdict, Verdict::Inconclusive);
    }
    // As long as it may be: no product on the way vanishes.
    let mut random = Random::new(1);
    let long: Vec<f64> = (0..5_000).map(|round| f64::from(round) + random.normal()).collect();
    assert!((drift(&long).unwrap().value - 1.0).abs() < 1e-3);
    for count in 0..40 {
        for tiny in [1e-310, 1e-3, 1.0] {
            let values: Vec<f64> = (0..count).map(|round| tiny * f64::from(round * round % 7)).collect();
            for warm_up in [0, 1, 6] {
                let _ = judge(&Series { values: &values, blocks: &values }, &Settings { warm_up, ..settings });
            }
        }
    }
}

/// How often a verdict is given after confirmation.
fn count(verdict: Verdict, times: usize, world: impl FnMut(&mut Random) -> World) -> usize {
    rates(times, &Settings::bytes(OPERATIONS), world)[1][verdict as usize]
}

#[test]
fn noise_and_caches_are_no_leak() {
    let leaks = |times: usize, world: &mut dyn FnMut(&mut Random) -> World| count(Verdict::Leak, times, world);
    assert_eq!(leaks(200, &mut |random| (autoregressive(random, 0.0, NOISE), Vec::new())), 0);
    assert_eq!(leaks(200, &mut |random| (autoregressive(random, 0.5, NOISE), Vec::new())), 0);
    assert!(leaks(60, &mut |random| (walk(random, NOISE), Vec::new())) <= 2);
    for memory in [2.0, 8.0, 16.0, 40.0] {
        assert_eq!(leaks(1, &mut |random| saturating(random, memory, 0.0)), 0, "{memory}");
        assert!(leaks(8, &mut |random| saturating(random, memory, NOISE)) <= 1, "{memory}");
    }
    for full in 1..=46 {
        let deviation = if full % 2 == 0 { 0.0 } else { NOISE };
        assert_eq!(leaks(1, &mut |random| filling(random, f64::from(full), deviation)), 0, "{full}");
    }
    for period in [3.0, 8.0, 13.0, 20.0, 30.0] {
        assert_eq!(leaks(12, &mut |random| sawtooth(random, period, NOISE)), 0, "{period}");
    }
}

#[test]
fn leaks_are_found_and_staircases_grow() {
    let leaks = |times: usize, world: &mut dyn FnMut(&mut Random) -> World| count(Verdict::Leak, times, world);
    assert!(leaks(20, &mut |random| rising(random, 20.0, NOISE)) >= 16);
    assert_eq!(leaks(20, &mut |random| rising(random, 50.0, NOISE)), 20);
    assert!(leaks(20, &mut |random| lost_blocks(random, 100.0, 500)) >= 18);
    let doublings = |random: &mut Random| doubling(0.0, 2f64.powf(3.0 * random.uniform()));
    assert_eq!(count(Verdict::Growing, 100, doublings), 100);
    assert_eq!(count(Verdict::Growing, 100, |random| (doublings(random).0, Vec::new())), 100);
}

#[test]
fn the_slope_of_a_true_leak_is_right_within_three_per_cent() {
    let mut random = Random::new(3);
    let errors = (0..100).map(|_| judge_plain(&rising(&mut random, 1_024.0, NOISE).0).slope.unwrap());
    let (covered, worst) = errors.fold((0, 0.0), |(covered, worst): (usize, f64), slope| {
        (covered + usize::from(slope.contains(1_024.0)), worst.max((slope.estimate / 1_024.0 - 1.0).abs()))
    });
    assert!(covered >= 95 && worst < 0.03, "{covered} {worst}");
}

/// Prints a row of the table.
fn row(name: &str, times: usize, world: impl FnMut(&mut Random) -> World) {
    row_of(name, times, &Settings::bytes(OPERATIONS), world);
}

fn row_of(name: &str, times: usize, settings: &Settings, world: impl FnMut(&mut Random) -> World) {
    let share = |count: usize| format!("{:6.2}", 100.0 * count as f64 / times as f64);
    let shown = rates(times, settings, world).map(|counts| counts.map(share).join(" "));
    println!("{name:<38} {} | {}", shown[0], shown[1]);
}

#[test]
#[ignore = "prints the table of rates; takes two minutes in a release build"]
fn table() {
    let titles = "    ok   warm   grow   leak   none";
    println!("{:<38} {titles} | {titles}   (%; first look | confirmed at twice the length)", "");
    noise_rows(20_000);
    cache_rows(1_000);
    leak_rows(4_000);
    other_rows(2_000);
    coverage(4_000);
}

fn noise_rows(times: usize) {
    for memory in [0.0, 0.5, 0.8, 0.95] {
        row(&format!("AR(1) {memory}"), times, |random| (autoregressive(random, memory, NOISE), Vec::new()));
    }
    row("random walk", times, |random| (walk(random, NOISE), Vec::new()));
    row("independent, one in 20 wild", times, |random| spiky(random, 0.0));
    row("exponential sizes", times, |random| (rounds(|_| -1e5 * (1.0 - random.uniform()).ln()), Vec::new()));
    row_of("descriptors of a pool", times, &counts(), |random| descriptors(random, f64::INFINITY));
    row("falling 20 B/op", times, |random| rising(random, -20.0, NOISE));
}

fn cache_rows(times: usize) {
    for memory in [2.0, 4.0, 8.0, 16.0, 24.0, 32.0, 40.0, 60.0, 100.0] {
        for deviation in [0.0, 2e3, NOISE, 1e5] {
            let times = if deviation == 0.0 { 1 } else { times };
            row(&format!("cache tau {memory}, noise {deviation}"), times, |random| {
                saturating(random, memory, deviation)
            });
        }
    }
    for (low, high) in [(0.0, 24.0), (24.0, 36.0), (36.0, 46.0), (46.0, 47.0), (47.0, 48.0), (48.0, 90.0)] {
        for deviation in [0.0, NOISE, 1e5] {
            row(&format!("LRU full at {low}..{high}, noise {deviation}"), times, |random| {
                let full = low + (high - low) * random.uniform();
                filling(random, full, deviation)
            });
        }
    }
    for period in [3.0, 8.0, 13.0, 20.0, 26.0, 30.0, 36.0, 42.0, 60.0] {
        row(&format!("sawtooth {period}"), times, |random| sawtooth(random, period, NOISE));
    }
}

fn leak_rows(times: usize) {
    for slope in [10.0, 20.0, 50.0, 100.0, 1_024.0] {
        row(&format!("leak {slope} B/op"), times, |random| rising(random, slope, NOISE));
        row(&format!("leak {slope} B/op, AR .5"), times, |random| {
            let noise = autoregressive(random, 0.5, NOISE);
            (rounds(|round| slope * OPERATIONS * round as f64 + noise[round - 1]), Vec::new())
        });
        row(&format!("leak {slope} B/op, one in 20 wild"), times, |random| spiky(random, slope));
    }
    for (every, operations) in [(10.0, 500), (100.0, 500), (100.0, 200), (250.0, 500), (1_000.0, 500)] {
        row(&format!("1 KiB in {every} op, {operations} a round"), times, |random| {
            lost_blocks(random, every, operations)
        });
        row(&format!("1 KiB each {every} op, {operations} a round"), 1, |_| {
            let blocks = rounds(|round| (round as f64 * operations as f64 / every).floor());
            (blocks.iter().map(|blocks| 1_024.0 * blocks).collect(), blocks)
        });
    }
    for every in [100.0, 500.0, 1_000.0] {
        row_of(&format!("a descriptor each {every} op"), times, &counts(), |random| descriptors(random, every));
    }
    row("1 KiB/op and 100 MB cache tau 3", times, |random| {
        let cache = |round: usize| -1e8 * (-(round as f64) / 3.0).exp();
        (rounds(|round| 512_000.0 * round as f64 + cache(round) + NOISE * random.normal()), Vec::new())
    });
    row("1 KiB/op and LRU full at 10..36", times, |random| {
        let full = 10.0 + 26.0 * random.uniform();
        let cache = |round: usize| 2e6 * (round as f64).min(full);
        (rounds(|round| 512_000.0 * round as f64 + cache(round) + NOISE * random.normal()), Vec::new())
    });
}

fn other_rows(times: usize) {
    let pushes = |random: &mut Random| 2f64.powf(3.0 * random.uniform());
    row("Vec doubling from empty", times, |random| doubling(0.0, pushes(random)));
    row("Vec doubling from empty, blocks unknown", times, |random| (doubling(0.0, pushes(random)).0, Vec::new()));
    row("Vec doubling from 0..2400", times, |random| doubling(2_400.0 * random.uniform(), 1.0));
    row("Vec doubling from 0..12000", times, |random| doubling(12_000.0 * random.uniform(), 1.0));
    row("largest of uniform requests", times, |random| largest_so_far(random, |random| 65_536.0 * random.uniform()));
    row("largest of log-normal requests", times / 10, |random| {
        largest_so_far(random, |random| 1_000.0 * random.normal().exp())
    });
    row("one jump anywhere", times, |random| jump(random, 0.0));
    row("one jump anywhere, noise", times, |random| jump(random, NOISE));
    row("square root of the rounds", 1, |_| (rounds(|round| 1e6 * (round as f64).sqrt()), Vec::new()));
}

/// Coverage, bias and width of the slope's interval at twice the length.
fn coverage(times: usize) {
    for (name, truth) in [("iid", 1_024.0), ("AR .5", 1_024.0), ("1 KiB in 10 op", 102.4), ("random walk", 1_024.0)] {
        let mut random = Random::new(11);
        let (mut covered, mut error, mut worst, mut width) = (0.0, 0.0, 0f64, 0.0);
        for _ in 0..times {
            let noise = match name {
                "AR .5" => autoregressive(&mut random, 0.5, NOISE),
                "random walk" => walk(&mut random, NOISE),
                _ => rounds(|_| NOISE * random.normal()),
            };
            let values = match name {
                "1 KiB in 10 op" => lost_blocks(&mut random, 10.0, 500).0,
                _ => rounds(|round| truth * OPERATIONS * round as f64 + noise[round - 1]),
            };
            let slope = judge(&Series { values: &values, blocks: &[] }, &Settings::bytes(OPERATIONS)).slope.unwrap();
            covered += f64::from(u8::from(slope.contains(truth)));
            error += slope.estimate / truth - 1.0;
            worst = worst.max((slope.estimate / truth - 1.0).abs());
            width += slope.half_width() / truth;
        }
        let shown = [covered, error, worst * times as f64, width].map(|sum| 100.0 * sum / times as f64);
        println!("slope, {name}: covered, bias, worst error, mean half-width {shown:.3?} %");
    }
}

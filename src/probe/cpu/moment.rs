//! The moments at which a thread copies its stack, in periods of its CPU time: random, and none likelier than another. Reads no clock.

/// What part of a period lies before a thread's first copy, of a random number: what is left of a random period at a random moment.
/// So no moment of a thread is likelier than another, however short it lives.
pub(super) fn first(random: f64) -> f64 {
    if random < 0.5 { random } else { 1.5 - (2.0 - 2.0 * random).sqrt() }
}

/// What part of a period lies before the next one: a half to one and a half, so that the copies keep step with nothing.
pub(super) fn next(random: f64) -> f64 {
    0.5 + random
}

/// How many moments have passed where the copy of the first is so late, and how long it is to the next: the signal of a thread that is
/// in the kernel comes when it leaves it, which may be periods later.
pub(super) fn passed(mut late: u64, mut next: impl FnMut() -> u64) -> (u64, u64) {
    const MOST: u64 = 100_000;
    let (mut count, mut left) = (1, next());
    while late >= left && count < MOST {
        late -= left;
        left = next();
        count += 1;
    }
    (count, left.saturating_sub(late))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::Random;

    #[test]
    fn no_moment_of_a_thread_is_likelier_than_another() {
        const THREADS: u32 = 30_000;
        let mut random = Random::new(7);
        // Three periods of many threads, in tenths.
        let mut met = [0_u32; 30];
        for _ in 0..THREADS {
            let mut at = first(random.uniform());
            while let Some(tenth) = met.get_mut((at * 10.0) as usize) {
                *tenth += 1;
                at += next(random.uniform());
            }
        }
        // A tenth of the threads meets each tenth: 3,000, with a standard deviation of 52.
        assert!(met.iter().all(|count| count.abs_diff(THREADS / 10) < 260), "{met:?}");
    }

    #[test]
    fn a_copy_that_comes_late_counts_for_every_moment_that_has_passed() {
        assert_eq!(passed(0, || 10), (1, 10));
        assert_eq!(passed(9, || 10), (1, 1));
        assert_eq!(passed(35, || 10), (4, 5));
        // It ends where there is no period.
        assert_eq!(passed(35, || 0).1, 0);
        // As much time lies in the periods that are counted as has passed and is still to pass.
        let mut random = Random::new(3);
        let (mut counted, mut time) = (0, 0);
        for late in 0..20_000 {
            let late = late % 50 * 100;
            let (count, left) = passed(late, || (1000.0 * next(random.uniform())) as u64);
            (counted, time) = (counted + count * 1000, time + late + left);
        }
        assert!((counted as f64 / time as f64 - 1.0).abs() < 0.005, "{counted} and {time}");
    }
}

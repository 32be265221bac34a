//! `faulty-spread`: a mean that hides a fault. `healthy` takes about 150 ms for every request. `mixed` takes 30 ms for most,
//! and the rest go on to block their worker: the mean is lower, the spread some thirty times larger, and one phase has it.

use std::hint::black_box;
use std::time::Duration;

use tracing::{Instrument as _, info_span};

use super::Planted;
use super::schedule::{self, HOLD};
use crate::error::BoxError;
use crate::workload::{Description, Failure, Param, Phase, Variant, Work, Worker, Workload};

/// What has to be found.
pub(super) const PLANTED: Planted = Planted {
    workload: "faulty-spread",
    variant: "mixed",
    function: "faulty::spread::blocking_path",
    file: "src/workload/builtin/faulty/spread.rs",
    cause: Some("blocked"),
    syscalls: &["clock_nanosleep"],
};

const VARIANTS: [Variant; 2] = [
    Variant { name: "healthy", about: "every request reads the archive without blocking: 150 ms, give or take 4 ms" },
    Variant { name: "mixed", about: "most requests are answered by the cache in 30 ms; the rest block their worker" },
];

const PARAMS: [Param; 2] = [
    Param { name: "fraction", default: "0.1", about: "share of requests, 0 to 1, that block in the variant mixed" },
    Param { default: "400ms", ..HOLD },
];

const PHASES: [Phase; 2] = [Phase { name: "cache.read", timeout: None }, Phase { name: "archive.read", timeout: None }];

/// What the cache takes, for hits and misses alike: a difference would be variance of its own.
const CACHE: Duration = Duration::from_millis(30);
/// What the archive takes at least where it does not block, and by how much more, as the sum of two even spreads: together
/// 150 ms with a standard deviation of 4 ms. A timer fires half a millisecond late, in the mean.
const ARCHIVE_MIN: Duration = Duration::from_micros(139_700);
const ARCHIVE_SPREAD: Duration = Duration::from_micros(9_800);

/// The workload.
pub(super) struct Spread;

/// What one user keeps.
pub(super) struct User {
    style: Style,
    seed: u64,
    requests: u64,
    fraction: f64,
    /// The part of a blocking request that has come together.
    owed: f64,
    hold: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Healthy,
    Mixed,
}

impl Workload for Spread {
    type State = User;

    async fn setup(&self, worker: Worker) -> Result<User, BoxError> {
        Ok(User::new(&worker)?)
    }

    async fn operation(&self, user: &mut User) -> Result<Work, BoxError> {
        match user.style {
            Style::Healthy => {
                let time = user.next_archive_time();
                tokio::time::sleep(time).instrument(info_span!("archive.read")).await;
            }
            Style::Mixed => {
                tokio::time::sleep(CACHE).instrument(info_span!("cache.read")).await;
                if user.next_is_blocking() {
                    log_miss();
                    let read = info_span!("archive.read").in_scope(|| blocking_path(user.hold));
                    black_box(read);
                }
            }
        }
        Ok(Work::done())
    }

    fn describe(&self) -> Description {
        Description {
            about: "requests that read a cache and an archive",
            variants: &VARIANTS,
            params: &PARAMS,
            phases: &PHASES,
            users: Some(2),
            fault: Some("mixed: the archive is read with a call that blocks, at a mean below that of healthy"),
            ..Description::default()
        }
    }
}

impl User {
    fn new(worker: &Worker) -> Result<Self, Failure> {
        let style = match worker.variant() {
            "" | "healthy" => Style::Healthy,
            "mixed" => Style::Mixed,
            other => return Err(Failure::new("variant", format!("no variant `{other}`; there are healthy and mixed"))),
        };
        let fraction: f64 = worker.param("fraction")?;
        if !(0.0..=1.0).contains(&fraction) {
            return Err(Failure::new("param", format!("parameter fraction: {fraction} is not within 0 to 1")));
        }
        // Neighbours are half a turn apart: they block one after the other.
        let owed = f64::from(worker.index() % 2) / 2.0;
        Ok(Self { style, seed: worker.seed(), requests: 0, fraction, owed, hold: schedule::hold(worker)? })
    }

    /// How long the next request of the variant `healthy` takes.
    fn next_archive_time(&mut self) -> Duration {
        self.requests += 1;
        let bits = mixed_bits(self.seed ^ self.requests.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        // Two even spreads of 32 bits each, from 0 to below 1.
        let [low, high] = [bits & 0xFFFF_FFFF, bits >> 32].map(|half| half as f64 / 4_294_967_296.0);
        ARCHIVE_MIN + ARCHIVE_SPREAD.mul_f64(low + high)
    }

    /// Whether the next request of the variant `mixed` blocks: evenly spread, so that every round has its share.
    fn next_is_blocking(&mut self) -> bool {
        self.owed += self.fraction;
        let blocks = self.owed >= 1.0;
        if blocks {
            self.owed -= 1.0;
        }
        blocks
    }
}

/// Has a miss logged by tasks of their own. A thread that gets two wakes another one, which then fires the timers while this one
/// blocks: otherwise the other user's cache would look as slow as the archive, which is the fault of `faulty-driver`. One
/// of the two waits behind the archive.
fn log_miss() {
    for _ in 0..2 {
        // Nobody waits for a line of a log.
        drop(tokio::spawn(async {}));
    }
}

#[inline(never)]
fn blocking_path(hold: Duration) -> u64 {
    std::thread::sleep(hold);
    black_box(hold.as_secs())
}

/// The last step of `SplitMix64`: neighbouring numbers end far apart.
fn mixed_bits(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::tests::worker;
    use super::*;

    #[test]
    fn healthy_requests_take_150_ms_give_or_take_4_and_the_same_in_every_run() {
        let times = || {
            let mut user = User::new(&worker(0, "healthy", &[("fraction", "0.1"), ("hold", "1ms")])).unwrap();
            (0..2_000).map(|_| user.next_archive_time().as_secs_f64() * 1e3).collect::<Vec<_>>()
        };
        let found = times();
        let mean = found.iter().sum::<f64>() / found.len() as f64;
        let variance = found.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / found.len() as f64;
        assert!((mean - 149.5).abs() < 0.5 && (variance.sqrt() - 4.0).abs() < 0.3, "{mean} {}", variance.sqrt());
        assert_eq!(found, times());
    }

    #[test]
    fn a_tenth_of_the_mixed_requests_block_and_never_both_users_at_once() {
        let blocking = |index: u32| {
            let mut user = User::new(&worker(index, "mixed", &[("fraction", "0.1"), ("hold", "1ms")])).unwrap();
            (0..100).filter(|_| user.next_is_blocking()).collect::<Vec<_>>()
        };
        let (first, second) = (blocking(0), blocking(1));
        assert!(first.len().abs_diff(10) <= 1 && second.len().abs_diff(10) <= 1, "{first:?} {second:?}");
        assert!(first.iter().all(|request| !second.contains(request)), "{first:?} {second:?}");
    }

    #[test]
    fn other_variants_and_shares_beyond_one_are_refused() {
        for (variant, fraction) in [("fast", "0.1"), ("mixed", "1.5"), ("mixed", "NaN"), ("mixed", "-1")] {
            assert!(User::new(&worker(0, variant, &[("fraction", fraction), ("hold", "1ms")])).is_err());
        }
    }
}

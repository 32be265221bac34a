//! When a fault is due and how long it lasts: every so many operations of a worker, the same in every run. Refuses chance.

use std::str::FromStr;
use std::time::Duration;

use crate::workload::{Failure, Param, Worker};

/// What every operation waits for, fault or not.
const HEALTHY: Duration = Duration::from_millis(2);
/// The longest that a thread may be held; the driver's own timeout is 5 s.
const MOST_HOLD: Duration = Duration::from_secs(4);

/// How often it is.
pub(super) const EVERY: Param =
    Param { name: "every", default: "10", about: "the fault is in every so manieth operation of a user" };
/// How long it lasts.
pub(super) const HOLD: Param = Param { name: "hold", default: "30ms", about: "how long it lasts: 500us, 30ms, 1s" };

/// The operations of one worker that have the fault.
#[derive(Debug)]
pub(super) struct Schedule {
    every: u64,
    hold: Duration,
    done: u64,
}

impl Schedule {
    /// The schedule of a worker, out of the parameters [`EVERY`] and [`HOLD`].
    pub(super) fn new(worker: &Worker) -> Result<Self, Failure> {
        let every: u64 = worker.param(EVERY.name)?;
        if !(1..=1_000_000).contains(&every) {
            return Err(Failure::new("param", format!("parameter every: {every} is not within 1 to 1000000")));
        }
        // The golden section keeps the faults of several workers apart, whatever their number.
        let done = (u64::from(worker.index()) * every * 618 / 1000) % every;
        Ok(Self { every, hold: hold(worker)?, done })
    }

    /// Counts an operation; gives how long its fault lasts, where it has one.
    pub(super) fn due(&mut self) -> Option<Duration> {
        self.done += 1;
        self.done.is_multiple_of(self.every).then_some(self.hold)
    }
}

/// The parameter [`HOLD`].
pub(super) fn hold(worker: &Worker) -> Result<Duration, Failure> {
    worker.param(HOLD.name).map(|Hold(hold)| hold)
}

/// The healthy part of an operation.
pub(super) async fn wait_healthily() {
    tokio::time::sleep(HEALTHY).await;
}

/// A time as it is written on a command line.
struct Hold(Duration);

impl FromStr for Hold {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or(())?;
        let (number, unit) = text.split_at(split);
        let number: u64 = number.parse().map_err(|_| ())?;
        let time = match unit {
            "us" => Duration::from_micros(number),
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            _ => return Err(()),
        };
        (time <= MOST_HOLD).then_some(Self(time)).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::worker;
    use super::*;

    #[test]
    fn every_third_operation_of_a_worker_is_due_and_workers_take_turns() {
        let due = |index: u32| {
            let mut schedule = Schedule::new(&worker(index, "", &[("every", "3"), ("hold", "7ms")])).unwrap();
            (0..9).map(|_| schedule.due().map_or(0, |hold| hold.as_millis())).collect::<Vec<_>>()
        };
        assert_eq!(due(0), [0, 0, 7, 0, 0, 7, 0, 0, 7]);
        assert_eq!(due(1), [0, 7, 0, 0, 7, 0, 0, 7, 0]);
    }

    #[test]
    fn times_without_a_unit_or_beyond_the_timeout_are_refused() {
        for hold in ["30", "ms", "", "-3ms", "1h", "5s", "99999999999999999999s"] {
            let refused = Schedule::new(&worker(0, "", &[("every", "1"), ("hold", hold)])).unwrap_err();
            assert!(refused.to_string().contains("hold"), "{refused}");
        }
        assert!(Schedule::new(&worker(0, "", &[("every", "0"), ("hold", "1ms")])).is_err());
    }
}

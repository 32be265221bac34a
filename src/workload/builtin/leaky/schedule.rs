//! Which operations of a worker leak: every so manieth, the same in every run. Refuses chance, and numbers out of bounds.

use std::ops::RangeInclusive;

use crate::workload::{Failure, Param, Worker};

/// How often it is.
pub(super) const EVERY: Param =
    Param { name: "every", default: "10", about: "every so manieth operation of a user leaks" };

/// The operations of one worker that leak.
#[derive(Debug)]
pub(super) struct Schedule {
    every: u64,
    done: u64,
}

impl Schedule {
    /// The schedule of a worker, out of the parameter [`EVERY`].
    pub(super) fn new(worker: &Worker) -> Result<Self, Failure> {
        let every = number(worker, EVERY.name, 1..=1_000_000)?;
        // The golden section keeps the leaks of several workers apart, whatever their number.
        let done = (u64::from(worker.index()) * every * 618 / 1000) % every;
        Ok(Self { every, done })
    }

    /// Counts an operation; gives whether it leaks.
    pub(super) fn due(&mut self) -> bool {
        self.done += 1;
        self.done.is_multiple_of(self.every)
    }
}

/// A parameter that is a whole number within bounds.
pub(super) fn number(worker: &Worker, name: &str, within: RangeInclusive<u64>) -> Result<u64, Failure> {
    let number: u64 = worker.param(name)?;
    if within.contains(&number) {
        return Ok(number);
    }
    let (least, most) = within.into_inner();
    Err(Failure::new("param", format!("parameter {name}: {number} is not within {least} to {most}")))
}

#[cfg(test)]
mod tests {
    use super::super::tests::worker;
    use super::*;

    #[test]
    fn every_third_operation_of_a_worker_is_due_and_workers_take_turns() {
        let due = |index: u32| {
            let mut schedule = Schedule::new(&worker(index, "", &[("every", "3")])).unwrap();
            (0..6).map(|_| schedule.due()).collect::<Vec<_>>()
        };
        assert_eq!(due(0), [false, false, true, false, false, true]);
        assert_eq!(due(1), [false, true, false, false, true, false]);
    }

    #[test]
    fn numbers_out_of_bounds_are_refused() {
        for every in ["0", "1000001", "-1", "1.5", ""] {
            let refused = Schedule::new(&worker(0, "", &[("every", every)])).unwrap_err();
            assert!(refused.kind() == "param" && refused.to_string().contains("every"), "{refused}");
        }
    }
}

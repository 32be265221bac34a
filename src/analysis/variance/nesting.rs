//! Which phase lies inside which, read from times alone: `ops.csv` has no tree. Refuses to nest what times do not show.
//!
//! Phases that follow each other never add up to more than the operation has time. Where they do in more than 1 % of the
//! operations, some lie inside others or run beside them. The longest phase then counts as the one around all others (as
//! `chat.request` is) where it is at least as long as they are together in 99 % of the operations, after those of them that lie
//! in each other have been put there. It also does where its time is theirs but for a tenth of its variance, even if there was
//! time for both. Failing that, the longest phases that fit inside the longest one are taken to be inside, until the rest fits.
//! What fits nowhere ran in parallel: nothing is nested then, and the splitter scales.

/// Times that contradict each other by no more than this are the clocks' doing.
const TOLERANCE: f64 = 0.01;
const SLACK_NS: f64 = 200.0;
/// The part of the operations that may be otherwise.
const EXCEPTIONS: f64 = 0.01;
/// The part of a phase's variance that may be its own, for the others to be all of it.
const OWN_VARIANCE: f64 = 0.1;

/// More phases than this are left as they are: nobody could look at their tree.
const MOST_PHASES: usize = 64;

/// The times of some operations: of each the time there was, and that of each phase.
pub(super) struct Sample {
    pub(super) available: Vec<f64>,
    /// Operation by operation.
    pub(super) wholes: Vec<Vec<f64>>,
}

/// For each phase the one around it.
pub(super) fn parents(sample: &Sample) -> Vec<Option<usize>> {
    let phases = sample.wholes.first().map_or(0, Vec::len);
    let mut parents = vec![None; phases];
    if phases <= MOST_PHASES {
        let sums: Vec<f64> = (0..phases).map(|phase| sample.wholes.iter().map(|whole| whole[phase]).sum()).collect();
        // The longest first: the one around others is never shorter than they are. One that the sample has not seen goes with
        // the others.
        let mut members: Vec<usize> = (0..phases).collect();
        members.sort_by(|a, b| sums[*b].total_cmp(&sums[*a]));
        sample.nest(None, &members, &mut parents);
    }
    parents
}

impl Sample {
    /// Puts the members, the longest first, into each other. `around` is what all of them lie in: a phase, or the operation.
    fn nest(&self, around: Option<usize>, members: &[usize], parents: &mut [Option<usize>]) {
        let Some((longest, others)) = members.split_first().filter(|(_, others)| !others.is_empty()) else { return };
        let mut inner = parents.to_vec();
        self.nest(Some(*longest), others, &mut inner);
        let roots: Vec<usize> = others.iter().copied().filter(|phase| inner[*phase].is_none()).collect();
        let contradiction = !self.fits(around, members, &[]);
        if self.covers(*longest, &roots) && (contradiction || self.is_made_of(*longest, &roots)) {
            parents.copy_from_slice(&inner);
            for phase in roots {
                parents[phase] = Some(*longest);
            }
            return;
        }
        let mut inside = Vec::new();
        for phase in others {
            if self.fits(around, members, &inside) {
                break;
            }
            inside.push(*phase);
            if !self.covers(*longest, &inside) {
                inside.pop();
            }
        }
        if self.fits(around, members, &inside) {
            for phase in inside {
                parents[phase] = Some(*longest);
            }
        }
    }

    /// Whether the members can have followed each other in the time there was, once some are inside another.
    fn fits(&self, around: Option<usize>, members: &[usize], inside: &[usize]) -> bool {
        self.mostly(|index| {
            let available = around.map_or(self.available[index], |phase| self.wholes[index][phase]);
            Some(self.sum(index, members) - self.sum(index, inside) <= bound(available))
        })
    }

    /// Whether a phase is as long as these together, where there are any of them.
    fn covers(&self, phase: usize, inside: &[usize]) -> bool {
        self.mostly(|index| {
            let within = self.sum(index, inside);
            (within > 0.0).then(|| within <= bound(self.wholes[index][phase]))
        })
    }

    fn sum(&self, index: usize, phases: &[usize]) -> f64 {
        phases.iter().map(|phase| self.wholes[index][*phase]).sum()
    }

    /// Whether it holds for all but a few of the operations that it says anything of; also where it says nothing.
    fn mostly(&self, holds: impl Fn(usize) -> Option<bool>) -> bool {
        let (mut answers, mut exceptions) = (0_usize, 0_usize);
        for holds in (0..self.wholes.len()).filter_map(holds) {
            answers += 1;
            exceptions += usize::from(!holds);
        }
        exceptions as f64 <= EXCEPTIONS * answers as f64
    }

    /// Whether a phase's time is that of the others, but for a small part of its variance.
    fn is_made_of(&self, phase: usize, others: &[usize]) -> bool {
        let whole: Vec<f64> = self.wholes.iter().map(|whole| whole[phase]).collect();
        let own: Vec<f64> = whole.iter().enumerate().map(|(index, whole)| whole - self.sum(index, others)).collect();
        let variance = |values: &[f64]| crate::stats::describe::variance(values).unwrap_or(0.0);
        let of_whole = variance(&whole);
        of_whole > 0.0 && variance(&own) <= OWN_VARIANCE * of_whole
    }
}

/// What a sum of times may be without contradicting `ns`.
fn bound(ns: f64) -> f64 {
    ns * (1.0 + TOLERANCE) + SLACK_NS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::Random;

    /// Four hundred operations of phases with these means, put together by `shape`: the time there was, and each phase's.
    fn sample(shape: impl Fn(&mut Random) -> (f64, Vec<f64>)) -> Sample {
        let mut random = Random::new(7);
        let (available, wholes) = (0..400).map(|_| shape(&mut random)).unzip();
        Sample { available, wholes }
    }

    fn time(random: &mut Random, mean: f64) -> f64 {
        mean * (0.5 + random.uniform())
    }

    #[test]
    fn phases_that_follow_each_other_are_not_nested() {
        let following = sample(|random| {
            let times = vec![time(random, 1e6), time(random, 4e7), time(random, 1e5)];
            (times.iter().sum::<f64>() + 1e4, times)
        });
        assert_eq!(parents(&following), [None, None, None]);
    }

    #[test]
    fn a_request_that_covers_everything_is_around_it() {
        let covered = sample(|random| {
            let (get, llm) = (time(random, 1e6), time(random, 4e7));
            let request = get + llm + 1e4;
            (request + 1e5, vec![get, request, llm])
        });
        assert_eq!(parents(&covered), [Some(1), None, Some(1)]);
    }

    #[test]
    fn a_request_in_a_long_queue_is_still_around_its_phases() {
        let queued = sample(|random| {
            let (get, llm) = (time(random, 1e6), time(random, 4e7));
            let request = get + llm + time(random, 1e5);
            (request + 2e8, vec![get, request, llm])
        });
        assert_eq!(parents(&queued), [Some(1), None, Some(1)]);
    }

    #[test]
    fn nesting_goes_as_deep_as_the_times_show() {
        let deep = sample(|random| {
            let (query, decode) = (time(random, 3e7), time(random, 1e6));
            let load = query + decode;
            let request = load + time(random, 1e7);
            (request, vec![query, load, decode, request])
        });
        assert_eq!(parents(&deep), [Some(1), Some(3), Some(1), None]);
    }

    #[test]
    fn a_handler_around_some_of_the_phases_takes_what_must_be_inside() {
        let partly = sample(|random| {
            let (query, render) = (time(random, 6e7), time(random, 5e7));
            let handler = query + 1e6;
            (handler + render, vec![query, handler, render])
        });
        assert_eq!(parents(&partly), [Some(1), None, None]);
    }

    #[test]
    fn phases_that_run_beside_each_other_are_not_nested() {
        let parallel = sample(|random| {
            let times = vec![time(random, 3e7), time(random, 3e7)];
            (times[0].max(times[1]), times)
        });
        assert_eq!(parents(&parallel), [None, None]);
    }

    #[test]
    fn phases_that_never_happened_and_no_phases_at_all_are_left_alone() {
        assert!(parents(&Sample { available: Vec::new(), wholes: Vec::new() }).is_empty());
        assert_eq!(parents(&sample(|_| (1e6, vec![0.0, 0.0]))), [None, None]);
    }
}

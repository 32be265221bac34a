//! From what the watchdog saw to stalls: the cause, the functions of the stacks, the tasks that waited. Runs after the
//! measuring.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use syscalls::Sysno;

use super::{Seen, delay};
use crate::probe::symbols::Symbols;
use crate::record::Stall;
use crate::record::name::spawn_site;
use crate::record::stacks::{Frame, Stack, Stacks};
use crate::record::stall::{Cause, Task, culprit, is_own};

/// Frames of a stall that are kept; further out is the runtime.
const MOST_FRAMES: usize = 64;

/// What there was, with names.
pub(super) struct Named {
    pub(super) stalls: Vec<Stall>,
    /// The stacks of the program's own ones, by count, time held and delay caused.
    pub(super) stacks: Stacks,
    pub(super) in_place: InPlace,
    /// Those in which perfkit itself held the thread.
    pub(super) harness: u64,
}

/// Polls that told the runtime that they would hold their thread (`block_in_place`): no stalls, because other tasks move to
/// another thread.
#[derive(Default)]
pub(super) struct InPlace(Vec<(String, u64, u64)>);

impl InPlace {
    fn add(&mut self, stack: &[Frame], duration_ns: u64) {
        let name = culprit(stack).map(|frame| frame.function.clone()).unwrap_or_default();
        match self.0.iter_mut().find(|(known, _, _)| *known == name) {
            Some((_, count, held)) => {
                *count += 1;
                *held += duration_ns;
            }
            None => self.0.push((name, 1, duration_ns)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|(_, count, _)| count).sum()
    }

    pub(super) fn to_json(&self) -> Value {
        let one = |(function, count, held_ns): &(String, u64, u64)| json!({ "function": function, "count": count, "held_ns": held_ns });
        self.0.iter().map(one).collect()
    }
}

/// Gives everything its name.
pub(super) fn name(seen: &[Seen], threshold: Duration, delays: &delay::Seen) -> Named {
    let mut named = Named {
        stalls: Vec::new(),
        stacks: Stacks::new(&[("stalls", "count"), ("held", "nanoseconds"), ("delay", "nanoseconds")]),
        in_place: InPlace::default(),
        harness: 0,
    };
    if seen.is_empty() {
        return named;
    }
    let mut names = Names { symbols: Symbols::load(), known: HashMap::new() };
    named.stacks.modules = names.symbols.modules();
    for one in seen {
        let (path, syscall) = names.longest_held(one, &mut named.stacks);
        let stack = Stack { locations: path, thread: one.thread.clone(), ..Stack::default() };
        let frames: Vec<Frame> = named.stacks.frames(&stack).map(|(frame, _)| frame.clone()).collect();
        if frames.iter().any(|frame| frame.function.contains("block_in_place")) {
            named.in_place.add(&frames, nanoseconds(one.duration));
            continue;
        }
        if !frames.is_empty() && named.stacks.is_harness(&stack) {
            named.harness += 1;
            continue;
        }
        let stall = stall(one, threshold, delays, syscall, frames);
        if stall.is_own() && !stack.locations.is_empty() {
            let delay = stall.delay_ns.saturating_add(stall.timer_delay_ns);
            let values = vec![1, stall.duration_ns as i64, delay as i64];
            named.stacks.stacks.push(Stack { values, ..stack });
        }
        named.stalls.push(stall);
    }
    named
}

fn stall(one: &Seen, threshold: Duration, delays: &delay::Seen, syscall: Option<u32>, frames: Vec<Frame>) -> Stall {
    let end = one.start + one.duration;
    let (delayed_tasks, delay) = delays.polls.during(one.start, end);
    let cause = cause(one, threshold);
    let syscall = syscall.filter(|_| cause == Cause::Blocked).map(|number| match Sysno::new(number as usize) {
        Some(call) => call.name().to_owned(),
        None => format!("syscall {number}"),
    });
    let spawned_at = one.poll.spawned_at.map(spawn_site);
    let task = (one.poll.task != 0).then_some(Task { id: one.poll.task, spawned_at });
    Stall {
        round: 0,
        start_ns: nanoseconds(one.start),
        duration_ns: nanoseconds(one.duration),
        cause,
        syscall,
        thread: one.thread.clone(),
        task,
        stack: up_to_the_runtime(frames),
        cpu_ns: nanoseconds(one.cpu),
        preempted_ns: nanoseconds(one.waited),
        delayed_tasks,
        delay_ns: nanoseconds(delay),
        timer_delay_ns: nanoseconds(delays.timers.longest_during(one.start, end)),
    }
}

/// What the thread did. What others took from it is taken off first: without that it would have had to be a stall all the same.
fn cause(one: &Seen, threshold: Duration) -> Cause {
    let own = one.duration.saturating_sub(one.waited);
    if own < threshold {
        Cause::Preempted
    } else if one.cpu >= own / 2 {
        Cause::Cpu
    } else if one.slept {
        Cause::Blocked
    } else if one.cpu >= threshold {
        Cause::Cpu
    } else {
        // It was met running or ready whenever one looked, yet had little processor time: the machine took it without a word, as
        // the host of a virtual machine does.
        Cause::Preempted
    }
}

/// Without the frames outside the task: they are the same for every task.
fn up_to_the_runtime(mut frames: Vec<Frame>) -> Vec<Frame> {
    let outside = |frame: &Frame| frame.function.starts_with("tokio::runtime::task::");
    if let Some(end) = frames.iter().position(outside) {
        frames.truncate(end);
    }
    frames.truncate(MOST_FRAMES);
    frames
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Locations of addresses, each looked up once.
struct Names {
    symbols: Symbols,
    known: HashMap<(u64, bool), u32>,
}

/// One of the stacks of a stall, and the time it stands for.
struct Held {
    time: Duration,
    path: Vec<u32>,
    /// The program's own functions, the innermost first.
    functions: Vec<String>,
    syscall: Option<u32>,
}

/// A function that was on the stack for so much of a stall is where it was held.
const MOST_OF_IT: f64 = 2.0 / 3.0;

impl Names {
    /// The stack of one stall, with the system call there: it ends in the innermost function of the program in which the thread
    /// was for most of the time. A function that it only passed through, such as a look at the clock, is not to blame.
    fn longest_held(&mut self, one: &Seen, stacks: &mut Stacks) -> (Vec<u32>, Option<u32>) {
        let held = self.held(one, stacks);
        let Some(longest) = held.iter().reduce(|most, next| if next.time > most.time { next } else { most }) else {
            return (Vec::new(), None);
        };
        let all: Duration = held.iter().map(|held| held.time).sum();
        let share = |function: &String| {
            let inside = held.iter().filter(|held| held.functions.contains(function));
            inside.map(|held| held.time).sum::<Duration>().as_secs_f64() / all.as_secs_f64()
        };
        let Some(function) = longest.functions.iter().find(|function| share(function) >= MOST_OF_IT) else {
            return (longest.path.clone(), longest.syscall);
        };
        // One that was taken in that very function, if there is one.
        if let Some(exact) = held.iter().find(|held| held.functions.first() == Some(function)) {
            return (exact.path.clone(), exact.syscall);
        }
        let has = |location: &u32| {
            let frames = stacks.locations.get(*location as usize).map(|location| location.frames.as_slice());
            frames.unwrap_or_default().iter().any(|frame| frame.function == *function)
        };
        let inner = longest.path.iter().position(has).unwrap_or(0);
        (longest.path[inner..].to_vec(), longest.syscall)
    }

    /// The stacks of one stall with the times that they stand for.
    fn held(&mut self, one: &Seen, stacks: &mut Stacks) -> Vec<Held> {
        let end = one.start + one.duration;
        let mut held = Vec::new();
        for (index, (at, captured)) in one.captures.iter().enumerate() {
            // Each stands for the time up to the next; the first also for the time before.
            let from = if index == 0 { one.start } else { *at };
            let until = one.captures.get(index + 1).map_or(end, |(next, _)| *next);
            let path = self.path(&captured.addresses, stacks);
            let whole = Stack { locations: path.clone(), ..Stack::default() };
            let frames = stacks.frames(&whole).map(|(frame, _)| frame);
            let own = frames.filter(|frame| is_own(frame)).map(|frame| frame.function.clone());
            let functions = own.collect();
            held.push(Held { time: until.saturating_sub(from), path, functions, syscall: captured.syscall });
        }
        held
    }

    fn path(&mut self, addresses: &[u64], stacks: &mut Stacks) -> Vec<u32> {
        let Self { symbols, known } = self;
        let place = |(depth, address): (usize, &u64)| {
            // Above the innermost these are return addresses: the call is the byte before.
            let innermost = depth == 0;
            let lookup = if innermost { *address } else { address.saturating_sub(1) };
            *known.entry((*address, innermost)).or_insert_with(|| {
                stacks.locations.push(symbols.locate(*address, lookup));
                (stacks.locations.len() - 1) as u32
            })
        };
        addresses.iter().enumerate().map(place).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::slot::Poll;

    fn seen(duration: u64, cpu: u64, waited: u64) -> Seen {
        let ms = Duration::from_millis;
        Seen {
            start: ms(0),
            duration: ms(duration),
            cpu: ms(cpu),
            waited: ms(waited),
            thread: "worker".into(),
            poll: Poll { sequence: 1, task: 3, spawned_at: None },
            captures: Vec::new(),
            slept: true,
        }
    }

    #[test]
    fn what_other_programs_took_is_not_blamed_on_the_code() {
        let threshold = Duration::from_millis(10);
        assert_eq!(cause(&seen(30, 28, 1), threshold), Cause::Cpu);
        assert_eq!(cause(&seen(30, 1, 0), threshold), Cause::Blocked);
        assert_eq!(cause(&seen(30, 5, 24), threshold), Cause::Preempted);
        assert_eq!(cause(&seen(60, 30, 30), threshold), Cause::Cpu);
        // Ready whenever one looked: nobody knows who took the rest, but the code did not wait for anything.
        let ready = |cpu| Seen { slept: false, ..seen(20, cpu, 0) };
        assert_eq!(cause(&ready(5), threshold), Cause::Preempted);
        assert_eq!(cause(&Seen { slept: false, ..seen(60, 12, 0) }, threshold), Cause::Cpu);
    }

    #[test]
    fn the_frames_outside_a_task_are_left_out() {
        let frame = |function: &str| Frame { function: function.into(), ..Frame::default() };
        let frames = vec![frame("shop::wait"), frame("tokio::runtime::task::core::poll"), frame("main")];
        assert_eq!(up_to_the_runtime(frames), [frame("shop::wait")]);
    }
}

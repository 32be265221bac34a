//! Stalls beside operations whose delays are known: who is charged with them, and what goes together.

use super::*;
use crate::record::ops::Timed;
use crate::record::stacks::Frame;
use crate::record::stall::Cause;

fn run() -> Run {
    Run::foreign("simulation", "1", "shop")
}

/// A stall from 7 ms of a round on; its stack of functions and their files, the innermost first.
fn stall(round: u32, duration_ns: u64, cause: Cause, stack: &[(&str, &str)]) -> Stall {
    let frame = |(function, file): &(&str, &str)| Frame {
        function: (*function).into(),
        file: Some((*file).into()),
        line: Some(7),
    };
    Stall {
        round,
        start_ns: 7_000_100,
        duration_ns,
        cause,
        syscall: None,
        thread: "worker".to_owned(),
        task: None,
        stack: stack.iter().map(frame).collect(),
        cpu_ns: 0,
        preempted_ns: 0,
        delayed_tasks: 0,
        delay_ns: 0,
        timer_delay_ns: 0,
    }
}

/// Rounds in which every twentieth operation is 50 ms longer, beginning with the eighth.
fn held_up() -> Columns {
    let mut columns = Columns::new(&["work"]);
    for round in 0..3 {
        for index in 0..200_u64 {
            let due_ns = index * 1_000_000;
            let held = if index % 20 == 7 { 50_000_000 } else { 0 };
            let took = 400_000 + 1_000 * (index % 5) + held;
            let timed =
                Timed { due_ns, start_ns: due_ns, end_ns: due_ns + took, states_ns: None, cells_ns: &[took as f32] };
            columns.push(round, timed);
        }
    }
    columns
}

#[test]
fn stalls_that_fall_together_with_the_slow_operations_explain_them() {
    let load = [("shop::load", "src/cart.rs")];
    let own = |round| stall(round, 49_000_000, Cause::Blocked, &load);
    let elsewhere = Stall { start_ns: 0, ..stall(9, 1_000, Cause::Cpu, &[("elsewhere", "src/x.rs")]) };
    let variance = analyze(&run(), &held_up(), &[own(0), elsewhere, own(1), own(2)]);
    let [load, elsewhere] = &variance.stalls[..] else { panic!("two functions: {:?}", variance.stalls) };
    assert_eq!((load.stack[0].function.as_str(), elsewhere.operations_hit), ("shop::load", 0));
    assert_eq!((load.operations_hit, elsewhere.share_of_tail), (3 * 50, 0.0));
    assert!(load.share_of_tail > 0.02 && load.share_of_tail <= 1.0, "{load:?}");
}

#[test]
fn stalls_of_one_function_go_together_whatever_runs_around_and_inside_it() {
    let runtime = |line: &'static str| ("tokio::runtime::task::raw::poll", line);
    let stacks = [
        vec![
            ("std::thread::sleep", "library/std/src/thread.rs"),
            ("shop::load", "src/cart.rs"),
            runtime("tokio-1.40.0/a.rs"),
        ],
        vec![("shop::load", "src/cart.rs"), ("shop::serve", "src/main.rs"), runtime("tokio-1.40.0/b.rs")],
    ];
    let stalls: Vec<Stall> = (0..)
        .zip([49, 30])
        .zip(&stacks)
        .map(|((round, ms), stack)| stall(round, ms * 1_000_000, Cause::Blocked, stack))
        .collect();
    let variance = analyze(&run(), &held_up(), &stalls);
    let [load] = &variance.stalls[..] else { panic!("one function: {:?}", variance.stalls) };
    let names: Vec<&str> = load.stack.iter().map(|frame| frame.function.as_str()).collect();
    assert_eq!(names, ["std::thread::sleep", "shop::load"]);
    assert_eq!(load.operations_hit, 50 + 31);
}

#[test]
fn stalls_that_are_the_machines_doing_are_left_out_and_one_without_a_stack_is_kept() {
    let machine = stall(0, 49_000_000, Cause::Preempted, &[("shop::load", "src/cart.rs")]);
    let bare = stall(1, 49_000_000, Cause::Blocked, &[]);
    let variance = analyze(&run(), &held_up(), &[machine, bare]);
    assert_eq!(variance.stalls.len(), 1);
    assert!(variance.stalls[0].stack.is_empty() && variance.stalls[0].operations_hit == 50, "{:?}", variance.stalls);
}

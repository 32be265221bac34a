//! Folded stacks: one line a stack, frames joined by `;`, then the weight. The only place that escapes names for it.
//!
//! Three traps of the readers (inferno 0.12.8) are closed here: `;` inside a Rust type splits a frame, a leaf that ends
//! in ` <digits>` is read as a differential count, and control characters make an SVG that no browser opens.

use std::collections::{BTreeMap, BTreeSet};

use super::name;
use super::stacks::{Stack, Stacks};

/// The folded lines of one weight, sorted, equal stacks added up; stacks of weight 0 or less are left out. Names are
/// readable: closures join the function they are in, type parameters are gone; recursion stays visible.
#[must_use]
pub fn fold(stacks: &Stacks, weight: usize) -> Vec<String> {
    fold_below(stacks, weight, |stack| Some(&stack.thread))
}

/// As [`fold`], with something else than the thread as the outermost frame; stacks of which it is not known are left out.
#[must_use]
pub fn fold_below(stacks: &Stacks, weight: usize, root: impl Fn(&Stack) -> Option<&str>) -> Vec<String> {
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for stack in &stacks.stacks {
        let value = stack.values.get(weight).copied().unwrap_or(0);
        if value <= 0 {
            continue;
        }
        let Some(root) = root(stack) else { continue };
        let mut path: Vec<String> = Vec::new();
        if !root.is_empty() {
            path.push(escape(root));
        }
        let mut frames: Vec<&str> = stacks.frames(stack).map(|(frame, _)| frame.function.as_str()).collect();
        frames.reverse();
        let mut last = "";
        for raw in frames {
            let text = escape(&name::readable(raw));
            let folds = text.starts_with('[') || name::is_closure(raw) || name::is_closure(last);
            if !(folds && path.last() == Some(&text)) {
                path.push(text);
            }
            last = raw;
        }
        if !path.is_empty() {
            *sums.entry(guard_leaf(path.join(";"))).or_insert(0) += value;
        }
    }
    lines(sums)
}

fn lines(sums: BTreeMap<String, i64>) -> Vec<String> {
    sums.into_iter().map(|(path, value)| format!("{path} {value}")).collect()
}

/// Folded lines, as [`fold`] writes them, with the program's own code brought out.
///
/// On the way from a thread's start to the last frame of a crate in `own`, every run of other frames becomes one frame
/// that names their crates: `[tokio, hyper, axum]`. Below that, what the program calls is kept, but runs of plumbing are
/// one frame. So are they in stacks that never reach the program's code. What `rooted` stacks begin with is no function, whatever
/// it is called.
#[must_use]
pub fn without_plumbing(text: &str, own: &BTreeSet<String>, rooted: bool) -> Vec<String> {
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for line in text.lines() {
        let Some((path, value)) = line.rsplit_once(' ') else { continue };
        let Ok(value) = value.parse::<i64>() else { continue };
        let frames: Vec<&str> = path.split(';').collect();
        let is_own = |frame: &&str| own.contains(name::crate_of(frame)) && !name::is_plumbing(frame, true);
        let last_own = frames.iter().rposition(is_own);
        let mut kept: Vec<String> = Vec::new();
        let mut run: Vec<&str> = Vec::new();
        for (depth, frame) in frames.iter().enumerate() {
            let root = depth == 0 && (rooted || !frame.contains("::"));
            let above = last_own.is_some_and(|last| depth < last);
            let folds = !root && !is_own(frame) && (above || name::is_plumbing(frame, frame.contains("::")));
            if folds {
                run.push(frame);
                continue;
            }
            end_run(&mut kept, &mut run);
            // The body of an async function, polled through a wrapper that the function itself made, is still that function.
            if let [.., outer, wrapper] = kept.as_slice()
                && wrapper.starts_with('[')
                && outer == frame
            {
                kept.pop();
                continue;
            }
            kept.push((*frame).to_owned());
        }
        end_run(&mut kept, &mut run);
        *sums.entry(kept.join(";")).or_insert(0) += value;
    }
    lines(sums)
}

/// Puts one frame in place of a run, with the crates in it; the standard library is named only where it is alone.
fn end_run(kept: &mut Vec<String>, run: &mut Vec<&str>) {
    let mut crates: Vec<&str> = Vec::new();
    for frame in run.drain(..) {
        let of = match name::crate_of(frame) {
            "" if frame.contains("::") => "std",
            "" => "libc",
            "core" | "alloc" => "std",
            other => other,
        };
        if !crates.contains(&of) {
            crates.push(of);
        }
    }
    if crates.len() > 1 {
        crates.retain(|of| *of != "std" && *of != "libc");
    }
    match crates.len() {
        0 => {}
        _ => kept.push(format!("[{}]", crates.join(", "))),
    }
}

/// A name that no reader of folded stacks takes apart: no `;`, no line break, nothing XML forbids.
#[must_use]
pub fn escape(name: &str) -> String {
    name.chars()
        .map(|letter| match letter {
            ';' => ':',
            '\u{FFFE}' | '\u{FFFF}' => '\u{FFFD}',
            letter if letter.is_control() || is_bidi(letter) => '\u{FFFD}',
            letter => letter,
        })
        .collect()
}

/// Characters that reorder the text around them.
fn is_bidi(letter: char) -> bool {
    matches!(letter, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// A leaf that ends in a space and digits would be read as a count: the space becomes `_`.
fn guard_leaf(path: String) -> String {
    match path.rsplit_once(' ') {
        Some((head, tail)) if !tail.is_empty() && tail.chars().all(|c| c.is_ascii_digit() || c == '.') => {
            format!("{head}_{tail}")
        }
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::stacks::{Frame, Location, Stack};

    fn stacks(names: &[&str]) -> Stacks {
        let mut stacks = Stacks::new(&[("cpu", "nanoseconds")]);
        for name in names {
            let frame = Frame { function: (*name).to_owned(), ..Frame::default() };
            stacks.locations.push(Location { address: 0, module: None, frames: vec![frame] });
        }
        let locations = (0..names.len() as u32).collect();
        stacks.stacks.push(Stack { locations, thread: "worker 1".into(), values: vec![7], ..Stack::default() });
        stacks
    }

    #[test]
    fn a_semicolon_in_a_type_does_not_split_a_frame() {
        let lines = fold(&stacks(&["<[u8; 4] as app::T>::f", "app::main"]), 0);
        assert_eq!(lines, ["worker 1;app::main;<[u8: 4] as app::T>::f 7"]);
    }

    #[test]
    fn a_leaf_that_ends_in_digits_is_no_count() {
        assert_eq!(fold(&stacks(&["worker 3"]), 0), ["worker 1;worker_3 7"]);
    }

    #[test]
    fn closures_join_their_function_and_recursion_stays() {
        let names = ["app::f", "app::f", "app::g::{{closure}}", "app::g"];
        assert_eq!(fold(&stacks(&names), 0), ["worker 1;app::g;app::f;app::f 7"]);
    }

    #[test]
    fn frames_around_the_program_become_one_and_what_it_calls_stays() {
        let own = BTreeSet::from(["app".to_owned()]);
        let text = "w;[libc.so.6];std::a;tokio::run;hyper::poll;core::f;axum::call;app::handler;tokio::task;app::inner;serde::to;core::g 3\n\
                    w;tokio::run;std::b;hyper::parse 4\n\
                    damaged";
        let lines = without_plumbing(text, &own, false);
        assert_eq!(
            lines,
            ["w;[tokio, hyper, axum];app::handler;[tokio];app::inner;serde::to;[std] 3", "w;[tokio];hyper::parse 4"]
        );
    }

    #[test]
    fn what_rooted_stacks_begin_with_is_no_function() {
        let own = BTreeSet::from(["app".to_owned()]);
        let lines = without_plumbing("db::query;tokio::run;app::handler 3\ntokio::x;tokio::run 4", &own, true);
        assert_eq!(lines, ["db::query;[tokio];app::handler 3", "tokio::x;[tokio] 4"]);
    }

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(escape("a\u{1b}[31m\0\n;b\u{202e}"), "a\u{FFFD}[31m\u{FFFD}\u{FFFD}:b\u{FFFD}");
    }
}

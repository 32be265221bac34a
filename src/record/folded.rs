//! Folded stacks: one line a stack, frames joined by `;`, then the weight. The only place that escapes names for it.
//!
//! Three traps of the readers (inferno 0.12.8) are closed here: `;` inside a Rust type splits a frame, a leaf that ends
//! in ` <digits>` is read as a differential count, and control characters make an SVG that no browser opens.

use std::collections::BTreeMap;

use super::name;
use super::stacks::{Frame, Module, Stacks};

/// What is left of the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Every frame, readable names.
    All,
    /// Runs of runtime plumbing between the program's own frames as one frame `[tokio]`, `[std]`, `[libc]`.
    Program,
}

/// The folded lines of one weight, sorted, equal stacks added up; stacks of weight 0 or less are left out.
#[must_use]
pub fn fold(stacks: &Stacks, weight: usize, detail: Detail) -> Vec<String> {
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for stack in &stacks.stacks {
        let value = stack.values.get(weight).copied().unwrap_or(0);
        if value <= 0 {
            continue;
        }
        let mut path: Vec<String> = Vec::new();
        if !stack.thread.is_empty() {
            path.push(escape(&stack.thread));
        }
        let mut frames: Vec<(&Frame, Option<&Module>)> = stacks.frames(stack).collect();
        frames.reverse();
        push_frames(&mut path, &frames, detail);
        if !path.is_empty() {
            *sums.entry(guard_leaf(path.join(";"))).or_insert(0) += value;
        }
    }
    sums.into_iter().map(|(path, value)| format!("{path} {value}")).collect()
}

/// Folded lines, as [`fold`] writes them with [`Detail::All`], with runs of plumbing as one frame. Told by name alone:
/// frames in brackets and those without a path are of the C library.
#[must_use]
pub fn without_plumbing(text: &str) -> Vec<String> {
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for line in text.lines() {
        let Some((path, value)) = line.rsplit_once(' ') else { continue };
        let Ok(value) = value.parse::<i64>() else { continue };
        let mut kept: Vec<&str> = Vec::new();
        for (depth, frame) in path.split(';').enumerate() {
            let thread = depth == 0 && !frame.contains("::");
            let in_program = frame.contains("::") || thread;
            let frame =
                if !thread && name::is_plumbing(frame, in_program) { plumbing_label(frame, in_program) } else { frame };
            if !(frame.starts_with('[') && kept.last() == Some(&frame)) {
                kept.push(frame);
            }
        }
        *sums.entry(kept.join(";")).or_insert(0) += value;
    }
    sums.into_iter().map(|(path, value)| format!("{path} {value}")).collect()
}

/// Adds the frames from the root on.
fn push_frames(path: &mut Vec<String>, frames: &[(&Frame, Option<&Module>)], detail: Detail) {
    let mut last_raw = "";
    for (frame, module) in frames {
        let raw = frame.function.as_str();
        let in_program = module.is_none_or(|module| module.program);
        let text = if detail == Detail::Program && name::is_plumbing(raw, in_program) {
            plumbing_label(raw, in_program).to_owned()
        } else {
            escape(&name::readable(raw))
        };
        // A closure joins the function it is in; a run of plumbing is one frame; recursion stays visible.
        let folds = text.starts_with('[') || name::is_closure(raw) || name::is_closure(last_raw);
        if !(folds && path.last() == Some(&text)) {
            path.push(text);
        }
        last_raw = raw;
    }
}

/// The frame that stands for a run of plumbing.
fn plumbing_label(raw: &str, in_program: bool) -> &'static str {
    let name = raw.trim_start_matches(['<', '&']);
    if !in_program || !raw.contains("::") {
        "[libc]"
    } else if name.starts_with("tokio") || name.starts_with("mio::") {
        "[tokio]"
    } else if name.starts_with("perfkit") || name.starts_with("tracing") {
        "[perfkit]"
    } else {
        "[std]"
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
    use crate::record::stacks::{Location, Stack};

    fn stacks(names: &[&str]) -> Stacks {
        let mut stacks = Stacks::new(&[("cpu", "nanoseconds")]);
        for name in names {
            let frame = Frame { function: (*name).to_owned(), ..Frame::default() };
            stacks.locations.push(Location { address: 0, module: None, frames: vec![frame] });
        }
        let locations = (0..names.len() as u32).collect();
        stacks.stacks.push(Stack { locations, thread: "worker 1".into(), values: vec![7] });
        stacks
    }

    #[test]
    fn a_semicolon_in_a_type_does_not_split_a_frame() {
        let lines = fold(&stacks(&["<[u8; 4] as app::T>::f", "app::main"]), 0, Detail::All);
        assert_eq!(lines, ["worker 1;app::main;<[u8: 4] as T>::f 7"]);
    }

    #[test]
    fn a_leaf_that_ends_in_digits_is_no_count() {
        assert_eq!(fold(&stacks(&["worker 3"]), 0, Detail::All), ["worker 1;worker_3 7"]);
    }

    #[test]
    fn closures_join_their_function_and_recursion_stays() {
        let names = ["app::f", "app::f", "app::g::{{closure}}", "app::g", "tokio::a::b", "std::c::d"];
        assert_eq!(fold(&stacks(&names), 0, Detail::Program), ["worker 1;[std];[tokio];app::g;app::f;app::f 7"]);
    }

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(escape("a\u{1b}[31m\0\n;b\u{202e}"), "a\u{FFFD}[31m\u{FFFD}\u{FFFD}:b\u{FFFD}");
    }
}

//! Folded stacks, `a;b;c 123`, as functions. The weight is whatever the file counts: samples, nanoseconds, bytes; it does not say.
//! Refuses the two weights of a difference.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::{Meaning, Reader, lines, shown, stem, without_mark};
use crate::error::{Error, Result};
use crate::record::Run;
use crate::record::charge::{self, Charged};
use crate::record::stacks::{Frame, Location, Stack, Stacks};
use crate::warning::{Caution, Warning};

pub(super) static READER: Reader =
    Reader { name: "folded", about: "folded stacks, a;b;c 123", recognizes: is_folded, read };

const HINT: &str = "each line is the frames of a stack, joined by `;`, a space, and a whole number";

/// The name of the one weight.
const WEIGHT: &str = "weight";

fn is_folded(path: &Path, head: &[u8]) -> bool {
    let named = |extension: &std::ffi::OsStr| extension == "folded" || extension == "collapsed";
    let first = without_mark(head).split(|byte| *byte == b'\n').next().unwrap_or_default();
    let stack = |line: &str| line.contains(';') && split(line).is_some();
    path.extension().is_some_and(named) || std::str::from_utf8(first).is_ok_and(stack)
}

/// A stack and its weight.
fn split(line: &str) -> Option<(&str, i64)> {
    let (stack, weight) = line.trim_end().rsplit_once(' ')?;
    let weight: i64 = weight.parse().ok()?;
    Some((stack.trim(), weight)).filter(|(stack, weight)| !stack.is_empty() && *weight >= 0)
}

fn read(path: &Path, _: &Meaning) -> Result<Run> {
    let bytes = fs::read(path).map_err(|error| Error::read(path, error, HINT))?;
    let mut stacks = Stacks::new(&[(WEIGHT, "count")]);
    let mut known: HashMap<&str, u32> = HashMap::new();
    let (mut rows, mut differences) = (0, 0);
    for line in lines(path, &bytes, HINT) {
        let (number, text) = line?;
        if text.is_empty() {
            continue;
        }
        let wrong = |message: String| Error::read(path, format!("line {number}: {message}"), HINT);
        let (stack, weight) = split(text).ok_or_else(|| wrong(format!("{} is no stack with a weight", shown(text))))?;
        rows += 1;
        differences += usize::from(split(stack).is_some());
        let mut locations: Vec<u32> = Vec::new();
        for frame in stack.split(';').filter(|frame| !frame.is_empty()) {
            locations.push(*known.entry(frame).or_insert_with(|| {
                let frames = vec![Frame { function: frame.to_owned(), ..Frame::default() }];
                stacks.locations.push(Location { address: 0, module: None, frames });
                (stacks.locations.len() - 1) as u32
            }));
        }
        locations.reverse();
        stacks.stacks.push(Stack { locations, values: vec![weight], ..Stack::default() });
    }
    if rows > 0 && differences == rows {
        let message = "every stack has two weights: it is the difference of two profiles";
        return Err(Error::read(path, message, "name the folded stacks of one profile"));
    }
    let mut run = Run::foreign(READER.name, path.display().to_string(), stem(path));
    run.functions = charge::functions(&[Charged { stacks: &stacks, operations: 1.0 }], WEIGHT);
    run.warnings.push(Warning::from(Caution::ForeignWeights { weight: "of a unit it does not tell".to_owned() }));
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import;

    fn import(name: &str, text: &str) -> Result<Run> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        import::read(&path, &Meaning::default())
    }

    #[test]
    fn weights_are_charged_to_the_leaf_and_once_to_all_above() {
        let run = import("x.txt", "app::main;app::parse;app::parse 30\r\napp::main;app::send message 12\n\n").unwrap();
        let of = |name: &str| {
            let function = run.functions.iter().find(|function| function.name == name).unwrap();
            (function.self_ns_per_op[0], function.total_ns_per_op[0])
        };
        assert_eq!((of("app::main"), of("app::parse")), ((0.0, 42.0), (30.0, 30.0)));
        assert_eq!(of("app::send message"), (12.0, 12.0));
        assert_eq!((run.load.rounds, run.warnings[0].code.as_str()), (1, "foreign-weights"));
    }

    #[test]
    fn what_is_no_stack_is_refused_with_its_line() {
        for text in ["a;b", "a;b 1.5", "a;b -3", " 7", "a;b 99999999999999999999", "7"] {
            let error = import("x.folded", &format!("a;b 1\n{text}\n")).unwrap_err().to_string();
            assert!(error.contains("x.folded: line 2: `"), "{text}: {error}");
        }
        let error = import("x.folded", "a;b 1 2\na;c 3 4\n").unwrap_err().to_string();
        assert!(error.contains("two weights"), "{error}");
        let error = import("x.folded", "\n\n").unwrap_err().to_string();
        assert!(error.contains("there is no result in it"), "{error}");
    }
}

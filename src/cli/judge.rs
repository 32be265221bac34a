//! What becomes of verdicts: shown on stdout, written to files in other formats, and told as an exit code.

use std::path::PathBuf;

use clap::Args;

use super::{Exit, Session};
use crate::compare::judged::Judged;
use crate::compare::{Kept, Verdict};
use crate::error::{Error, Result};
use crate::record::{Status, store};
use crate::report::comparison::{self, Detail, Judgement, Kind};

/// What every verb takes that shows verdicts.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "How it is shown")]
pub(super) struct ShowFlags {
    /// Also write the result to a file: markdown=comment.md, junit=perfkit.xml
    #[arg(long, value_name = "FORMAT=FILE", value_parser = target)]
    write: Vec<(String, PathBuf)>,
}

/// The rules for `--fail-on` that are about verdicts.
pub(super) const RULES: [(&str, &str); 3] = [
    ("inconclusive", "compare, check: a metric that decides could not be decided (exit code 3)"),
    ("functions", "compare, check: a function's CPU time regressed"),
    ("allocators", "compare, check: what a function allocates regressed"),
];

fn target(text: &str) -> Result<(String, PathBuf), String> {
    let known = || comparison::ALL.iter().map(|format| format.name).collect::<Vec<_>>().join(", ");
    match text.split_once('=') {
        Some((format, path)) if comparison::format(format).is_some() && !path.is_empty() => {
            Ok((format.to_owned(), PathBuf::from(path)))
        }
        Some((format, path)) if !path.is_empty() => Err(format!("no format `{format}`; the formats are {}", known())),
        _ => Err(format!("write it as FORMAT=FILE; the formats are {}", known())),
    }
}

/// Shows what was judged, and says how the process ends.
pub(super) fn show(session: &Session<'_>, flags: &ShowFlags, kind: Kind, judged: &[Judged]) -> Result<Exit> {
    let exit = exit(session, kind, judged);
    let judgement = Judgement {
        kind,
        title: &format!("{} {}", session.suite.name(), if kind == Kind::Check { "check" } else { "compare" }),
        judged,
        verdict: worst(judged),
        exit_code: exit.code(),
        command: &again(session),
        detail: if session.global.verbose { Detail::All } else { Detail::Changed },
    };
    for (format, path) in &flags.write {
        let format = find(format)?;
        let mut content = Vec::new();
        (format.render)(&judgement, &mut content).map_err(Error::internal)?;
        // Colours are for terminals.
        store::write_atomically(path, &anstream::adapter::strip_bytes(&content).into_vec())?;
    }
    let format = find(session.output.format())?;
    session.output.result(|out| (format.render)(&judgement, out))?;
    Ok(exit)
}

/// The command that says this again, without what only matters here and without credentials.
fn again(session: &Session<'_>) -> String {
    let words = std::env::args_os().skip(1);
    let words = crate::experiment::redact_command(words.map(|word| word.to_string_lossy().into_owned()));
    let is_plain =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=%,@+".contains(c));
    let mut command = session.suite.name().to_owned();
    for word in words {
        let word = if is_plain(&word) { word } else { format!("'{}'", word.replace('\'', "'\\''")) };
        command.push_str(&format!(" {word}"));
    }
    command
}

fn find(name: &str) -> Result<&'static comparison::Format> {
    comparison::format(name).ok_or_else(|| Error::internal(format!("no format {name}")))
}

/// The worst verdict of all; of nothing that nothing was compared.
fn worst(judged: &[Judged]) -> Verdict {
    let order =
        [Verdict::Regressed, Verdict::NotCompared, Verdict::Inconclusive, Verdict::Improved, Verdict::Unchanged];
    let found = order.into_iter().find(|verdict| judged.iter().any(|one| one.verdict == *verdict));
    found.unwrap_or(Verdict::NotCompared)
}

/// What fails comes first, then what could not be judged, then what is undecided.
fn exit(session: &Session<'_>, kind: Kind, judged: &[Judged]) -> Exit {
    let wanted = |rule: &str| session.global.fail_on.iter().any(|on| on == rule);
    let missed = |one: &Judged| one.held_to().iter().any(|objective| objective.kept == Kept::Missed);
    let slower_function = |one: &Judged| {
        let functions = one.comparison.iter().flat_map(|comparison| &comparison.functions);
        functions.into_iter().any(|function| function.verdict == Verdict::Regressed)
    };
    let hungrier_function = |one: &Judged| {
        let allocators = one.comparison.iter().flat_map(|comparison| &comparison.allocators);
        allocators.into_iter().any(|allocator| allocator.verdict == Verdict::Regressed)
    };
    let failed = |one: &Judged| {
        let functions = wanted("functions") && slower_function(one);
        one.verdict == Verdict::Regressed
            || missed(one)
            || functions
            || (wanted("allocators") && hungrier_function(one))
    };
    let invalid = |one: &Judged| one.comparison.as_ref().is_some_and(|both| both.head.status == Status::Invalid);
    let head_failed = |one: &Judged| one.error.is_some() || invalid(one);
    // An objective of a metric that nobody measured would be met for ever.
    let unmeasured = |one: &Judged| {
        kind == Kind::Check && one.held_to().iter().any(|held| held.kept == Kept::NotShown && held.value.is_none())
    };
    // A gate that could not fire is no pass: a point without an interval decides nothing.
    let point = |one: &Judged| {
        let mut gated = one.comparison.iter().flat_map(|both| &both.metrics).filter(|change| change.gated);
        gated.any(|change| change.verdict == Verdict::Inconclusive && change.method.is_none())
    };
    let nothing = |one: &Judged| {
        one.verdict == Verdict::NotCompared
            || unmeasured(one)
            || point(one)
            || one.comparison.as_ref().is_some_and(|comparison| comparison.family_size == 0)
    };
    if judged.iter().any(failed) {
        Exit::Finding
    } else if kind == Kind::Check && judged.iter().any(head_failed) {
        Exit::Invalid
    } else if judged.is_empty() || judged.iter().any(nothing) {
        Exit::NotCompared
    } else if wanted("inconclusive") && judged.iter().any(|one| one.verdict == Verdict::Inconclusive) {
        Exit::Inconclusive
    } else {
        Exit::Done
    }
}

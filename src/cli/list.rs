//! `list`: workloads with their variants, parameters and services; the rules that `--fail-on` knows.

use std::fmt::Write;

use clap::Args;
use serde_json::json;

use super::judge::RULES;
use super::{Exit, Session};
use crate::analysis;
use crate::error::{Error, Result};
use crate::record::name::visible;
use crate::suite::Entry;

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    /// Also those that have a fault on purpose, to try detectors on
    #[arg(long)]
    all: bool,
}

pub(super) fn list(session: &Session<'_>, arguments: &ListArgs) -> Result<Exit> {
    let shown = |entry: &&Entry| arguments.all || entry.describe().fault.is_none();
    let entries: Vec<&Entry> = session.suite.entries().iter().filter(shown).collect();
    if session.output.json() {
        let workloads: Vec<serde_json::Value> = entries.iter().map(|entry| as_json(entry)).collect();
        let verdicts = RULES.iter().map(|(rule, _)| *rule);
        let rules: Vec<&str> = analysis::ALL.iter().map(|analysis| analysis.rule).chain(verdicts).collect();
        let document = json!({ "workloads": workloads, "rules": rules });
        session.output.text(&format!("{document:#}\n"))?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    entries.iter().try_for_each(|entry| describe(&mut text, entry)).map_err(Error::internal)?;
    text.push_str("rules for --fail-on\n");
    for analysis in analysis::ALL {
        text.push_str(&format!("  {:<14} {}\n", analysis.rule, analysis.about));
    }
    for (rule, about) in RULES {
        text.push_str(&format!("  {rule:<14} {about}\n"));
    }
    session.output.text(&visible(&text))?;
    Ok(Exit::Done)
}

fn describe(text: &mut String, entry: &Entry) -> std::fmt::Result {
    let description = entry.describe();
    writeln!(text, "{}", entry.name)?;
    if !description.about.is_empty() {
        writeln!(text, "  {}", description.about)?;
    }
    if let Some(fault) = description.fault {
        writeln!(text, "  faulty: {fault}")?;
    }
    for variant in description.variants {
        writeln!(text, "  --variant {:<14} {}", variant.name, variant.about)?;
    }
    for param in description.params {
        writeln!(text, "  --param {:<16} {}", format!("{}={}", param.name, param.default), param.about)?;
    }
    for phase in description.phases {
        if let Some(timeout) = phase.timeout {
            writeln!(text, "  --phase-timeout {:<8}", format!("{}={timeout:?}", phase.name))?;
        }
    }
    let needs: Vec<&str> = description.needs.iter().map(|need| need.name()).collect();
    if !needs.is_empty() {
        writeln!(text, "  needs {}", needs.join(", "))?;
    }
    writeln!(text)
}

fn as_json(entry: &Entry) -> serde_json::Value {
    let description = entry.describe();
    json!({
        "name": entry.name,
        "about": description.about,
        "variants": description.variants.iter().map(|variant| json!({ "name": variant.name, "about": variant.about })).collect::<Vec<_>>(),
        "params": description.params.iter().map(|param| json!({ "name": param.name, "default": param.default, "about": param.about })).collect::<Vec<_>>(),
        "phases": description.phases.iter().map(|phase| json!({ "name": phase.name, "timeout_s": phase.timeout.map(|limit| limit.as_secs_f64()) })).collect::<Vec<_>>(),
        "needs": description.needs.iter().map(|need| need.name()).collect::<Vec<_>>(),
        "users": description.users,
        "fault": description.fault,
    })
}

//! `baseline`: save, list, show and remove what later runs are compared with; accept a regression.

use std::path::PathBuf;
use std::process::Command;

use clap::{Args, Subcommand};

use super::policy::{self, PolicyFlags};
use super::source::{self, MeaningFlags};
use super::{Exit, Session, config};
use crate::compare::{self, MetricChange, Stopping};
use crate::error::{Error, Result};
use crate::import::Meaning;
use crate::record::baseline::Baselines;
use crate::record::{Run, store};
use crate::report::{self, Report};
use crate::stats::paired::Design;
use crate::unit::Unit;

/// What `baseline` takes.
#[derive(Args, Debug, Clone)]
pub(super) struct BaselineArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug, Clone)]
enum Verb {
    /// Save a run under a name; `check` looks for that of the workload
    Save {
        /// The baseline's name
        name: String,
        /// The run [default: the latest of the workload of that name, or the latest]
        run: Option<String>,
        #[command(flatten)]
        meaning: MeaningFlags,
    },
    /// Name all baselines
    List,
    /// Show the run of a baseline
    Show {
        /// The baseline's name
        name: String,
    },
    /// Accept a metric's regression: writes an entry to perfkit.toml, to be reviewed like code
    Accept(AcceptArgs),
    /// Remove a baseline
    Rm {
        /// The baseline's name
        name: String,
    },
}

/// What `baseline accept` takes.
#[derive(Args, Debug, Clone)]
struct AcceptArgs {
    /// The workload
    workload: String,
    /// The metric
    metric: String,
    /// Why it is accepted
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The change that is accepted, such as 25% [default: the upper end of what `compare` sees from BASE to HEAD]
    #[arg(long, value_name = "RATIO")]
    change: Option<String>,
    /// The commit that brought it [default: the one that is checked out]
    #[arg(long, value_name = "SHA")]
    commit: Option<String>,
    /// Where the change is seen from [default: the baseline of the workload's name]
    #[arg(long, value_name = "BASE")]
    base: Option<String>,
    /// Where it is seen [default: the workload's latest run]
    #[arg(long, value_name = "HEAD")]
    head: Option<String>,
    #[command(flatten)]
    policy: PolicyFlags,
}

pub(super) fn baseline(session: &Session<'_>, arguments: &BaselineArgs) -> Result<Exit> {
    let baselines = Baselines::new(&session.global.profiles_dir);
    match &arguments.verb {
        Verb::Save { name, run, meaning } => {
            let run = find(session, name, run.as_deref(), &meaning.meaning())?;
            warn_of(session, &run);
            told(session, "baseline", &baselines.save(name, &run)?)
        }
        Verb::List => list(session, &baselines),
        Verb::Show { name } => {
            let baseline = baselines.load(name)?;
            let files = [baselines.path(name)?.display().to_string()];
            let report = Report { run: &baseline.run, frames: super::profile::frames(session), files: &files };
            super::report::print(session, &report, if session.output.json() { "json" } else { "human" })?;
            Ok(Exit::Done)
        }
        Verb::Accept(arguments) => accept(session, arguments),
        Verb::Rm { name } => told(session, "removed", &baselines.remove(name)?),
    }
}

/// The run that is named, or the latest of the workload of that name, or the latest.
fn find(session: &Session<'_>, name: &str, run: Option<&str>, meaning: &Meaning) -> Result<Run> {
    match run {
        Some(run) => source::load(session, run, meaning),
        None if session.suite.find(name).is_some() => source::load(session, &format!("latest:{name}"), meaning),
        None => source::load(session, "latest", meaning),
    }
}

/// What makes a run a poor baseline, without making it none.
fn warn_of(session: &Session<'_>, run: &Run) {
    let environment = &run.environment;
    if environment.profile == "debug" {
        session.output.say("warning: this run is of a debug build");
    }
    if environment.git_dirty == Some(true) {
        session.output.say("warning: this run is of a checkout with uncommitted changes");
    }
    if run.load.rounds < 5 {
        session.output.say(&format!("warning: {} rounds decide little; 10 make a good baseline", run.load.rounds));
    }
}

fn told(session: &Session<'_>, what: &str, path: &std::path::Path) -> Result<Exit> {
    let text = if session.output.json() {
        format!("{:#}\n", serde_json::json!({ what: path.display().to_string() }))
    } else {
        format!("{}\n", path.display())
    };
    session.output.text(&text)?;
    Ok(Exit::Done)
}

fn list(session: &Session<'_>, baselines: &Baselines) -> Result<Exit> {
    let mut rows = Vec::new();
    for name in baselines.names() {
        let run = baselines.load(&name)?.run;
        rows.push((name, run));
    }
    if session.output.json() {
        let all: Vec<serde_json::Value> = rows
            .iter()
            .map(|(name, run)| {
                serde_json::json!({ "name": name, "workload": run.workload, "variant": run.variant, "run": run.id,
                    "rounds": run.load.rounds, "git_sha": run.environment.git_sha, "fingerprint": run.environment.fingerprint })
            })
            .collect();
        session.output.text(&format!("{:#}\n", serde_json::json!({ "baselines": all })))?;
        return Ok(Exit::Done);
    }
    session.output.result(|out| report::baselines::write(&rows, out))?;
    Ok(Exit::Done)
}

fn accept(session: &Session<'_>, arguments: &AcceptArgs) -> Result<Exit> {
    let (metric, workload) = (&arguments.metric, &arguments.workload);
    for (what, text) in [("workload", workload), ("metric", metric), ("reason", &arguments.reason)] {
        if text.trim().is_empty() {
            let hint = "name the workload, its metric, and why its regression is accepted: others will read it";
            return Err(Error::usage(format!("the {what} is empty"), hint));
        }
    }
    let change = match &arguments.change {
        Some(change) => change.clone(),
        None => seen(session, arguments)?,
    };
    let path = match &session.global.config {
        Some(path) => path.clone(),
        None => config::search().unwrap_or_else(|| PathBuf::from(config::FILE)),
    };
    let commit = arguments.commit.clone().or_else(checked_out).unwrap_or_default();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Error::read(&path, error, "name another file with --config")),
    };
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut entry = String::from("\n[[accept]]\n");
    let fields = [
        ("workload", workload),
        ("metric", metric),
        ("change", &change),
        ("reason", &arguments.reason),
        ("commit", &commit),
    ];
    for (key, value) in fields {
        entry.push_str(&format!("{key} = {}\n", quoted(value)));
    }
    let whole = format!("{}{entry}", if text.is_empty() || text.ends_with('\n') { text } else { format!("{text}\n") });
    // What is written must be what is read again: a slip in the change is refused before the file is touched.
    let parsed: config::Config =
        toml::from_str(&whole).map_err(|error| Error::read(&path, error.to_string(), "mend the file first"))?;
    policy::policy(&(parsed, path.clone()), workload, &arguments.policy, Design::Unpaired, Stopping::Fixed)?;
    store::write_atomically(&path, whole.as_bytes())?;
    told(session, "accepted", &path)
}

/// The upper end of the change that a comparison sees, rounded up to a per cent.
fn seen(session: &Session<'_>, arguments: &AcceptArgs) -> Result<String> {
    let name = |given: &Option<String>, default: String| given.clone().unwrap_or(default);
    let base = name(&arguments.base, format!("baseline:{}", arguments.workload));
    let head = name(&arguments.head, format!("latest:{}", arguments.workload));
    let config = config::load(session.global.config.as_deref())?;
    let policy = policy::policy(&config, &arguments.workload, &arguments.policy, Design::Unpaired, Stopping::Fixed)?;
    let meaning = Meaning::default();
    let comparison =
        compare::compare(&source::load(session, &base, &meaning)?, &source::load(session, &head, &meaning)?, &policy);
    let change = comparison.metrics.iter().find(|change| change.name == arguments.metric).ok_or_else(|| {
        let names: Vec<&str> = comparison.metrics.iter().map(|change| change.name.as_str()).collect();
        Error::usage(format!("no metric `{}`", arguments.metric), format!("there are: {}", names.join(", ")))
    })?;
    let regressed = change.verdict == crate::compare::Verdict::Regressed;
    let worse = worst_end(change).filter(|worse| regressed && *worse > 0.0).ok_or_else(|| {
        let hint = "only a regression needs to be accepted; give the change with --change if you know better";
        let verdict = change.verdict.words();
        Error::usage(format!("{} from {base} to {head} is {verdict}, not regressed", change.name), hint)
    })?;
    Ok(format!("{:.0}%", (worse * 100.0).ceil()))
}

/// The bad end of the interval as a change in the worse direction.
fn worst_end(change: &MetricChange) -> Option<f64> {
    match (change.better, change.low, change.high, change.unit) {
        (_, None, None, Unit::Ratio) => change.difference.and_then(|difference| difference.low).map(|low| -low),
        (crate::unit::Better::Lower, _, Some(high), _) => Some(high - 1.0),
        (crate::unit::Better::Higher, Some(low), _, _) => Some(1.0 / low - 1.0),
        _ => None,
    }
}

fn checked_out() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

//! Who asked: verbs, flags, exit codes. The only place that prints; results go to stdout, talk to stderr.

mod anatomy;
mod baseline;
mod check;
mod compare;
mod completions;
mod config;
mod doctor;
mod drive;
mod exit;
mod flamegraph;
mod import;
mod interrupt;
mod judge;
mod leaks;
mod list;
mod man;
mod output;
mod parse;
mod policy;
mod profile;
mod progress;
mod report;
mod run;
mod scale;
mod schema;
mod source;
mod variance;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::error::Result;
use crate::record::store::Store;
use crate::suite::Suite;

pub(crate) use exit::Exit;
use output::{Output, Shows};

/// Profile async Rust and find regressions.
#[derive(Parser, Debug)]
#[command(version, about, max_term_width = 100, disable_help_subcommand = true, arg_required_else_help = true)]
#[command(after_help = "\
Exit codes: 0 done, no regression · 1 a regression, a missed objective, or a finding named by --fail-on ·
2 usage or unreadable input · 3 inconclusive (with --fail-on inconclusive) · 4 not compared · 5 the workload failed ·
6 results could not be written · 70 internal error · 129/130/143 interrupted, partial run kept")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Flags of every verb.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Flags of every verb")]
struct Global {
    /// How results are printed; `report` knows more formats
    #[arg(long, global = true, value_name = "FORMAT", default_value = "human")]
    format: String,
    /// No progress and no talk, only results and errors
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Show runtime frames (tokio, std, libc) instead of charging them to their callers
    #[arg(short, long, global = true)]
    verbose: bool,
    /// When to use colour
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    color: Color,
    /// Configuration file [default: perfkit.toml here or in a folder above]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where runs are stored
    #[arg(long, global = true, value_name = "DIR", env = "PERFKIT_PROFILES_DIR", default_value = "profiles")]
    profiles_dir: PathBuf,
    /// Where reports are written
    #[arg(long, global = true, value_name = "DIR", env = "PERFKIT_REPORTS_DIR", default_value = "reports")]
    reports_dir: PathBuf,
    /// Rules whose findings end in exit code 1, joined by commas; `perfkit list` names them
    #[arg(long, global = true, value_name = "LIST", value_delimiter = ',')]
    fail_on: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    /// Where stdout is a terminal and `NO_COLOR` is not set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Workloads, with their variants and parameters
    List(list::ListArgs),
    /// Measure latency, throughput, tasks and phases (the time pass alone)
    Run(drive::DriveArgs),
    /// Measure time, CPU and heap; write a report and flamegraphs
    Profile(drive::DriveArgs),
    /// Find what grows with the operations: memory by call site, tasks, threads, descriptors
    Leaks(leaks::LeaksArgs),
    /// Show a stored run again
    Report(report::ReportArgs),
    /// Say where the variance of a stored run's latencies comes from
    Variance(variance::VarianceArgs),
    /// Draw a flamegraph of a stored run
    Flamegraph(flamegraph::FlamegraphArgs),
    /// Compare two runs: a verdict with an interval for every metric and function
    Compare(compare::CompareArgs),
    /// Measure and compare with a baseline, a program or a revision: the gate for CI
    Check(Box<check::CheckArgs>),
    /// Save, list, show and remove what later runs are compared with; accept a regression
    Baseline(baseline::BaselineArgs),
    /// Take a result of another program into the store
    Import(import::ImportArgs),
    /// Look whether this machine is fit to measure
    Doctor,
    /// Print the JSON schema of run.json, a comparison, a check, a baseline, a variance, leaks or a scale
    Schema(schema::SchemaArgs),
    /// Print completions for a shell
    Completions(completions::CompletionsArgs),
    /// Print the manual page
    Man,
}

/// What every verb gets.
struct Session<'a> {
    suite: &'a Suite,
    global: Global,
    output: Output,
}

impl Session<'_> {
    fn store(&self) -> Store {
        Store::new(&self.global.profiles_dir)
    }
}

impl Suite {
    /// Gives the program all the verbs of perfkit: parses the command line, does it, and says how it went.
    ///
    /// Rounds and services run in child processes of the same program, so `main` should do nothing before this call.
    #[must_use]
    pub fn main(self) -> ExitCode {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        match arguments.get(1).and_then(|verb| verb.to_str()) {
            Some("__round") => {
                return if crate::experiment::serve_round(&self) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            }
            Some("__service") => return serve(&arguments[2..]),
            Some("__environment") => return tell_environment(),
            _ => {}
        }
        let matches = match command(&self).try_get_matches_from(&arguments) {
            Ok(matches) => matches,
            Err(error) => return exit::of_usage(&error),
        };
        let cli = match Cli::from_arg_matches(&matches) {
            Ok(cli) => cli,
            Err(error) => return exit::of_usage(&error),
        };
        let output = Output::new(&cli.global);
        let session = Session { suite: &self, global: cli.global, output };
        let result = dispatch(&session, cli.verb);
        session.output.finish(result)
    }
}

/// The command line, with the suite's name.
fn command(suite: &Suite) -> clap::Command {
    let name = suite.name().to_owned();
    // A wrapper's flag may be given again: the last one counts.
    let again = |command: clap::Command| command.args_override_self(true);
    again(Cli::command()).mut_subcommands(again).name(name.clone()).bin_name(name)
}

fn dispatch(session: &Session<'_>, verb: Verb) -> Result<Exit> {
    let shows = match verb {
        Verb::Report(_) => Shows::Run,
        Verb::Compare(_) | Verb::Check(_) => Shows::Verdicts,
        _ => Shows::Other,
    };
    session.output.check_format(shows)?;
    config::check_rules(&session.global.fail_on)?;
    match verb {
        Verb::List(arguments) => list::list(session, &arguments),
        Verb::Run(arguments) => run::run(session, &arguments),
        Verb::Profile(arguments) => profile::profile(session, &arguments),
        Verb::Leaks(arguments) => leaks::leaks(session, &arguments),
        Verb::Report(arguments) => report::report(session, &arguments),
        Verb::Variance(arguments) => variance::variance(session, &arguments),
        Verb::Flamegraph(arguments) => flamegraph::flamegraph(session, &arguments),
        Verb::Compare(arguments) => compare::compare(session, &arguments),
        Verb::Check(arguments) => check::check(session, &arguments),
        Verb::Baseline(arguments) => baseline::baseline(session, &arguments),
        Verb::Import(arguments) => import::import(session, &arguments),
        Verb::Doctor => doctor::doctor(session),
        Verb::Schema(arguments) => schema::schema(session, &arguments),
        Verb::Completions(arguments) => completions::completions(session, &arguments),
        Verb::Man => man::man(session),
    }
}

/// What the hidden verb does that a `check` asks its base with: where and of what this program was built.
fn tell_environment() -> ExitCode {
    let written = serde_json::to_writer(std::io::stdout(), &crate::experiment::environment());
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the hidden verb of service processes does; the parent reads its last words.
#[expect(clippy::print_stderr, reason = "the parent quotes these lines when the service does not start")]
fn serve(arguments: &[OsString]) -> ExitCode {
    match crate::service::serve(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}; {}", error.hint());
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound_and_every_flag_has_help() {
        let mut command = command(&Suite::new("perfkit")).help_expected(true);
        command.build();
        command.debug_assert();
    }
}

//! The flags that drive a workload, and how they become a plan: flags over environment over `perfkit.toml` over the
//! suite over defaults.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::config::{self, Driving};
use super::{Session, parse};
use crate::error::{Error, Result};
use crate::experiment::{Flavor, GrowthPlan, Plan, STALL_THRESHOLD, Samplers, Until, unknown_workload};
use crate::load::Load;
use crate::probe::heap::Recorder;
use crate::record::pass::Pass;
use crate::suite::Entry;
use crate::workload::{Description, Need};

/// What `run` and `profile` take.
#[derive(Args, Debug, Clone, Default)]
pub(super) struct DriveArgs {
    /// The workload; `list` names them
    #[arg(value_name = "WORKLOAD")]
    pub(super) workload: String,
    #[command(flatten)]
    pub(super) flags: DriveFlags,
}

/// How a workload is driven: what every verb takes that measures.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "How it is driven")]
pub(super) struct DriveFlags {
    /// Closed load: so many users, each operation follows the last (variable `PERFKIT_USERS`)
    #[arg(long, value_name = "N", conflicts_with = "rate")]
    users: Option<u32>,
    /// Open load: operations due in a time, whatever the answers do: 100/s (variable `PERFKIT_RATE`)
    #[arg(long, value_name = "RATE", value_parser = parse::flag(parse::rate))]
    rate: Option<f64>,
    /// Measures with each of these numbers of users in turn (1,10,50,100), and says what a user costs in memory; `run` and
    /// `profile` do
    #[arg(long, value_name = "LIST", value_parser = parse::flag(parse::users), conflicts_with_all = ["users", "rate"])]
    pub(super) scale: Option<parse::Users>,
    /// Ends each round after so many operations (the heap pass does a fortieth)
    #[arg(long, value_name = "N", env = "PERFKIT_OPERATIONS")]
    operations: Option<u64>,
    /// Length of each round [default: 2s]
    #[arg(long, value_name = "TIME", env = "PERFKIT_DURATION", value_parser = parse::flag(parse::duration))]
    duration: Option<Duration>,
    /// Warm-up before each round, not recorded [default: 500ms]
    #[arg(long, value_name = "TIME", env = "PERFKIT_WARMUP", value_parser = parse::flag(parse::duration))]
    warmup: Option<Duration>,
    /// Rounds of each pass, each in a process of its own [default: 5]
    #[arg(long, value_name = "N", env = "PERFKIT_ROUNDS")]
    rounds: Option<u32>,
    /// Seed of everything random [default: 1]
    #[arg(long, value_name = "N", env = "PERFKIT_SEED")]
    seed: Option<u64>,
    /// Longest time of an operation; then it is stopped and counts as timed out [default: 5s]
    #[arg(long, value_name = "TIME", env = "PERFKIT_TIMEOUT", value_parser = parse::flag(parse::duration))]
    timeout: Option<Duration>,
    /// Longest time of a phase, or of all phases before a dot (redis=2s)
    #[arg(long, value_name = "NAME=TIME", value_parser = parse::flag(parse::pair))]
    phase_timeout: Vec<(String, String)>,
    /// Variant of the workload
    #[arg(long, value_name = "NAME", env = "PERFKIT_VARIANT")]
    variant: Option<String>,
    /// Parameter of the workload
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse::flag(parse::pair))]
    param: Vec<(String, String)>,
    /// tokio runtime: multi:N or current [default: multi with all processors]
    #[arg(long, value_name = "KIND", env = "PERFKIT_RUNTIME", value_parser = parse::flag(Flavor::from_str))]
    pub(super) runtime: Option<Flavor>,
    /// Redis to use instead of starting one; may hold credentials, which are never stored
    #[arg(long, value_name = "URL", env = "PERFKIT_REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,
    /// LLM endpoint to use instead of the stand-in
    #[arg(long, value_name = "URL", env = "PERFKIT_LLM_URL", hide_env_values = true)]
    llm_url: Option<String>,
    /// Passes, joined by commas (time, cpu, heap, memory) [default: time,cpu,heap for profile, time for run; both with memory for --scale]
    #[arg(long, value_name = "LIST", env = "PERFKIT_PASSES", value_delimiter = ',', value_parser = parse::flag(Pass::from_str))]
    passes: Vec<Pass>,
    /// Stacks per second of CPU time in the cpu pass [default: 199]
    #[arg(long, value_name = "HZ", env = "PERFKIT_FREQUENCY", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    frequency: Option<u32>,
    /// What takes these stacks: pprof at the kernel's tick; jittered at random moments, with task and phase, where the kernel allows
    /// it; both in turn, checking each other [default: both]
    #[arg(long, value_name = "WHICH", env = "PERFKIT_SAMPLER", value_parser = parse::flag(Samplers::from_str))]
    sampler: Option<Samplers>,
    /// What records the heap: dhat; perfkit's own recorder exact, or sampled at 512 KiB; or count, without sites [default: dhat]
    #[arg(long, value_name = "WHICH", env = "PERFKIT_RECORDER", value_parser = parse::flag(Recorder::from_str))]
    recorder: Option<Recorder>,
    /// A poll that holds its worker thread for longer is a stall [default: 10ms]
    #[arg(long, value_name = "TIME", env = "PERFKIT_STALL_THRESHOLD", value_parser = parse::flag(parse::duration))]
    stall_threshold: Option<Duration>,
    /// Success rate below which the run is invalid [default: 95%]
    #[arg(long, value_name = "RATIO", env = "PERFKIT_MIN_SUCCESS", value_parser = parse::flag(parse::ratio))]
    min_success: Option<f64>,
}

impl DriveFlags {
    /// Whether passes were asked for.
    pub(super) fn chooses_passes(&self) -> bool {
        !self.passes.is_empty()
    }

    /// Refuses `--scale` where a verb cannot do it.
    pub(super) fn refuse_scale(&self, verb: &str) -> Result<()> {
        match self.scale {
            None => Ok(()),
            Some(_) => Err(Error::usage(format!("`{verb}` has no --scale"), "use `perfkit run <WORKLOAD> --scale …`")),
        }
    }
}

const ROUNDS: u32 = 5;
const SEED: u64 = 1;
const FREQUENCY_HZ: u32 = 199;
const FLOOR: f64 = 0.95;

/// Decides every setting.
///
/// # Errors
/// The workload, its variant or a parameter does not exist, or a value cannot be meant.
pub(super) fn plan(session: &Session<'_>, name: &str, arguments: &DriveFlags, passes: &[Pass]) -> Result<Plan> {
    let suite = session.suite;
    let entry = suite.find(name).ok_or_else(|| unknown_workload(suite, name))?;
    let description = entry.describe();
    let (config, path) = config::load(session.global.config.as_deref())?;
    for other in config.workload.keys().filter(|other| suite.find(other).is_none()) {
        session.output.say(&format!("warning: {}: there is no workload `{other}` here", path.display()));
    }
    let file = config.driving(name);
    let within = |result: Result<Plan>| result.map_err(|error| in_file(error, &path));
    within(decide(session, arguments, entry, &description, &file, passes))
}

/// An error that may come from the file names it.
fn in_file(error: Error, path: &std::path::Path) -> Error {
    match error {
        Error::Usage { message, hint } if !path.as_os_str().is_empty() => {
            Error::usage(message, format!("{hint} (settings come from flags, PERFKIT_* and {})", path.display()))
        }
        other => other,
    }
}

fn decide(
    session: &Session<'_>,
    arguments: &DriveFlags,
    entry: &Entry,
    description: &Description,
    file: &Driving,
    passes: &[Pass],
) -> Result<Plan> {
    let rounds = arguments.rounds.or(file.rounds).unwrap_or(ROUNDS);
    if !(1..=1000).contains(&rounds) {
        return Err(Error::usage(format!("--rounds {rounds} cannot be run"), "give 1 to 1000; 5 is a good start"));
    }
    let runtime = match (arguments.runtime, &file.runtime) {
        (Some(runtime), _) => runtime,
        (None, Some(text)) => text.parse()?,
        (None, None) => Flavor::default(),
    };
    Ok(Plan {
        workload: entry.name.clone(),
        variant: variant(arguments.variant.as_ref().or(file.variant.as_ref()), description)?,
        params: params(arguments, file, description)?,
        load: load(session, arguments, file, description)?,
        rounds,
        passes: chosen_passes(arguments, file, passes)?,
        seed: arguments.seed.or(file.seed).unwrap_or(SEED),
        runtime,
        frequency_hz: arguments.frequency.or(file.frequency).unwrap_or(FREQUENCY_HZ).clamp(1, 10_000),
        samplers: match (arguments.sampler, &file.sampler) {
            (Some(chosen), _) => chosen,
            (None, Some(text)) => text.parse()?,
            (None, None) => Samplers::InTurn,
        },
        recorder: match (arguments.recorder, &file.recorder) {
            (Some(chosen), _) => chosen,
            (None, Some(text)) => text.parse()?,
            (None, None) => Recorder::default(),
        },
        growth: GrowthPlan { operations: arguments.operations, duration: arguments.duration, until: Until::default() },
        stall_threshold: stall_threshold(arguments, file)?,
        service_urls: service_urls(arguments),
        phase_timeouts: phase_timeouts(arguments, file, description)?,
        floor: match (arguments.min_success, &file.min_success) {
            (Some(floor), _) => floor,
            (None, Some(text)) => parse::ratio(text)?,
            (None, None) => FLOOR,
        },
        executable: None,
    })
}

/// The watchdog looks each millisecond: what is shorter than two of its looks it cannot see.
fn stall_threshold(arguments: &DriveFlags, file: &Driving) -> Result<Duration> {
    const LEAST: Duration = Duration::from_millis(2);
    let of_file = file.stall_threshold.as_deref().map(parse::duration).transpose()?;
    let threshold = arguments.stall_threshold.or(of_file).unwrap_or(STALL_THRESHOLD);
    if threshold < LEAST {
        return Err(Error::usage(
            format!("--stall-threshold {threshold:?} is too short to be seen"),
            "give at least 2ms",
        ));
    }
    Ok(threshold)
}

fn load(session: &Session<'_>, arguments: &DriveFlags, file: &Driving, description: &Description) -> Result<Load> {
    let from_file = |text: &Option<String>| text.as_deref().map(parse::duration).transpose();
    let suite = session.suite.default_load();
    let (users, rate) = users_or_rate(arguments, file)?;
    let mut load = match (rate, users, suite) {
        (Some(rate), _, _) => Load::open(rate),
        (None, Some(users), _) => Load::closed(users),
        (None, None, Some(load)) => load.clone(),
        (None, None, None) => Load::closed(description.users.unwrap_or(1)),
    };
    if let Some(suite) = suite {
        load = Load { operations: suite.operations, ..load.lasting(suite.duration) };
        load = load.warmup(suite.warmup).timeout(suite.timeout);
    }
    if let Some(duration) = arguments.duration.or(from_file(&file.duration)?) {
        // A duration that is asked for stands instead of a suite's number of operations.
        load = Load { operations: None, ..load.lasting(duration) };
    }
    if let Some(operations) = arguments.operations.or(file.operations) {
        load = load.operations(operations);
    }
    if let Some(warmup) = arguments.warmup.or(from_file(&file.warmup)?) {
        load = load.warmup(warmup);
    }
    if let Some(timeout) = arguments.timeout.or(from_file(&file.timeout)?) {
        load = load.timeout(timeout);
    }
    load.validate().map(|()| load)
}

/// Users or a rate: the strongest place that says one of them says it for both.
fn users_or_rate(arguments: &DriveFlags, file: &Driving) -> Result<(Option<u32>, Option<f64>)> {
    if arguments.users.is_some() || arguments.rate.is_some() {
        return Ok((arguments.users, arguments.rate));
    }
    let set = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let count = |text: String| {
        text.parse::<u32>()
            .map_err(|_| Error::usage(format!("PERFKIT_USERS: `{text}` is no number"), "give a number of users"))
    };
    let users = set("PERFKIT_USERS").map(count).transpose()?;
    let rate = set("PERFKIT_RATE").map(|text| parse::rate(&text)).transpose()?;
    let (users, rate) = match (users, rate) {
        (None, None) => (file.users, file.rate.as_deref().map(parse::rate).transpose()?),
        set => set,
    };
    if users.is_some() && rate.is_some() {
        return Err(Error::usage(
            "users and rate exclude each other",
            "a load is closed (users) or open (rate): leave one out",
        ));
    }
    Ok((users, rate))
}

fn variant(asked: Option<&String>, description: &Description) -> Result<String> {
    let names: Vec<&str> = description.variants.iter().map(|variant| variant.name).collect();
    match asked {
        None => Ok(names.first().map_or_else(String::new, |name| (*name).to_owned())),
        Some(name) if names.contains(&name.as_str()) => Ok(name.clone()),
        Some(name) if names.is_empty() => {
            Err(Error::usage(format!("no variant `{name}`"), "this workload has only one way to run"))
        }
        Some(name) => Err(Error::usage(format!("no variant `{name}`"), format!("there are: {}", names.join(", ")))),
    }
}

fn params(arguments: &DriveFlags, file: &Driving, description: &Description) -> Result<BTreeMap<String, String>> {
    let declared = description.params.iter().map(|param| (param.name.to_owned(), param.default.to_owned()));
    let mut params: BTreeMap<String, String> = declared.collect();
    let set = file.param.iter().chain(arguments.param.iter().map(|(name, value)| (name, value)));
    for (name, value) in set {
        if let Some(known) = params.get_mut(name) {
            value.clone_into(known);
        } else {
            let names: Vec<&str> = description.params.iter().map(|param| param.name).collect();
            let hint = if names.is_empty() {
                "this workload has no parameters".to_owned()
            } else {
                format!("there are: {}", names.join(", "))
            };
            return Err(Error::usage(format!("no parameter `{name}`"), hint));
        }
    }
    Ok(params)
}

fn phase_timeouts(
    arguments: &DriveFlags,
    file: &Driving,
    description: &Description,
) -> Result<BTreeMap<String, Duration>> {
    let set = file.phase_timeout.iter().chain(arguments.phase_timeout.iter().map(|(name, value)| (name, value)));
    let mut timeouts = BTreeMap::new();
    for (name, text) in set {
        let fits = |phase: &str| phase == name || phase.split('.').next() == Some(name.as_str());
        // Only a workload that declares its phases can be held to them.
        if !description.phases.is_empty() && !description.phases.iter().any(|phase| fits(phase.name)) {
            let names: Vec<&str> = description.phases.iter().map(|phase| phase.name).collect();
            return Err(Error::usage(format!("no phase `{name}`"), format!("there are: {}", names.join(", "))));
        }
        timeouts.insert(name.clone(), parse::duration(text)?);
    }
    Ok(timeouts)
}

fn chosen_passes(arguments: &DriveFlags, file: &Driving, default: &[Pass]) -> Result<Vec<Pass>> {
    let mut passes = if !arguments.passes.is_empty() {
        arguments.passes.clone()
    } else if let (Some(names), true) = (&file.passes, default.len() > 1) {
        names.iter().map(|name| name.parse()).collect::<Result<Vec<Pass>>>()?
    } else {
        default.to_vec()
    };
    passes.sort_unstable();
    passes.dedup();
    if passes.is_empty() {
        return Err(Error::usage("no passes to run", "the passes are time, cpu and heap"));
    }
    Ok(passes)
}

fn service_urls(arguments: &DriveFlags) -> BTreeMap<Need, String> {
    let given = [(Need::Redis, &arguments.redis_url), (Need::Llm, &arguments.llm_url)];
    let set =
        given.into_iter().filter_map(|(need, url)| url.clone().filter(|url| !url.is_empty()).map(|url| (need, url)));
    set.collect()
}

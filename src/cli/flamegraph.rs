//! `flamegraph`: draw the stacks of a stored run, alone or against another.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::profile::{frames, report_folder};
use super::{Exit, Session};
use crate::analysis::summary::{self, Frames, stalls};
use crate::error::{Error, Result};
use crate::import::pprof;
use crate::record::Run;
use crate::record::stacks::Stack;
use crate::record::{folded, store};
use crate::report::flamegraph::{self, Drawing, Width};
use crate::unit::Unit;

/// What `flamegraph` takes.
#[derive(Args, Debug, Clone)]
pub(super) struct FlamegraphArgs {
    /// A run id, a run folder, a run.json, `latest` or `latest:<WORKLOAD>`
    #[arg(value_name = "RUN", default_value = "latest")]
    run: String,
    /// What the widths mean
    #[arg(long, value_enum, default_value_t = Of::Cpu)]
    of: Of,
    /// What the outermost frames are: threads, or where the tasks were spawned that they polled
    #[arg(long, value_enum, default_value_t = By::Thread)]
    by: By,
    /// Draw what changed since this run: red has grown, blue has shrunk
    #[arg(long, value_name = "RUN")]
    base: Option<String>,
    /// Where to write it; `-` is stdout [default: the run's folder below the reports]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Of {
    /// CPU time
    Cpu,
    /// Allocated bytes
    Heap,
    /// Time in which stalls held worker threads
    Stalls,
}

/// What the outermost frames are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum By {
    /// The thread's name
    Thread,
    /// Where the task was spawned
    Task,
}

impl Of {
    fn file(self) -> &'static str {
        match self {
            Self::Cpu => "cpu.folded",
            Self::Heap => "heap.folded",
            Self::Stalls => "stalls.folded",
        }
    }

    fn width(self) -> Width {
        match self {
            Self::Cpu | Self::Stalls => Width::Nanoseconds,
            Self::Heap => Width::Bytes,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Cpu => "CPU time",
            Self::Heap => "allocated bytes",
            Self::Stalls => "worker threads held",
        }
    }
}

pub(super) fn flamegraph(session: &Session<'_>, arguments: &FlamegraphArgs) -> Result<Exit> {
    let (run, folder) = session.store().load(&arguments.run)?;
    let picture = Picture::new(arguments.of, arguments.by, frames(session))?;
    let svg = match &arguments.base {
        None => picture.draw(&run, &folder)?.ok_or_else(|| picture.absent(&run))?,
        Some(base) => {
            let (base, base_folder) = session.store().load(base)?;
            picture.difference((&base, &base_folder), (&run, &folder))?
        }
    };
    match &arguments.output {
        Some(path) if path.as_os_str() == "-" => session.output.result(|out| out.write_all(&svg))?,
        Some(path) => write(session, path, &svg)?,
        None => {
            let change = if arguments.base.is_some() { "-diff" } else { "" };
            let name = format!("{}{change}.svg", picture.name());
            write(session, &report_folder(session, &run)?.join(name), &svg)?;
        }
    }
    Ok(Exit::Done)
}

fn write(session: &Session<'_>, path: &Path, svg: &[u8]) -> Result<()> {
    store::write_atomically(path, svg)?;
    if session.output.json() {
        let value = serde_json::json!({ "flamegraph": path.display().to_string() });
        return session.output.text(&format!("{value}\n"));
    }
    session.output.text(&format!("{}\n", path.display()))
}

/// What is drawn of a run.
#[derive(Clone, Copy)]
pub(super) struct Picture {
    of: Of,
    by: By,
    frames: Frames,
}

impl Picture {
    /// Refuses what has no tasks.
    pub(super) fn new(of: Of, by: By, frames: Frames) -> Result<Self> {
        if by == By::Task && of != Of::Cpu {
            return Err(Error::usage(
                format!("`--by task` cannot draw {}", of.title()),
                "tasks are known of CPU time alone: `--of cpu --by task`",
            ));
        }
        Ok(Self { of, by, frames })
    }

    /// Its name below the reports; what changed has `-diff` behind it.
    pub(super) fn name(self) -> &'static str {
        match (self.of, self.by) {
            (Of::Cpu, By::Thread) => "flamegraph",
            (Of::Cpu, By::Task) => "task-flamegraph",
            (Of::Heap, _) => "heap-flamegraph",
            (Of::Stalls, _) => "stall-flamegraph",
        }
    }

    fn title(self) -> String {
        let by = if self.by == By::Task { ", by the place where tasks were spawned" } else { "" };
        format!("{}{by}", self.of.title())
    }

    /// Why there is nothing to draw of a run, and what to do about it.
    fn absent(self, run: &Run) -> Error {
        match self.of {
            Of::Cpu if self.by == By::Task => Error::usage(
                format!("run {} has no stacks of CPU time with tasks", run.id),
                "the jittered sampler takes them, with tokio_unstable: measure with `perfkit profile --sampler both`",
            ),
            Of::Cpu | Of::Heap => Error::usage(
                format!("run {} has no stacks of {}", run.id, self.of.title()),
                format!("measure with `perfkit profile {} --passes time,cpu,heap`", run.workload),
            ),
            Of::Stalls if stalls::were_watched(run) => {
                let threshold = Unit::Ns.show(stalls::threshold_ns(run));
                Error::usage(
                    format!("nothing held a worker thread of run {} for {threshold}", run.id),
                    "shorter polls are stalls with `--stall-threshold`, from 2ms on",
                )
            }
            Of::Stalls => Error::usage(
                format!("stalls were not looked for in run {}", run.id),
                format!("measure with `perfkit run {}`: its time pass looks for them", run.workload),
            ),
        }
    }

    /// The picture of one run; none where it has no such stacks.
    pub(super) fn draw(self, run: &Run, folder: &Path) -> Result<Option<Vec<u8>>> {
        let Some(lines) = self.lines(run, folder)? else { return Ok(None) };
        let title = format!("{}: {}", name(run), self.title());
        let subtitle = format!("run {}", run.id);
        let drawing = Drawing { title: &title, subtitle: &subtitle, width: self.of.width() };
        let mut svg = Vec::new();
        flamegraph::draw(&lines, &drawing, &mut svg).map_err(Error::internal)?;
        Ok(Some(svg))
    }

    /// The picture of what changed; an error that names the run without such stacks, where one has none.
    fn difference(self, (base, base_folder): (&Run, &Path), (head, head_folder): (&Run, &Path)) -> Result<Vec<u8>> {
        let before = self.lines(base, base_folder)?.ok_or_else(|| self.absent(base))?;
        let after = self.lines(head, head_folder)?.ok_or_else(|| self.absent(head))?;
        let title = format!("{} against {}: change of {}", name(head), name(base), self.title());
        let subtitle = format!("{} → {}; red has grown, blue has shrunk", base.id, head.id);
        let drawing = Drawing { title: &title, subtitle: &subtitle, width: self.of.width() };
        let mut svg = Vec::new();
        flamegraph::draw_difference(&before, &after, &drawing, &mut svg).map_err(Error::internal)?;
        Ok(svg)
    }

    /// The folded stacks of a run, with plumbing folded away unless all frames are wanted.
    fn lines(self, run: &Run, folder: &Path) -> Result<Option<Vec<String>>> {
        let text = match self.by {
            By::Thread => read(&folder.join(self.of.file()))?,
            By::Task => by_task(&folder.join("cpu.pb.gz"))?,
        };
        let Some(text) = text else { return Ok(None) };
        let lines = match self.frames {
            Frames::All => text.lines().map(str::to_owned).collect(),
            Frames::Program => folded::without_plumbing(&text, &summary::own_crates(run)),
        };
        Ok(Some(lines).filter(|lines: &Vec<String>| !lines.is_empty()))
    }
}

fn name(run: &Run) -> String {
    if run.variant.is_empty() { run.workload.clone() } else { format!("{} ({})", run.workload, run.variant) }
}

/// The text of a file that may be absent.
fn read(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::read(path, error, "was the run's folder changed by hand?")),
    }
}

/// The folded stacks of a profile below the places where tasks were spawned; stacks that were taken without them are left out.
fn by_task(path: &Path) -> Result<Option<String>> {
    if !path.exists() {
        return Ok(None);
    }
    let (stacks, _) = pprof::stacks(path)?;
    let known = |stack: &Stack| !stack.task.is_empty();
    Ok(Some(folded::fold_below(&stacks, 0, |stack| known(stack).then_some(&stack.task)).join("\n")))
}

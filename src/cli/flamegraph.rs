//! `flamegraph`: draw the stacks of a stored run, alone or against another.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::profile::{frames, report_folder};
use super::{Exit, Session};
use crate::analysis::summary::{self, Frames, stalls};
use crate::error::{Error, Result};
use crate::import::pprof;
use crate::record::Run;
use crate::record::stacks::{Stack, Stacks};
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
    /// What the outermost frames are: threads, where the tasks were spawned that they polled, or the phases that they were in
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
    /// Allocated blocks
    HeapBlocks,
    /// Bytes that were alive when the heap was at its largest
    HeapPeak,
    /// Bytes that were allocated and still alive at the end
    HeapGrowth,
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
    /// The innermost tracing span that was entered
    Phase,
}

impl By {
    /// What the flag calls it.
    fn flag(self) -> &'static str {
        match self {
            Self::Thread => "thread",
            Self::Task => "task",
            Self::Phase => "phase",
        }
    }

    /// What a title says behind what is drawn.
    fn title(self) -> &'static str {
        match self {
            Self::Thread => "",
            Self::Task => ", by the place where tasks were spawned",
            Self::Phase => ", by the phase that was entered",
        }
    }
}

impl Of {
    fn file(self) -> &'static str {
        match self {
            Self::Cpu => "cpu.folded",
            Self::Heap | Self::HeapBlocks | Self::HeapPeak | Self::HeapGrowth => "heap.folded",
            Self::Stalls => "stalls.folded",
        }
    }

    /// The weight of the heap profile that is drawn; `None` where it is something else.
    fn weight(self) -> Option<&'static str> {
        match self {
            Self::Cpu | Self::Stalls => None,
            Self::Heap => Some("alloc_space"),
            Self::HeapBlocks => Some("alloc_objects"),
            Self::HeapPeak => Some("peak_space"),
            Self::HeapGrowth => Some("inuse_space"),
        }
    }

    fn width(self) -> Width {
        match self {
            Self::Cpu | Self::Stalls => Width::Nanoseconds,
            Self::Heap | Self::HeapPeak | Self::HeapGrowth => Width::Bytes,
            Self::HeapBlocks => Width::Blocks,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Cpu => "CPU time",
            Self::Heap => "allocated bytes",
            Self::HeapBlocks => "allocated blocks",
            Self::HeapPeak => "bytes alive at the peak",
            Self::HeapGrowth => "bytes alive at the end",
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
    /// Refuses what has no tasks or phases.
    pub(super) fn new(of: Of, by: By, frames: Frames) -> Result<Self> {
        let known = match by {
            By::Thread => true,
            By::Task | By::Phase => of != Of::Stalls,
        };
        if !known {
            let flag = by.flag();
            return Err(Error::usage(
                format!("`--by {flag}` cannot draw {}", of.title()),
                format!("{flag}s are known of CPU time and of the heap alone: `--of cpu --by {flag}`"),
            ));
        }
        Ok(Self { of, by, frames })
    }

    /// Its name below the reports; what changed has `-diff` behind it.
    pub(super) fn name(self) -> &'static str {
        match (self.of, self.by) {
            (Of::Cpu, By::Thread) => "flamegraph",
            (Of::Cpu, By::Task) => "task-flamegraph",
            (Of::Cpu, By::Phase) => "phase-flamegraph",
            (Of::Heap, By::Thread) => "heap-flamegraph",
            (Of::Heap, By::Task) => "heap-task-flamegraph",
            (Of::Heap, By::Phase) => "heap-phase-flamegraph",
            (Of::HeapBlocks, By::Thread) => "blocks-flamegraph",
            (Of::HeapBlocks, By::Task) => "blocks-task-flamegraph",
            (Of::HeapBlocks, By::Phase) => "blocks-phase-flamegraph",
            (Of::HeapPeak, By::Thread) => "peak-flamegraph",
            (Of::HeapPeak, By::Task) => "peak-task-flamegraph",
            (Of::HeapPeak, By::Phase) => "peak-phase-flamegraph",
            (Of::HeapGrowth, By::Thread) => "growth-flamegraph",
            (Of::HeapGrowth, By::Task) => "growth-task-flamegraph",
            (Of::HeapGrowth, By::Phase) => "growth-phase-flamegraph",
            (Of::Stalls, _) => "stall-flamegraph",
        }
    }

    fn title(self) -> String {
        format!("{}{}", self.of.title(), self.by.title())
    }

    /// Why there is nothing to draw of a run, and what to do about it.
    fn absent(self, run: &Run) -> Error {
        match self.of {
            Of::Cpu if self.by == By::Task => Error::usage(
                format!("run {} has no stacks of CPU time with tasks", run.id),
                "the jittered sampler takes them, with tokio_unstable: measure with `perfkit profile --sampler both`",
            ),
            Of::Cpu if self.by == By::Phase => Error::usage(
                format!("run {} has no stacks of CPU time with phases", run.id),
                "the jittered sampler takes them: measure with `perfkit profile --sampler both`",
            ),
            _ if self.of.weight().is_some() && self.by != By::Thread => Error::usage(
                format!("run {} has no stacks of {} with {}s", run.id, self.of.title(), self.by.flag()),
                "perfkit's own recorder takes them (tasks with tokio_unstable): measure with `perfkit profile --recorder exact`",
            ),
            Of::Cpu | Of::Heap | Of::HeapBlocks | Of::HeapPeak | Of::HeapGrowth => Error::usage(
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
            By::Task if self.of.weight().is_some() => self.of_heap_below(folder, |stack| &stack.task)?,
            By::Phase if self.of.weight().is_some() => self.of_heap_below(folder, |stack| &stack.phase)?,
            By::Thread if !matches!(self.of, Of::Cpu | Of::Heap | Of::Stalls) => self.of_heap(folder, folded::fold)?,
            By::Thread => read(&folder.join(self.of.file()))?,
            By::Task => below(&folder.join("cpu.pb.gz"), |stack| &stack.task)?,
            By::Phase => below(&folder.join("cpu.pb.gz"), |stack| &stack.phase)?,
        };
        let Some(text) = text else { return Ok(None) };
        let lines = match self.frames {
            Frames::All => text.lines().map(str::to_owned).collect(),
            Frames::Program => folded::without_plumbing(&text, &summary::own_crates(run), self.by != By::Thread),
        };
        Ok(Some(lines).filter(|lines: &Vec<String>| !lines.is_empty()))
    }
}

impl Picture {
    /// The same below what `root` says; stacks of which it says nothing are left out.
    fn of_heap_below(self, folder: &Path, root: fn(&Stack) -> &str) -> Result<Option<String>> {
        let said = |stack: &Stack| -> bool { !root(stack).is_empty() };
        self.of_heap(folder, |stacks, weight| {
            folded::fold_below(stacks, weight, |stack| said(stack).then(|| root(stack)))
        })
    }

    /// The folded stacks of the heap profile by the weight that is drawn.
    fn of_heap(self, folder: &Path, fold: impl Fn(&Stacks, usize) -> Vec<String>) -> Result<Option<String>> {
        let path = folder.join("heap.pb.gz");
        let Some(weight) = self.of.weight().filter(|_| path.exists()) else { return Ok(None) };
        Ok(pprof::weighted(&path, weight)?.map(|stacks| fold(&stacks, 0).join("\n")))
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

/// The folded stacks of a profile below what `root` says; stacks of which it says nothing, because they were taken without, are
/// left out.
fn below(path: &Path, root: fn(&Stack) -> &str) -> Result<Option<String>> {
    if !path.exists() {
        return Ok(None);
    }
    let (stacks, _) = pprof::stacks(path)?;
    let lines = folded::fold_below(&stacks, 0, |stack| Some(root(stack)).filter(|root| !root.is_empty()));
    Ok(Some(lines.join("\n")))
}

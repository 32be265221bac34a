//! `flamegraph`: draw the stacks of a stored run, alone or against another.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::profile::{frames, report_folder};
use super::{Exit, Session};
use crate::analysis::summary::{self, Frames, stalls};
use crate::error::{Error, Result};
use crate::record::Run;
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

    /// The picture's name below the reports; what changed has `-diff` behind it.
    pub(super) fn picture(self) -> &'static str {
        match self {
            Self::Cpu => "flamegraph",
            Self::Heap => "heap-flamegraph",
            Self::Stalls => "stall-flamegraph",
        }
    }

    /// Why there is nothing to draw of a run, and what to do about it.
    fn absent(self, run: &Run) -> Error {
        match self {
            Self::Cpu | Self::Heap => Error::usage(
                format!("run {} has no stacks of {}", run.id, self.title()),
                format!("measure with `perfkit profile {} --passes time,cpu,heap`", run.workload),
            ),
            Self::Stalls if stalls::were_watched(run) => {
                let threshold = Unit::Ns.show(stalls::threshold_ns(run));
                Error::usage(
                    format!("nothing held a worker thread of run {} for {threshold}", run.id),
                    "shorter polls are stalls with `--stall-threshold`, from 2ms on",
                )
            }
            Self::Stalls => Error::usage(
                format!("stalls were not looked for in run {}", run.id),
                format!("measure with `perfkit run {}`: its time pass looks for them", run.workload),
            ),
        }
    }
}

pub(super) fn flamegraph(session: &Session<'_>, arguments: &FlamegraphArgs) -> Result<Exit> {
    let (run, folder) = session.store().load(&arguments.run)?;
    let svg = match &arguments.base {
        None => draw(&run, &folder, arguments.of, frames(session))?.ok_or_else(|| arguments.of.absent(&run))?,
        Some(base) => {
            let (base, base_folder) = session.store().load(base)?;
            difference((&base, &base_folder), (&run, &folder), arguments.of, frames(session))?
        }
    };
    match &arguments.output {
        Some(path) if path.as_os_str() == "-" => session.output.result(|out| out.write_all(&svg))?,
        Some(path) => write(session, path, &svg)?,
        None => {
            let change = if arguments.base.is_some() { "-diff" } else { "" };
            let name = format!("{}{change}.svg", arguments.of.picture());
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

/// The picture of one run; none where it has no such stacks.
pub(super) fn draw(run: &Run, folder: &Path, of: Of, frames: Frames) -> Result<Option<Vec<u8>>> {
    let Some(lines) = lines(run, folder, of, frames)? else { return Ok(None) };
    let title = format!("{}: {}", name(run), of.title());
    let subtitle = format!("run {}", run.id);
    let drawing = Drawing { title: &title, subtitle: &subtitle, width: of.width() };
    let mut svg = Vec::new();
    flamegraph::draw(&lines, &drawing, &mut svg).map_err(Error::internal)?;
    Ok(Some(svg))
}

/// The picture of what changed; an error that names the run without such stacks, where one has none.
fn difference(
    (base, base_folder): (&Run, &Path),
    (head, head_folder): (&Run, &Path),
    of: Of,
    frames: Frames,
) -> Result<Vec<u8>> {
    let before = lines(base, base_folder, of, frames)?.ok_or_else(|| of.absent(base))?;
    let after = lines(head, head_folder, of, frames)?.ok_or_else(|| of.absent(head))?;
    let title = format!("{} against {}: change of {}", name(head), name(base), of.title());
    let subtitle = format!("{} → {}; red has grown, blue has shrunk", base.id, head.id);
    let drawing = Drawing { title: &title, subtitle: &subtitle, width: of.width() };
    let mut svg = Vec::new();
    flamegraph::draw_difference(&before, &after, &drawing, &mut svg).map_err(Error::internal)?;
    Ok(svg)
}

fn name(run: &Run) -> String {
    if run.variant.is_empty() { run.workload.clone() } else { format!("{} ({})", run.workload, run.variant) }
}

/// The folded stacks of a run, with plumbing folded away unless all frames are wanted.
fn lines(run: &Run, folder: &Path, of: Of, frames: Frames) -> Result<Option<Vec<String>>> {
    let path = folder.join(of.file());
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::read(&path, error, "was the run's folder changed by hand?")),
    };
    let lines = match frames {
        Frames::All => text.lines().map(str::to_owned).collect(),
        Frames::Program => folded::without_plumbing(&text, &summary::own_crates(run)),
    };
    Ok(Some(lines).filter(|lines: &Vec<String>| !lines.is_empty()))
}

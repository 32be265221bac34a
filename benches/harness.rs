//! What perfkit itself costs an operation: the closed load, alone and with everything that the time pass watches with,
//! against a bare tokio loop over the same operation that does nothing.

#![allow(clippy::print_stdout, reason = "a benchmark's result goes to the terminal")]

mod ratio;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use perfkit::load::drive::{Observer, Round, drive};
use perfkit::load::{Driven, clock};
use perfkit::probe::hooks::Hooks;
use perfkit::probe::{self, Probe, Running, Settings};
use perfkit::record::pass::Pass;
use perfkit::workload::Context;
use perfkit::{BoxError, Load, Work, Worker, Workload, experiment::Watch};
use ratio::{Clock, Cost, Side};
use tokio::runtime::{Builder, Runtime};

/// The goal: nanoseconds that the load and the time pass's probes add to an operation.
const ADDED_NS: f64 = 250.0;
const ROUNDS: usize = 15;
/// One side of one round; longer ones meet more of the neighbours.
const LASTING: Duration = Duration::from_millis(25);

/// Does nothing; with `YIELDS`, in two polls.
struct Nothing<const YIELDS: bool>;

impl<const YIELDS: bool> Workload for Nothing<YIELDS> {
    type State = ();

    async fn setup(&self, _worker: Worker) -> Result<(), BoxError> {
        Ok(())
    }

    async fn operation(&self, (): &mut ()) -> Result<Work, BoxError> {
        if YIELDS {
            tokio::task::yield_now().await;
        }
        Ok(std::hint::black_box(Work::done()))
    }
}

/// The runtime of a round.
#[derive(Clone, Copy)]
struct Shape {
    users: u32,
    /// Threads of a multi-threaded runtime; `None`: everything on this thread, whose CPU clock is then exact.
    threads: Option<usize>,
}

impl Shape {
    fn builder(self) -> Builder {
        let mut builder = match self.threads {
            None => Builder::new_current_thread(),
            Some(threads) => {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(threads);
                builder
            }
        };
        builder.enable_all();
        builder
    }

    fn cpu(self) -> f64 {
        if self.threads.is_some() { ratio::process_cpu() } else { ratio::thread_cpu() }
    }
}

fn probes() -> impl Iterator<Item = &'static dyn Probe> {
    probe::ALL.iter().copied().filter(|probe| probe.passes().contains(&Pass::Time))
}

/// The runtime as the time pass's probes want it. The subscriber can be set once in a process: the second time `phases`
/// says so, but its hook is in place before that.
fn hooked(shape: Shape) -> Runtime {
    let mut hooks = Hooks::new(shape.builder());
    for probe in probes() {
        let _ = probe.prepare(&mut hooks);
    }
    hooks.into_builder().build().expect("a runtime")
}

/// The same operation without perfkit: as many tasks as users, until the time is over.
fn bare<W: Workload<State = ()>>(runtime: &Runtime, shape: Shape, workload: &Arc<W>) -> Cost {
    let stop = Arc::new(AtomicBool::new(false));
    let timer = {
        let stop = Arc::clone(&stop);
        // From another thread: an operation that is ready at once never lets a timer of its own runtime run.
        std::thread::spawn(move || {
            std::thread::sleep(LASTING);
            stop.store(true, Ordering::Relaxed);
        })
    };
    let (started, cpu) = (clock::now(), shape.cpu());
    let operations = runtime.block_on(async {
        let user = |workload: Arc<W>, stop: Arc<AtomicBool>| async move {
            let mut done = 0u64;
            while !stop.load(Ordering::Relaxed) {
                done += u64::from(workload.operation(&mut ()).await.is_ok());
            }
            done
        };
        let users: Vec<_> =
            (0..shape.users).map(|_| tokio::spawn(user(Arc::clone(workload), Arc::clone(&stop)))).collect();
        let mut operations = 0;
        for user in users {
            operations += user.await.expect("no operation panics");
        }
        operations
    });
    let cost = per_operation(shape, started.elapsed(), shape.cpu() - cpu, operations);
    timer.join().expect("a thread that sleeps");
    cost
}

fn per_operation(shape: Shape, elapsed: Duration, cpu: f64, operations: u64) -> Cost {
    let threads = shape.threads.unwrap_or(1) as f64;
    let operations = operations.max(1) as f64;
    Cost { wall: elapsed.as_nanos() as f64 * threads / operations, cpu: cpu / operations }
}

/// The load of perfkit: with probes the whole of the time pass.
fn driven(
    runtime: &Runtime,
    shape: Shape,
    workload: &Arc<dyn Driven>,
    observer: Option<Arc<dyn Observer>>,
    watched: bool,
    folder: &tempfile::TempDir,
) -> Cost {
    let round = Round {
        workload: Arc::clone(workload),
        context: Arc::new(Context::default()),
        load: Load::closed(shape.users).lasting(LASTING).warmup(Duration::from_millis(1)),
        observer,
        rows: Some(folder.path().join("rows.csv")),
    };
    let settings = Settings {
        frequency_hz: 99,
        stall_threshold: perfkit::experiment::STALL_THRESHOLD,
        recorder: perfkit::probe::heap::Recorder::Dhat,
        folder: folder.path().to_owned(),
        runtime: runtime.handle().clone(),
    };
    let (began, cpu) = (Cell::new(0.0), Cell::new(0.0));
    let running: Cell<Vec<Box<dyn Running>>> = Cell::default();
    let start = || {
        if watched {
            running.set(probes().map(|probe| probe.start(&settings)).collect::<perfkit::Result<_>>()?);
        }
        began.set(shape.cpu());
        Ok(())
    };
    let stop = || {
        cpu.set(shape.cpu() - began.get());
        running.take().into_iter().try_for_each(|probe| probe.stop().map(drop))
    };
    let measured = runtime.block_on(drive(round, |_| (), start, stop)).expect("a round");
    per_operation(shape, measured.elapsed, cpu.get(), measured.operations.ok)
}

fn compare<const YIELDS: bool>(what: &str, shape: Shape) {
    if !ratio::wanted(what) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (plain, hooked) = (shape.builder().build().expect("a runtime"), hooked(shape));
    let bare_one = Arc::new(Nothing::<YIELDS>);
    let workload: Arc<dyn Driven> = Arc::new(Nothing::<YIELDS>);
    let watch = || Some(Arc::new(Watch) as Arc<dyn Observer>);
    let sides = vec![
        Side::new("bare tokio loop", || bare(&plain, shape, &bare_one)),
        Side::new("bare loop on the probes' runtime", || bare(&hooked, shape, &bare_one)),
        Side::new("closed load", || driven(&plain, shape, &workload, None, false, &folder)),
        Side::new("closed load on the probes' runtime", || driven(&hooked, shape, &workload, None, false, &folder)),
        Side::new("closed load with the time pass's probes", || {
            driven(&hooked, shape, &workload, watch(), true, &folder)
        }),
    ];
    let paired = ratio::interleaved(ROUNDS, sides);
    // One thread: its CPU clock. Several: the process's, which has the collecting thread in it too.
    ratio::heading(what, Clock::Cpu);
    paired.print(Clock::Cpu);
    if shape.threads.is_some() {
        ratio::heading(what, Clock::Wall);
        paired.print(Clock::Wall);
    } else {
        ratio::goal("added by load and probes", paired.difference(4, 0, Clock::Cpu), ADDED_NS, " ns");
    }
}

fn main() {
    let one = Shape { users: 1, threads: None };
    let eight = Shape { users: 8, threads: None };
    let spread = Shape { users: 8, threads: Some(2) };
    compare::<false>("ready at once, 1 user, one thread", one);
    compare::<true>("one yield, 1 user, one thread", one);
    compare::<true>("one yield, 8 users, one thread", eight);
    compare::<true>("one yield, 8 users, two threads", spread);
}

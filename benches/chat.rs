//! What the time pass's probes cost the chat: 50 users, closed, with all probes and with none, in one process with the same
//! services. Throughput says what a user of the numbers would see; CPU time per message says what the probes took.

#![allow(clippy::print_stdout, reason = "a benchmark's result goes to the terminal")]

mod ratio;
mod services;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use perfkit::experiment::Watch;
use perfkit::load::Driven;
use perfkit::load::drive::{Observer, Round, drive};
use perfkit::probe::hooks::Hooks;
use perfkit::probe::{self, Probe, Running, Settings};
use perfkit::record::pass::Pass;
use perfkit::workload::Context;
use perfkit::{Load, Suite};
use ratio::{Clock, Cost, Side};
use tokio::runtime::{Builder, Runtime};
use tracing::subscriber::{NoSubscriber, set_default};

/// The goal: throughput with the probes over without them. As time per message its inverse must be at most this.
const TIME: f64 = 1.0 / 0.98;
const ROUNDS: usize = 15;
const USERS: u32 = 50;
const LASTING: Duration = Duration::from_millis(500);
const WARMUP: Duration = Duration::from_millis(100);

fn probes() -> impl Iterator<Item = &'static dyn Probe> {
    probe::ALL.iter().copied().filter(|probe| probe.passes().contains(&Pass::Time))
}

/// One side: a runtime and a chat service of its own, because a service lives on the runtime that started it.
struct Setup {
    runtime: Runtime,
    chat: Arc<dyn Driven>,
    watched: bool,
}

impl Setup {
    fn new(watched: bool) -> Self {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).enable_all();
        let mut hooks = Hooks::new(builder);
        if watched {
            probes().for_each(|probe| probe.prepare(&mut hooks).expect("a probe of the time pass"));
        } else {
            // The subscriber of `phases` is the whole process's: the threads of this side are taken out.
            hooks.builder().on_thread_start(|| std::mem::forget(set_default(NoSubscriber::default())));
        }
        let chat = Arc::clone(&Suite::builtin().find("chat").expect("a built-in").workload);
        Self { runtime: hooks.into_builder().build().expect("a runtime"), chat, watched }
    }

    fn run(&self, context: &Arc<Context>) -> Cost {
        let round = Round {
            workload: Arc::clone(&self.chat),
            context: Arc::clone(context),
            load: Load::closed(USERS).lasting(LASTING).warmup(WARMUP),
            observer: self.watched.then(|| Arc::new(Watch) as Arc<dyn Observer>),
            rows: Some(context.folder.join("rows.csv")),
        };
        let folder = context.folder.clone();
        let settings = Settings {
            frequency_hz: 99,
            stall_threshold: perfkit::experiment::STALL_THRESHOLD,
            recorder: perfkit::probe::heap::Recorder::Dhat,
            folder,
            runtime: self.runtime.handle().clone(),
        };
        let (began, cpu) = (Cell::new(0.0), Cell::new(0.0));
        let running: Cell<Vec<Box<dyn Running>>> = Cell::default();
        let start = || {
            if self.watched {
                running.set(probes().map(|probe| probe.start(&settings)).collect::<perfkit::Result<_>>()?);
            }
            began.set(ratio::process_cpu());
            Ok(())
        };
        let stop = || {
            cpu.set(ratio::process_cpu() - began.get());
            running.take().into_iter().try_for_each(|probe| probe.stop().map(drop))
        };
        let measured = self.runtime.block_on(drive(round, |_| (), start, stop)).expect("a round of the chat");
        let messages = measured.operations.ok;
        assert!(messages * 100 >= measured.operations.planned * 99, "messages fail: {:?}", measured.operations);
        Cost { wall: measured.elapsed.as_nanos() as f64 / messages as f64, cpu: cpu.get() / messages as f64 }
    }
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_running, services) = services::of_chat(folder.path());
    let (off, on) = (Setup::new(false), Setup::new(true));
    let context = Arc::new(Context {
        params: off.chat.describe().params.iter().map(|param| (param.name.into(), param.default.into())).collect(),
        services,
        folder: folder.path().to_owned(),
        seed: 1,
        ..Context::default()
    });
    let sides = vec![
        Side::new("chat", || off.run(&context)),
        Side::new("chat with the time pass's probes", || on.run(&context)),
    ];
    let paired = ratio::interleaved(ROUNDS, sides);
    ratio::heading("one message of 50 users (the inverse of throughput)", Clock::Wall);
    paired.print(Clock::Wall);
    ratio::heading("one message of 50 users, this process without the services", Clock::Cpu);
    paired.print(Clock::Cpu);
    ratio::goal("throughput >= 0.98, that is: time per message", paired.ratio(1, 0, Clock::Wall), TIME, "");
}

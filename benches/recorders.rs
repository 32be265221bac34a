//! What recording the heap costs a real workload: CPU time per message of the chat while nothing is recorded, while blocks are
//! counted, sampled, and all recorded. With the words `once RECORDER OPERATIONS` it does one such round and prints its cost:
//! `scripts/heap-costs` runs that also under other programs' recorders.

#![allow(clippy::print_stdout, reason = "a benchmark's result goes to the terminal")]

mod ratio;
mod services;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use perfkit::load::drive::{Round, drive};
use perfkit::probe::heap::{Heap, Recorder};
use perfkit::probe::hooks::Hooks;
use perfkit::probe::{Probe, Running, Settings};
use perfkit::workload::Context;
use perfkit::{Load, Suite};
use ratio::{Clock, Cost, Side};
use tokio::runtime::{Builder, Runtime};

perfkit::track_heap!();

/// The goals: CPU time per message over that without recording.
const RECORDERS: [(Recorder, &str, f64); 3] =
    [(Recorder::Count, "counting", 1.02), (Recorder::Sampled, "sampling", 1.10), (Recorder::Exact, "every block", 4.0)];
const ROUNDS: usize = 21;
const USERS: u32 = 50;
const OPERATIONS: u64 = 400;
const WARMUP: Duration = Duration::from_millis(100);
/// Under a recorder that is fifty times slower fifty users wait for the processor.
const PATIENCE: Duration = Duration::from_mins(5);

/// CPU time of this process by what the kernel shows, to a hundredth of a second. A clock would be read through the page that
/// the kernel maps for it, and valgrind takes that page away.
fn cpu_shown() -> f64 {
    /// Ticks of that file in a second, on every machine that Linux runs on and this does.
    const TICKS: f64 = 100.0;
    let text = std::fs::read_to_string("/proc/self/stat").expect("/proc");
    let (_, fields) = text.rsplit_once(')').expect("a name in parentheses");
    // The third field comes first; the 14th and 15th are time of the program and of the kernel for it.
    let ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().expect("a number"));
    ticks.sum::<f64>() / TICKS * 1e9
}

struct Chat {
    runtime: Runtime,
    context: Arc<Context>,
    _services: [services::Service; 2],
    _folder: tempfile::TempDir,
}

impl Chat {
    fn new() -> Self {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).enable_all();
        let mut hooks = Hooks::new(builder);
        Heap.prepare(&mut hooks).expect("the heap probe");
        let folder = tempfile::tempdir().expect("a folder");
        let (running, services) = services::of_chat(folder.path());
        let params = Suite::builtin().find("chat").expect("a built-in").describe().params;
        let context = Arc::new(Context {
            params: params.iter().map(|param| (param.name.into(), param.default.into())).collect(),
            services,
            folder: folder.path().to_owned(),
            seed: 1,
            ..Context::default()
        });
        let runtime = hooks.into_builder().build().expect("a runtime");
        Self { runtime, context, _services: running, _folder: folder }
    }

    /// A round with a service of the chat's own, as a process of a heap pass does it.
    fn round(&self, recorder: Option<Recorder>, operations: u64, cpu_now: fn() -> f64) -> Cost {
        let round = Round {
            workload: Arc::clone(&Suite::builtin().find("chat").expect("a built-in").workload),
            context: Arc::clone(&self.context),
            load: Load::closed(USERS).operations(operations).warmup(WARMUP).lasting(PATIENCE).timeout(PATIENCE),
            observer: None,
            rows: Some(self.context.folder.join("rows.csv")),
        };
        let settings = |recorder| Settings {
            frequency_hz: 99,
            stall_threshold: perfkit::experiment::STALL_THRESHOLD,
            recorder,
            folder: self.context.folder.clone(),
            runtime: self.runtime.handle().clone(),
        };
        let (began, cpu) = (Cell::new(0.0), Cell::new(0.0));
        let running: Cell<Option<Box<dyn Running>>> = Cell::default();
        let start = || {
            running.set(recorder.map(|recorder| Heap.start(&settings(recorder))).transpose()?);
            began.set(cpu_now());
            Ok(())
        };
        let stop = || {
            cpu.set(cpu_now() - began.get());
            match (running.take(), recorder) {
                (Some(running), Some(Recorder::Dhat)) => running.stop().map(drop),
                // Dropped and not stopped: that would name the sites between the sides of the comparison.
                _ => Ok(()),
            }
        };
        let measured = self.runtime.block_on(drive(round, |_| (), start, stop)).expect("a round of the chat");
        let messages = measured.operations.ok;
        assert!(messages * 100 >= measured.operations.planned * 99, "messages fail: {:?}", measured.operations);
        Cost { wall: measured.elapsed.as_nanos() as f64 / messages as f64, cpu: cpu.get() / messages as f64 }
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip_while(|word| word != "once").skip(1).collect();
    let chat = Chat::new();
    if let [recorder, operations] = &words[..] {
        let recorder = (recorder != "off").then(|| recorder.parse().expect("a recorder"));
        let cost = chat.round(recorder, operations.parse().expect("a number of operations"), cpu_shown);
        println!("{}", serde_json::json!({ "cpu_ns_per_op": cost.cpu }));
        return;
    }
    let mut sides = vec![Side::new("chat, nothing recorded", || chat.round(None, OPERATIONS, ratio::process_cpu))];
    for (recorder, name, _) in RECORDERS {
        let chat = &chat;
        sides.push(Side::new(name, move || chat.round(Some(recorder), OPERATIONS, ratio::process_cpu)));
    }
    let paired = ratio::interleaved(ROUNDS, sides);
    ratio::heading("one message of 50 users, this process without the services", Clock::Cpu);
    paired.print(Clock::Cpu);
    for (index, (_, name, goal)) in RECORDERS.iter().enumerate() {
        ratio::goal(&format!("{name} over nothing recorded"), paired.ratio(index + 1, 0, Clock::Cpu), *goal, "");
    }
}

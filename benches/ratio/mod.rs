//! How every benchmark here compares: the sides are run in turn within one process, forwards and then backwards (ABBA),
//! many short rounds, and the result is the median of the rounds' own ratios or differences with an interval. Refuses
//! to give a lone time: on a shared machine that is a reading of the neighbours.

#![allow(dead_code, unreachable_pub, reason = "each benchmark is a crate of its own and uses a part of this")]
#![allow(clippy::print_stdout, reason = "a benchmark's result goes to the terminal")]

use perfkit::load::clock;
use rustix::time::{ClockId, clock_gettime};

/// What one unit of work cost on one side in one round.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Nanoseconds of wall time.
    pub wall: f64,
    /// Nanoseconds of CPU time: of the thread or the process, as the benchmark says.
    pub cpu: f64,
}

impl Cost {
    /// Which of the two a comparison looks at.
    pub fn get(self, clock: Clock) -> f64 {
        match clock {
            Clock::Wall => self.wall,
            Clock::Cpu => self.cpu,
        }
    }

    fn mean(self, other: Self) -> Self {
        Self { wall: f64::midpoint(self.wall, other.wall), cpu: f64::midpoint(self.cpu, other.cpu) }
    }
}

/// Wall time sees waiting; CPU time does not see the neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The monotonic clock.
    Wall,
    /// A CPU clock.
    Cpu,
}

/// One side of a comparison.
pub struct Side<'a> {
    name: &'static str,
    run: Box<dyn FnMut() -> Cost + 'a>,
}

impl<'a> Side<'a> {
    /// A side; `run` does one short round and says what one unit of work cost.
    pub fn new(name: &'static str, run: impl FnMut() -> Cost + 'a) -> Self {
        Self { name, run: Box::new(run) }
    }
}

/// What was measured: for each side one cost per round, and rounds belong together across sides.
pub struct Paired {
    names: Vec<&'static str>,
    costs: Vec<Vec<Cost>>,
}

/// Runs all sides forwards and backwards, `rounds` times, after one round that is not counted. A drift that is linear
/// within a round meets all sides alike, because the two runs of each side lie around the same middle.
pub fn interleaved(rounds: usize, mut sides: Vec<Side<'_>>) -> Paired {
    let mut costs = vec![Vec::with_capacity(rounds); sides.len()];
    for side in &mut sides {
        (side.run)();
    }
    for _ in 0..rounds {
        let there: Vec<Cost> = sides.iter_mut().map(|side| (side.run)()).collect();
        let mut back: Vec<Cost> = sides.iter_mut().rev().map(|side| (side.run)()).collect();
        back.reverse();
        for ((all, first), second) in costs.iter_mut().zip(there).zip(back) {
            all.push(first.mean(second));
        }
    }
    Paired { names: sides.iter().map(|side| side.name).collect(), costs }
}

/// A median with its 95 % interval.
#[derive(Clone, Copy, Debug)]
pub struct Median {
    /// The median.
    pub value: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
}

impl Median {
    /// By order statistics: makes no assumption about the shape of the noise but that rounds are independent.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let count = values.len();
        let middle = f64::midpoint(values[(count - 1) / 2], values[count / 2]);
        let rank = low_rank(count);
        Self { value: middle, low: values[rank], high: values[count - 1 - rank] }
    }
}

/// The largest rank below which the median lies with less than 2.5 %: the binomial distribution of how many values fall
/// below it.
fn low_rank(count: usize) -> usize {
    let (mut below, mut term) = (0.0, 0.5f64.powi(count as i32));
    for rank in 0..count / 2 {
        below += term;
        if below > 0.025 {
            return rank.saturating_sub(1);
        }
        term *= (count - rank) as f64 / (rank + 1) as f64;
    }
    (count / 2).saturating_sub(1)
}

impl Paired {
    fn column(&self, side: usize, clock: Clock) -> impl Iterator<Item = f64> {
        self.costs[side].iter().map(move |cost| cost.get(clock))
    }

    /// The median cost of a side.
    pub fn median(&self, side: usize, clock: Clock) -> Median {
        Median::of(self.column(side, clock).collect())
    }

    /// Side over base, round by round.
    pub fn ratio(&self, side: usize, base: usize, clock: Clock) -> Median {
        Median::of(self.column(side, clock).zip(self.column(base, clock)).map(|(side, base)| side / base).collect())
    }

    /// Side less base, round by round.
    pub fn difference(&self, side: usize, base: usize, clock: Clock) -> Median {
        Median::of(self.column(side, clock).zip(self.column(base, clock)).map(|(side, base)| side - base).collect())
    }

    /// One line per side: its own figures, and how it stands to the first.
    pub fn print(&self, clock: Clock) {
        for (side, name) in self.names.iter().enumerate() {
            let own = self.median(side, clock).value;
            let (more, times) = (self.difference(side, 0, clock), self.ratio(side, 0, clock));
            println!(
                "  {name:<44} {own:>12.1} ns  {:>+10.1} [{:>+9.1}, {:>+9.1}]  x{:.4} [{:.4}, {:.4}]",
                more.value, more.low, more.high, times.value, times.low, times.high
            );
        }
    }
}

/// Whether the words after `cargo bench --bench NAME --` ask for this comparison; without any, all are asked for.
pub fn wanted(what: &str) -> bool {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with('-')).peekable();
    words.peek().is_none() || words.any(|word| what.contains(&word))
}

/// Prints a heading.
pub fn heading(text: &str, clock: Clock) {
    let clock = if clock == Clock::Wall { "wall time" } else { "CPU time" };
    println!("\n{text}; {clock}: median, less the first [95 %], over the first [95 %]");
}

/// Prints whether a goal of "at most" holds. Never fails: a benchmark on a busy machine says what it saw.
pub fn goal(what: &str, seen: Median, limit: f64, unit: &str) {
    let word = if seen.high <= limit {
        "holds"
    } else if seen.value <= limit {
        "holds at the median, within noise"
    } else if seen.low <= limit {
        "missed at the median, within noise"
    } else {
        "missed"
    };
    let Median { value, low, high } = seen;
    let by = (limit - value).abs();
    // A ratio's goal is a matter of its third digit.
    let digits = if unit.is_empty() { 4 } else { 0 };
    println!(
        "GOAL {what} <= {limit:.digits$}{unit}: {value:.digits$}{unit} [{low:.digits$}, {high:.digits$}]: \
         {word}, by {by:.digits$}{unit}"
    );
}

/// CPU time of this thread, in nanoseconds.
pub fn thread_cpu() -> f64 {
    nanoseconds(ClockId::ThreadCPUTime)
}

/// CPU time of this process, in nanoseconds.
pub fn process_cpu() -> f64 {
    nanoseconds(ClockId::ProcessCPUTime)
}

fn nanoseconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// What `count` units of work in `run` cost each, with the thread's CPU clock.
pub fn per_unit<T>(count: u64, run: impl FnOnce() -> T) -> Cost {
    let (started, cpu) = (clock::now(), thread_cpu());
    std::hint::black_box(run());
    let cpu = thread_cpu() - cpu;
    let wall = started.elapsed().as_nanos() as f64;
    Cost { wall: wall / count as f64, cpu: cpu / count as f64 }
}

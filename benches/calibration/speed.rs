//! What a comparison costs: two CSV files of a million operations each, read and compared.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use perfkit::compare::{self, Policy};
use perfkit::import::{Meaning, read};
use perfkit::load::clock;

use super::draw;
use super::ratio::process_cpu;
use super::row::{Bound, Row};

const ROUNDS: usize = 10;
const COUNT: usize = 100_000;

/// Reads and compares once. Comes first: the most memory that the process ever had is then that of the comparison.
pub fn once() -> Vec<Row> {
    let folder = tempfile::tempdir().expect("a folder");
    let [base, head] = ["base.csv", "head.csv"].map(|name| {
        let path = folder.path().join(name);
        write(&path, name).expect("a file");
        path
    });
    let (began, cpu) = (clock::now(), process_cpu());
    let meaning = Meaning::default();
    let (base, head) = (read(&base, &meaning).expect("a run"), read(&head, &meaning).expect("a run"));
    let comparison = compare::compare(&base, &head, &Policy::default());
    let (wall, cpu) = (began.elapsed(), process_cpu() - cpu);
    assert_eq!(comparison.family_size, draw::LATENCIES.len());
    let name = format!("two files of {ROUNDS} x {COUNT} operations");
    let mut rows = vec![
        Row::figure(format!("{name}: CPU time, ms"), cpu / 1e6, Bound::AtMost(1_000.0)),
        Row::figure(format!("{name}: wall time, ms"), wall.as_secs_f64() * 1e3, Bound::Told),
    ];
    rows.extend(most_memory().map(|mb| Row::figure(format!("{name}: memory at most, MB"), mb, Bound::AtMost(200.0))));
    rows
}

/// Nothing is kept: what is written must not count as memory of the comparison.
fn write(path: &Path, name: &str) -> std::io::Result<()> {
    let mut random = draw::random(name);
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "round,value")?;
    for round in 0..ROUNDS {
        let level = 1e6 * (draw::BETWEEN * random.normal()).exp();
        for _ in 0..COUNT {
            writeln!(file, "{round},{:.0}", level * (0.1 * random.normal()).exp())?;
        }
    }
    file.flush()
}

/// Megabytes, where the system tells.
fn most_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kibibytes * 1024.0 / 1e6)
}

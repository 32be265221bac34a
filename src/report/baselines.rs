//! The list of baselines as a table.

use std::io::{self, Write};

use super::table::{Side, Table};
use crate::record::Run;

/// Writes the baselines by name.
///
/// # Errors
/// The output cannot be written.
pub fn write(baselines: &[(String, Run)], out: &mut dyn Write) -> io::Result<()> {
    if baselines.is_empty() {
        return writeln!(out, "no baselines; make one with `perfkit baseline save NAME`");
    }
    let left = Side::Left;
    let mut table = Table::new(&[
        ("name", left),
        ("workload", left),
        ("rounds", Side::Right),
        ("commit", left),
        ("machine", left),
        ("made", left),
    ]);
    for (name, run) in baselines {
        let environment = &run.environment;
        let variant = if run.variant.is_empty() { String::new() } else { format!(" ({})", run.variant) };
        table.row([
            name.clone(),
            format!("{}{variant}", run.workload),
            run.load.rounds.to_string(),
            environment.git_sha.as_deref().map_or_else(|| "-".to_owned(), |sha| sha.chars().take(12).collect()),
            format!("{}, {} cores", environment.cpu_model.as_deref().unwrap_or("unknown processor"), environment.cores),
            environment.started_at.clone(),
        ]);
    }
    table.write(out)
}

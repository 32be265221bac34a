//! What a run that was just measured is made of and what is found in it: the last look at its operations before it is kept, so that
//! no comparison needs them again. Refuses no run: one that cannot be looked at is kept with a warning.

use std::num::NonZeroU64;
use std::path::Path;

use crate::analysis::{self, variance};
use crate::record::ops::{self, OPS_FILE};
use crate::record::{Run, Status};
use crate::warning::Caution;

/// Operations beyond which not every one is looked at: so many say as much of a variance as all, and take 0.5 s.
const ENOUGH: u64 = 1_000_000;
/// Operations beyond which none is: reading so many rows takes longer than a user waits.
const MOST: u64 = 30_000_000;

/// Adds the components of a run whose files are in `folder`, and the findings.
pub(super) fn complete(run: &mut Run, folder: &Path) {
    if run.status != Status::Invalid && !run.rounds.is_empty() {
        match components(run, folder) {
            Ok(()) => {}
            Err(reason) => run.warnings.push(Caution::NoComponents { reason }.into()),
        }
    }
    run.findings = analysis::analyze(run);
}

fn components(run: &mut Run, folder: &Path) -> Result<(), String> {
    let operations = run.operations.planned;
    if operations > MOST {
        return Err(format!("{operations} operations are more than the {MOST} that are looked at"));
    }
    // Odd, so that it is not in step with workers that take turns.
    let step = NonZeroU64::new(operations / ENOUGH).map_or(NonZeroU64::MIN, |step| step | 1);
    let columns = ops::read_every(&folder.join(OPS_FILE), step).map_err(|error| error.to_string())?;
    run.components = variance::components(run, &columns);
    Ok(())
}

//! What stands beside a verdict, in words. Computes nothing.

use super::change::Scale;
use super::judged::LIKELY;
use super::{MetricChange, Verdict};
use crate::unit::Unit;

/// The word for "worse" and "better" of a unit: a latency gets slower, a heap gets larger.
pub(super) fn directions(unit: Unit) -> (&'static str, &'static str) {
    match unit {
        Unit::Ns | Unit::PerS => ("slower", "faster"),
        Unit::Bytes | Unit::Count => ("more", "less"),
        _ => ("worse", "better"),
    }
}

/// Joins what there is to say.
pub(super) fn join(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// "slower, within margin" and its like: what an interval on one side of zero says where the verdict says less.
pub(super) fn tendency(verdict: Verdict, unit: Unit, folded: (f64, f64, f64), margin: f64) -> String {
    let (low, estimate, high) = folded;
    let (worse, better) = directions(unit);
    let (word, beyond) = if low > 0.0 {
        (worse, estimate > margin)
    } else if high < 0.0 {
        (better, estimate < -margin)
    } else {
        return String::new();
    };
    match verdict {
        Verdict::Inconclusive if beyond => format!("{LIKELY} {word}"),
        Verdict::Inconclusive | Verdict::Unchanged => format!("{word}, within margin"),
        _ => String::new(),
    }
}

/// What the scale asks to be said.
pub(super) fn scale(scale: Scale) -> String {
    match scale {
        Scale::Ratio => String::new(),
        Scale::Difference => "compared by differences: a value is zero or negative".to_owned(),
    }
}

/// What the standard deviation and the median deviation say together: rare spikes, or a spread of everything.
pub(super) fn spread(changes: &mut [MetricChange]) {
    let is_up = |change: &MetricChange| {
        change.verdict == Verdict::Regressed || change.low.is_some_and(|low| low > 1.0 + change.margin)
    };
    for index in 0..changes.len() {
        let Some(of) = changes[index].name.strip_suffix("sd").filter(|of| of.ends_with('.')) else { continue };
        let robust = format!("{of}mad");
        let Some(robust) = changes.iter().find(|change| change.name == robust) else { continue };
        if !is_up(&changes[index]) {
            continue;
        }
        let text = if is_up(robust) {
            "spread of all operations: the median deviation grew too"
        } else {
            "rare spikes: the median deviation did not grow with it"
        };
        let note = std::mem::take(&mut changes[index].note);
        changes[index].note = join([note, text.to_owned()]);
    }
}

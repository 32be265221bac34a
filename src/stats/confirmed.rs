//! The verdict on a series over a whole session of rounds: what the first half says, confirmed by all of it. The settings for what
//! is counted in bytes and for what is counted in things stand here. Refuses to decide how long a session is.

use super::growth::{self, Growth, Series, Settings, Verdict};

/// Rounds of a session that is looked at once, those of the warm-up included; twice as many confirm it.
pub const ROUNDS: usize = 24;
/// Rounds of the warm-up.
pub const WARM_UP: usize = 6;

/// How live bytes are judged: half a byte per operation, 4 KiB in all. Operations are those of one round.
#[must_use]
pub fn bytes(operations: f64) -> Settings {
    Settings { warm_up: WARM_UP, ..Settings::bytes(operations) }
}

/// How resident bytes are judged, which the kernel gives in pages and the allocator keeps: 1 MiB in all.
#[must_use]
pub fn resident(operations: f64) -> Settings {
    Settings { least_growth: 1_048_576.0, ..bytes(operations) }
}

/// How things are judged that are counted one by one, such as threads: four in all.
#[must_use]
pub fn things(operations: f64) -> Settings {
    Settings { least_slope: 1e-6, least_growth: 4.0, ..bytes(operations) }
}

/// Judges a series of one session. Below twice [`ROUNDS`] a leak is not confirmed, and `Growing`.
///
/// Definition, assumptions and cost are those of [`growth::judge`], which is done once for the first half and once for all.
///
/// ```
/// use perfkit::stats::confirmed::{bytes, judge};
/// use perfkit::stats::growth::{Series, Verdict};
///
/// let values: Vec<f64> = (0..48).map(|round| 1e6 + 102_400.0 * f64::from(round)).collect();
/// let blocks: Vec<f64> = (0..48).map(|round| 100.0 * f64::from(round)).collect();
/// let verdict = |count: usize| judge(&Series { values: &values[..count], blocks: &blocks[..count] }, &bytes(100.0)).verdict;
/// assert_eq!((verdict(24), verdict(48)), (Verdict::Growing, Verdict::Leak));
/// ```
#[must_use]
pub fn judge(series: &Series<'_>, settings: &Settings) -> Growth {
    let whole = growth::judge(series, settings);
    let count = series.values.len();
    if count < 2 * ROUNDS {
        let growing = whole.verdict == Verdict::Leak;
        let verdict = if growing { Verdict::Growing } else { whole.verdict };
        return Growth { verdict, ..whole };
    }
    let half = count / 2;
    let values = &series.values[..half];
    let blocks = series.blocks.get(..half).unwrap_or_default();
    growth::confirm(&growth::judge(&Series { values, blocks }, settings), &whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(values: &[f64]) -> Verdict {
        judge(&Series { values, blocks: &[] }, &things(100.0)).verdict
    }

    #[test]
    fn what_stops_after_the_first_half_is_no_leak_and_what_goes_on_is() {
        let threads = |round: u32| f64::from(3 + round.min(20));
        assert_eq!(verdict(&(0..48).map(threads).collect::<Vec<_>>()), Verdict::WarmUp);
        assert_eq!(verdict(&(0..48).map(|round| f64::from(3 + round)).collect::<Vec<_>>()), Verdict::Leak);
        assert_eq!(verdict(&[7.0; 48]), Verdict::Ok);
        assert_eq!(verdict(&[7.0; 24]), Verdict::Ok);
    }

    #[test]
    fn blocks_that_are_not_known_for_every_round_are_no_panic() {
        let values: Vec<f64> = (0..48).map(f64::from).collect();
        let few = judge(&Series { values: &values, blocks: &values[..3] }, &bytes(10.0));
        assert_ne!(few.verdict, Verdict::Ok);
        assert_eq!(judge(&Series { values: &[], blocks: &[] }, &bytes(0.0)).verdict, Verdict::Inconclusive);
    }
}

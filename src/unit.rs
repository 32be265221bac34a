//! Units and directions, and the one place that scales a number for people. Stored numbers are never scaled.

use serde::{Deserialize, Serialize};

/// The unit a number is stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// Nanoseconds.
    Ns,
    /// Bytes.
    Bytes,
    /// Things.
    Count,
    /// A part of a whole, 1.0 being all of it.
    Ratio,
    /// Things in a second.
    PerS,
}

/// Which direction of a metric is the good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Smaller is better: latency, memory.
    Lower,
    /// Larger is better: throughput, success rate.
    Higher,
}

impl Better {
    /// The name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Higher => "higher",
        }
    }
}

impl Unit {
    /// The name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ns => "ns",
            Self::Bytes => "bytes",
            Self::Count => "count",
            Self::Ratio => "ratio",
            Self::PerS => "per_s",
        }
    }

    /// The value in the scale a person reads, with three significant digits.
    ///
    /// ```
    /// use perfkit::Unit;
    /// assert_eq!(Unit::Ns.show(1_234_567.0), "1.23 ms");
    /// assert_eq!(Unit::Bytes.show(5.0 * 1024.0), "5.00 KiB");
    /// assert_eq!(Unit::Ratio.show(0.987), "98.7 %");
    /// assert_eq!(Unit::PerS.show(1234.5), "1,234/s");
    /// assert_eq!(Unit::Ns.show(f64::NAN), "-");
    /// ```
    #[must_use]
    pub fn show(self, value: f64) -> String {
        if !value.is_finite() {
            return "-".to_owned();
        }
        match self {
            Self::Ns => scale(value, 1000.0, &["ns", "µs", "ms", "s"]),
            Self::Bytes => scale(value, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"]),
            Self::Count => digits(value),
            Self::Ratio if value.abs() < 10.0 => format!("{} %", three(value * 100.0)),
            Self::Ratio => format!("{} ×", digits(value)),
            Self::PerS => format!("{}/s", digits(value)),
        }
    }

    /// The value as [`show`](Self::show) has it, but bytes below a million in bytes: what one operation leaks is counted, not scaled.
    ///
    /// ```
    /// use perfkit::Unit;
    /// assert_eq!(Unit::Bytes.show_whole(1034.2), "1,034 B");
    /// assert_eq!(Unit::Bytes.show_whole(10.24), "10.2 B");
    /// assert_eq!(Unit::Count.show_whole(0.1), "0.10");
    /// ```
    #[must_use]
    pub fn show_whole(self, value: f64) -> String {
        if self == Self::Bytes && value.abs() < 1e6 { format!("{} B", digits(value)) } else { self.show(value) }
    }

    /// A difference of two values, always with its sign; of shares in percentage points.
    ///
    /// ```
    /// use perfkit::Unit;
    /// assert_eq!(Unit::Ns.show_difference(1_234_567.0), "+1.23 ms");
    /// assert_eq!(Unit::Ratio.show_difference(-0.004), "-0.40 pp");
    /// assert_eq!(Unit::Count.show_difference(-0.0), "0");
    /// ```
    #[must_use]
    pub fn show_difference(self, difference: f64) -> String {
        // Plus nothing: there is no negative zero to show.
        let text = self.show(difference + 0.0);
        let text = if self == Self::Ratio { text.replace(" %", " pp") } else { text };
        if difference.is_finite() && difference > 0.0 { format!("+{text}") } else { text }
    }
}

/// A ratio of two values with three significant digits: `1.15`, `0.082`, `12.3`.
///
/// ```
/// assert_eq!(perfkit::unit::factor(1.149), "1.15");
/// assert_eq!(perfkit::unit::factor(1.2e9), "1.2e9");
/// assert_eq!(perfkit::unit::factor(f64::NAN), "-");
/// ```
#[must_use]
pub fn factor(ratio: f64) -> String {
    match ratio.abs() {
        r if !r.is_finite() => "-".to_owned(),
        r if r >= 1e5 => format!("{ratio:.1e}"),
        _ => three(ratio),
    }
}

/// A share that somebody set rather than measured, as short as it was set: 0.1 is `10 %`, 0.995 is `99.5 %`.
///
/// ```
/// assert_eq!(perfkit::unit::percent(0.95), "95 %");
/// assert_eq!(perfkit::unit::percent(0.995), "99.5 %");
/// ```
#[must_use]
pub fn percent(share: f64) -> String {
    if share.is_finite() { format!("{} %", (share * 1e5).round() / 1e3) } else { "-".to_owned() }
}

/// Picks the largest step that leaves at least one whole.
fn scale(value: f64, base: f64, steps: &[&str]) -> String {
    let (mut scaled, mut step) = (value, 0);
    // 999.5 shows as 1.00 of the next step, not as 1000 of this one.
    while scaled.abs() >= base * 0.9995 && step + 1 < steps.len() {
        scaled /= base;
        step += 1;
    }
    let whole = step == 0 && (scaled - scaled.round()).abs() < 1e-9;
    if whole { format!("{scaled:.0} {}", steps[0]) } else { format!("{} {}", three(scaled), steps[step]) }
}

/// Three significant digits, no exponent.
fn three(value: f64) -> String {
    match value.abs() {
        v if v >= 99.95 => format!("{value:.0}"),
        v if v >= 9.995 => format!("{value:.1}"),
        v if v >= 0.0995 || v == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// A count: whole with thousands separators where it is large, else three digits.
fn digits(value: f64) -> String {
    if value.abs() < 100.0 {
        // 7.999999999999998 is 8 to everybody but the machine.
        let whole = (value - value.round()).abs() < 1e-9;
        return if whole { format!("{:.0}", value.round()) } else { three(value) };
    }
    let text = format!("{:.0}", value.trunc());
    let (sign, number) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let mut out = String::with_capacity(number.len() + number.len() / 3 + 1);
    for (index, digit) in number.chars().enumerate() {
        if index > 0 && (number.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    format!("{sign}{out}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_on_the_edge_goes_to_the_next_step() {
        assert_eq!(Unit::Ns.show(999.0), "999 ns");
        assert_eq!(Unit::Ns.show(999_999.0), "1.00 ms");
        assert_eq!(Unit::Bytes.show(1023.0), "1023 B");
        assert_eq!(Unit::Bytes.show(1024.0 * 1024.0), "1.00 MiB");
    }

    #[test]
    fn large_counts_have_separators_and_small_ones_digits() {
        assert_eq!(Unit::Count.show(1_234_567.0), "1,234,567");
        assert_eq!(Unit::Count.show(-1234.0), "-1,234");
        assert_eq!(Unit::Count.show(12.0), "12");
        assert_eq!(Unit::Count.show(0.0123), "0.012");
    }
}

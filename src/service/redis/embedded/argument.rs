//! Reads numbers and options out of arguments, as strictly as Redis does.

use std::time::{Duration, Instant};

use super::refusal::Refusal;

/// A 64 bit integer: no sign `+`, no leading zeros, no spaces.
pub(super) fn integer(bytes: &[u8]) -> Result<i64, Refusal> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let canonical = match digits {
        [b'0'] => bytes.len() == 1,
        [first, ..] => (b'1'..=b'9').contains(first),
        [] => false,
    };
    let text = std::str::from_utf8(bytes).ok().filter(|_| canonical);
    text.and_then(|text| text.parse().ok()).ok_or(Refusal::NotInteger)
}

/// A score: a finite number or an infinity that was written as one.
pub(super) fn float(bytes: &[u8]) -> Result<f64, Refusal> {
    let number: f64 = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).ok_or(Refusal::NotFloat)?;
    let overflowed = number.is_infinite() && bytes.iter().any(u8::is_ascii_digit);
    if number.is_nan() || overflowed { Err(Refusal::NotFloat) } else { Ok(number) }
}

/// Whether the argument is this option, in any case.
pub(super) fn is(bytes: &[u8], option: &str) -> bool {
    bytes.eq_ignore_ascii_case(option.as_bytes())
}

/// The part of `length` things from `start` to `stop`, both of which count from the end where they are negative.
pub(super) fn slice(start: i64, stop: i64, length: usize) -> std::ops::Range<usize> {
    let signed = i64::try_from(length).unwrap_or(i64::MAX);
    let resolve = |index: i64| if index < 0 { signed.saturating_add(index) } else { index };
    let first = usize::try_from(resolve(start)).unwrap_or(0).min(length);
    let end = usize::try_from(resolve(stop).saturating_add(1)).unwrap_or(0).min(length);
    first..end.max(first)
}

/// The unit in which a time is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Whole seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

/// The instant `amount` from `now`; `None` where there is none: the amount is not positive, or too large.
pub(super) fn after(now: Instant, amount: i64, unit: Unit) -> Option<Instant> {
    let amount = u64::try_from(amount).ok().filter(|amount| *amount > 0)?;
    now.checked_add(match unit {
        Unit::Seconds => Duration::from_secs(amount),
        Unit::Milliseconds => Duration::from_millis(amount),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_redis_takes_for_an_integer_is_one() {
        for (text, number) in
            [("0", 0), ("-1", -1), ("9223372036854775807", i64::MAX), ("-9223372036854775808", i64::MIN)]
        {
            assert_eq!(integer(text.as_bytes()), Ok(number));
        }
        for text in ["", "-", "+1", "01", "-0", " 1", "1 ", "1.0", "9223372036854775808", "\u{661}"] {
            assert_eq!(integer(text.as_bytes()), Err(Refusal::NotInteger), "{text}");
        }
    }

    #[test]
    fn infinity_is_a_score_and_a_number_too_large_is_none() {
        assert_eq!(float(b"-inf"), Ok(f64::NEG_INFINITY));
        assert_eq!(float(b"1e3"), Ok(1000.0));
        for text in ["nan", "1e999", "", "x"] {
            assert_eq!(float(text.as_bytes()), Err(Refusal::NotFloat), "{text}");
        }
    }

    #[test]
    fn every_slice_lies_within_what_there_is() {
        assert_eq!(slice(0, -1, 3), 0..3);
        assert_eq!(slice(-2, -1, 3), 1..3);
        assert_eq!(slice(1, 1, 3), 1..2);
        assert!(slice(2, 1, 3).is_empty() && slice(5, 9, 3).is_empty() && slice(0, -9, 3).is_empty());
        for start in [i64::MIN, -4, 0, 2, i64::MAX] {
            for stop in [i64::MIN, -4, 0, 2, i64::MAX] {
                assert!(slice(start, stop, 3).end <= 3);
            }
        }
    }
}

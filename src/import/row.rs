//! One line of a plain CSV: the header, or a round and its value. Says what is wrong with any other; which line it was is its
//! caller's to tell.

use super::{checked, shown, without_mark};

/// Whether a line is the header `round,value`.
pub(super) fn is_header(line: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(without_mark(line)) else { return false };
    let columns: Vec<&str> = text.split(',').map(bare).collect();
    matches!(columns.as_slice(), [first, second] if first.eq_ignore_ascii_case("round") && second.eq_ignore_ascii_case("value"))
}

/// A row's round and value; `None` for a blank line.
pub(super) fn read(line: &[u8]) -> std::result::Result<Option<(i64, f64)>, String> {
    plain(line).map_or_else(|| parse(line), |row| Ok(Some(row)))
}

/// A row as most programs write it: digits, a comma, digits with at most one point. `None` for any other, good or bad.
///
/// Up to 15 digits and the powers of ten are exact as f64, so their quotient is the value that `parse` gives as well.
fn plain(line: &[u8]) -> Option<(i64, f64)> {
    const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let (label, rest) = digits(line)?;
    let (whole, rest) = digits(rest.strip_prefix(b",")?)?;
    let (number, decimals, rest) = match rest.strip_prefix(b".") {
        None => (whole, 0, rest),
        Some(fraction) => {
            let (number, behind) = continued(whole, fraction);
            (number, fraction.len() - behind.len(), behind)
        }
    };
    let exact = number < 1_000_000_000_000_000 && decimals < POWERS.len();
    let ends = matches!(rest, b"\n" | b"\r\n" | b"");
    (exact && ends).then(|| (label as i64, number as f64 / POWERS[decimals]))
}

/// The number that a text begins with, and what is behind it; `None` without digits, or with more than an i64 holds for certain.
fn digits(text: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = continued(0, text);
    (1..=18).contains(&(text.len() - rest.len())).then_some((number, rest))
}

/// A number with the digits that a text begins with put behind it, and the rest of the text.
fn continued(start: u64, text: &[u8]) -> (u64, &[u8]) {
    let (mut number, mut rest) = (start, text);
    while let [digit @ b'0'..=b'9', behind @ ..] = rest {
        number = number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
        rest = behind;
    }
    (number, rest)
}

/// Any row: with spaces, quotes, exponents, or what is wrong with it.
fn parse(line: &[u8]) -> std::result::Result<Option<(i64, f64)>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "this is not UTF-8".to_owned())?;
    let Some((round, value)) = text.split_once(',') else {
        return if text.trim().is_empty() { Ok(None) } else { Err("1 column instead of 2".to_owned()) };
    };
    let (round, value) = (bare(round), bare(value));
    let number: f64 = value.parse().map_err(|_| match value {
        "" => "there is no value".to_owned(),
        value if value.contains(',') => format!("{} columns instead of 2", value.split(',').count() + 1),
        value => format!("{} is no value", shown(value)),
    })?;
    let number =
        checked(number).map_err(|_| format!("{} is no value: it must be finite and not negative", shown(value)))?;
    let round = round.parse().map_err(|_| format!("{} is no whole number of a round", shown(round)))?;
    Ok(Some((round, number)))
}

/// A field without spaces and quotes around it.
fn bare(field: &str) -> &str {
    let field = field.trim();
    field.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map_or(field, str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_gives_the_same_value_as_the_long_one() {
        let values =
            ["0", "7", "0.1", "123.456", "000123.4500", "999999999999999", "99999999999999.9", "0.000000000000001"];
        let mut seed = 1_u64;
        let random = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{}.{}", seed >> 44, (seed >> 20) & 0xff_ffff)
        });
        for value in values.map(str::to_owned).into_iter().chain(random.take(2000)) {
            let row = format!("12,{value}\r\n");
            let (short, long) = (plain(row.as_bytes()), parse(row.as_bytes()).unwrap());
            assert!(short.is_some(), "{value}");
            assert_eq!(short.map(|(label, it)| (label, it.to_bits())), long.map(|(label, it)| (label, it.to_bits())));
        }
        for odd in [
            "1,1000000000000000",
            "1,0.0000000000000001",
            "1,1e3",
            "1, 2",
            "1,2 ",
            "1,",
            ",1",
            "1",
            "-1,2",
            "1,2,3",
            "1,.5",
        ] {
            assert_eq!(plain(odd.as_bytes()), None, "{odd}");
        }
    }
}

//! Durations, rates and ratios as people write them.

use std::time::Duration;

use crate::error::Error;

/// A parser for a flag: what is wrong, and what would be right.
pub(super) fn flag<T>(parse: fn(&str) -> Result<T, Error>) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| parse(text).map_err(|error| format!("{error}; {}", error.hint()))
}

/// `10s`, `250ms`, `1.5s`, `2m`, `1h`, `50us`.
pub(super) fn duration(text: &str) -> Result<Duration, Error> {
    let wrong = || Error::usage(format!("`{text}` is no duration"), "write a number with its unit: 10s, 250ms, 2m, 1h");
    let split = text.find(|c: char| c.is_ascii_alphabetic() || c == 'µ').ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    // Ten years: whatever is longer is a slip of the keys.
    let total = number * seconds;
    if !(0.0..=3.2e8).contains(&total) {
        return Err(wrong());
    }
    Duration::try_from_secs_f64(total).map_err(|_| wrong())
}

/// `100/s`, `6000/m`, or a plain number per second.
pub(super) fn rate(text: &str) -> Result<f64, Error> {
    let wrong = || Error::usage(format!("`{text}` is no rate"), "write operations in a time: 100/s, 6000/m");
    let (number, seconds) = match text.split_once('/') {
        None | Some((_, "s")) => (text.split('/').next().unwrap_or(text), 1.0),
        Some((number, "m" | "min")) => (number, 60.0),
        Some((number, "h")) => (number, 3600.0),
        Some(_) => return Err(wrong()),
    };
    let rate: f64 = number.trim().parse().map_err(|_| wrong())?;
    if rate.is_finite() && rate > 0.0 { Ok(rate / seconds) } else { Err(wrong()) }
}

/// `95%` or `0.95`.
pub(super) fn ratio(text: &str) -> Result<f64, Error> {
    let wrong =
        || Error::usage(format!("`{text}` is no ratio"), "write a percentage such as 95%, or a number from 0 to 1");
    let value: f64 = match text.strip_suffix('%') {
        Some(number) => number.trim().parse::<f64>().map_err(|_| wrong())? / 100.0,
        None => text.parse().map_err(|_| wrong())?,
    };
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(wrong()) }
}

/// `key=value`.
pub(super) fn pair(text: &str) -> Result<(String, String), Error> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Error::usage(format!("`{text}` is no setting"), "write it as name=value")),
    }
}

/// Numbers of users, rising.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Users(pub(super) Vec<u32>);

/// `1,10,50,100`: two or more numbers of users, in any order.
pub(super) fn users(text: &str) -> Result<Users, Error> {
    const MOST: usize = 20;
    let wrong = || {
        let hint = format!("write 2 to {MOST} different numbers of users, such as 1,10,50,100");
        Error::usage(format!("`{text}` is no scale"), hint)
    };
    let mut users: Vec<u32> = Vec::new();
    for number in text.split(',') {
        users.push(number.trim().parse().ok().filter(|users| *users > 0).ok_or_else(wrong)?);
    }
    let given = users.len();
    users.sort_unstable();
    users.dedup();
    if users.len() == given && (2..=MOST).contains(&given) { Ok(Users(users)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read() {
        assert_eq!(duration("250ms").unwrap(), Duration::from_millis(250));
        assert_eq!(duration("1.5s").unwrap(), Duration::from_millis(1500));
        assert_eq!(duration("2m").unwrap(), Duration::from_mins(2));
        assert!((rate("6000/m").unwrap() - 100.0).abs() < 1e-9);
        assert!((ratio("95%").unwrap() - 0.95).abs() < 1e-9);
        assert_eq!(users("50, 1,10").unwrap().0, [1, 10, 50]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for text in ["", "10", "s", "-1s", "1e400s", "nans", "10 parsecs", "1é"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["", "0/s", "-3/s", "nan/s", "inf", "5/fortnight"] {
            assert!(rate(text).is_err(), "{text}");
        }
        for text in ["", "1", "1,1", "0,5", "1,,2", "1,x", "1,-2", "1,4294967296"] {
            assert!(users(text).is_err(), "{text}");
        }
        for text in ["", "101%", "-1%", "2", "x"] {
            assert!(ratio(text).is_err(), "{text}");
        }
    }
}

//! Run ids: UTC time to the millisecond, commit, four random characters. They sort by time.

/// Makes an id such as `20261121T013244123Z-1a2b3c4d-x7k2`.
///
/// `salt` is anything that differs between two runs started in the same millisecond.
///
/// ```
/// let id = perfkit::record::run_id::make(1_700_000_000_123, Some("1a2b3c4d5e6f"), 7);
/// assert!(id.starts_with("20231114T221320123Z-1a2b3c4d-"));
/// ```
#[must_use]
pub fn make(unix_ms: i64, git_sha: Option<&str>, salt: u64) -> String {
    let time = jiff::Timestamp::from_millisecond(unix_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let sha: String = git_sha.map_or_else(|| "nogit".to_owned(), |sha| sha.chars().take(8).collect());
    format!("{}{:03}Z-{sha}-{}", time.strftime("%Y%m%dT%H%M%S"), unix_ms.rem_euclid(1000), letters(salt))
}

/// Four characters of base 36.
fn letters(salt: u64) -> String {
    const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut rest = salt.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    (0..4)
        .map(|_| {
            let letter = ALPHABET[(rest % 36) as usize];
            rest /= 36;
            char::from(letter)
        })
        .collect()
}

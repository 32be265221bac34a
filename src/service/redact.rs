//! Takes credentials out of URLs and of texts about them. Refuses to guess: what it cannot take apart with certainty it
//! does not show at all.

use url::Url;

/// Stands for every URL that cannot be taken apart with certainty.
const UNPARSABLE: &str = "<unparsable url>";
/// Stands for every secret.
const HIDDEN: &str = "***";
/// Query keys whose values are no secrets; the values of all others are hidden.
const HARMLESS_KEYS: [&str; 2] = ["db", "protocol"];

/// The URL without user name, password and query values that may be secrets.
pub(crate) fn redact(url: &str) -> String {
    take_apart(url).and_then(hide).unwrap_or_else(|| UNPARSABLE.to_owned())
}

/// `text` without any secret of `url`, whichever way a library or a server may have written it.
pub(super) fn scrub(text: &str, url: &str) -> String {
    let mut clean = if url.is_empty() { text.to_owned() } else { text.replace(url, &redact(url)) };
    for secret in secrets(url) {
        clean = if secret.len() < LONG { replace_word(&clean, &secret) } else { clean.replace(&secret, HIDDEN) };
    }
    clean
}

/// From this length on a secret is hidden wherever it stands. A shorter one is part of ordinary words (the user `u` of
/// "refused"): it is hidden where it stands alone.
const LONG: usize = 5;

fn replace_word(text: &str, word: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let joins = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
        let last = before.chars().next_back().or_else(|| out.chars().next_back());
        out.push_str(before);
        out.push_str(if joins(last) || joins(after.chars().next()) { word } else { HIDDEN });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A URL of which every `@` is accounted for. A password with an unescaped `/`, `?` or `#` moves its rest, and the `@`
/// after it, into the path: such a URL would show half a password.
fn take_apart(text: &str) -> Option<Url> {
    if text.chars().any(char::is_control) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    if url.cannot_be_a_base() {
        return None;
    }
    let is_socket = matches!(url.scheme(), "unix" | "redis+unix" | "valkey+unix");
    let stray = |part: &str| part.contains('@');
    let misplaced =
        (!is_socket && stray(url.path())) || url.query().is_some_and(stray) || url.fragment().is_some_and(stray);
    (!misplaced).then_some(url)
}

/// Replaces what is secret; `None` where the URL does not allow it.
fn hide(mut url: Url) -> Option<String> {
    if !url.username().is_empty() {
        url.set_username(HIDDEN).ok()?;
    }
    if url.password().is_some() {
        url.set_password(Some(HIDDEN)).ok()?;
    }
    if let Some(query) = url.query() {
        let shown: Vec<String> = query.split('&').map(hide_pair).collect();
        url.set_query(Some(&shown.join("&")));
    }
    if url.fragment().is_some_and(|fragment| fragment != "insecure") {
        url.set_fragment(Some(HIDDEN));
    }
    let shown = url.to_string();
    // The parser adds a slash to `http://host`: nobody wrote it, and it is nobody's secret.
    Some(shown.strip_suffix('/').filter(|_| url.path() == "/" && url.query().is_none()).unwrap_or(&shown).to_owned())
}

fn hide_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((key, _)) if HARMLESS_KEYS.contains(&key) => pair.to_owned(),
        Some((key, _)) => format!("{key}={HIDDEN}"),
        None if pair.is_empty() => String::new(),
        None => HIDDEN.to_owned(),
    }
}

/// Every secret of the URL, raw and decoded, longest first so that a part never spoils the whole.
fn secrets(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Some((_, rest)) = text.split_once("://")
        && let Some((user_info, _)) = rest.rsplit_once('@')
    {
        found.extend(user_info.split_once(':').map(|(_, password)| password.to_owned()));
    }
    if let Ok(url) = Url::parse(text) {
        let raw = [Some(url.username()), url.password()].into_iter().flatten();
        let pairs: Vec<_> = url.query_pairs().filter(|(key, _)| !HARMLESS_KEYS.contains(&key.as_ref())).collect();
        for secret in raw {
            found.push(secret.to_owned());
            found.push(decode(secret));
        }
        found.extend(pairs.into_iter().map(|(_, value)| value.into_owned()));
    }
    found.retain(|secret| !secret.is_empty());
    found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    found
}

/// Percent-decoding as the redis crate does it. A query string decodes the same way once `+` is protected.
fn decode(text: &str) -> String {
    let protected = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(protected.as_bytes()).map(|(key, _)| key.into_owned()).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_user_name_spoils_no_word() {
        let text = "connection refused for user u at redis://u:pw@h";
        assert_eq!(scrub(text, "redis://u:pw@h"), "connection refused for user *** at redis://***:***@h");
        assert_eq!(scrub("WRONGPASS long-secretx", "redis://:long-secret@h"), "WRONGPASS ***x");
    }

    #[test]
    fn credentials_are_replaced_and_everything_else_stays() {
        for (url, shown) in [
            ("redis://:s3cret@10.0.0.5:6379", "redis://:***@10.0.0.5:6379"),
            ("redis://user:pass@host:6379/2", "redis://***:***@host:6379/2"),
            ("redis://user@host", "redis://***@host"),
            ("redis://host:6379/2", "redis://host:6379/2"),
            ("redis://127.0.0.1", "redis://127.0.0.1"),
            ("redis://[::1]:6379", "redis://[::1]:6379"),
            ("rediss://user:pass@host:6380/0#insecure", "rediss://***:***@host:6380/0#insecure"),
            ("redis+unix:///var/run/redis.sock", "redis+unix:///var/run/redis.sock"),
            ("unix:///var/run/a@b.sock", "unix:///var/run/a@b.sock"),
            ("redis+unix:///r.sock?db=2&pass=s3cret&user=me", "redis+unix:///r.sock?db=2&pass=***&user=***"),
            ("unix:///r.sock?password=s3cret", "unix:///r.sock?password=***"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("https://user:key@host/v1?api_key=abc", "https://***:***@host/v1?api_key=***"),
            ("redis://host?db=1&protocol=resp3", "redis://host?db=1&protocol=resp3"),
        ] {
            assert_eq!(redact(url), shown, "{url}");
        }
    }

    #[test]
    fn no_part_of_a_difficult_password_is_shown() {
        for password in [
            "can@ary",
            "can:ary",
            "can/ary",
            "can%40ary",
            "can%2Fary",
            "can?ary",
            "can#ary",
            "12/can@ary",
            "12#can",
            "12?ary",
            "@",
            "a b canary",
        ] {
            for url in [
                format!("redis://:{password}@host:6379/0"),
                format!("rediss://user:{password}@host"),
                format!("unix:///r.sock?pass={password}"),
            ] {
                let shown = redact(&url);
                let leaked = ["can", "ary", "12", "user:"].iter().find(|part| shown.contains(**part));
                assert!(leaked.is_none(), "{url} was shown as {shown}");
            }
        }
    }

    #[test]
    fn a_text_that_is_no_url_is_never_shown() {
        for text in [
            "",
            "host:6379",
            "user:canary@host:6379",
            "redis:user:canary@host",
            "redis:/user:canary@host",
            "//canary@host",
            "redis://:can ary@ho st",
            "redis://ho\nst",
            "\u{0}",
            "%%%",
        ] {
            assert_eq!(redact(text), UNPARSABLE, "{text:?}");
        }
    }

    #[test]
    fn a_foreign_text_loses_the_password_in_every_spelling() {
        let url = "redis://admin:p%40ss+wörd@host:6379";
        for spelling in ["p%40ss+wörd", "p@ss+wörd", "p%40ss+w%C3%B6rd", "admin", url] {
            let clean = scrub(&format!("server said <{spelling}>"), url);
            assert!(!clean.contains("ss+w") && !clean.contains("admin"), "{clean}");
        }
        assert_eq!(scrub("no `hunter2` here", "redis://:hun/ter2@h"), "no `hunter2` here");
        assert!(!scrub("bad hun/ter2", "redis://:hun/ter2@h").contains("ter2"));
    }
}

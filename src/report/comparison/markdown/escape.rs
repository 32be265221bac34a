//! Text of unknown origin in Markdown: as a code span, as prose, as a block. It stays on its line and in its cell, and makes no link,
//! no mention, no reference and no HTML.

use crate::report::table::visible;

/// A zero-width space: breaks what GitHub would make of a word after all escapes are gone.
const BREAK: char = '\u{200B}';

/// A code span that may stand in a table: there `|` would end the cell, and `\|` is taken for it.
pub(super) fn code(text: &str) -> String {
    let text = visible(text).replace('|', "\\|");
    if text.trim().is_empty() {
        return "` `".to_owned();
    }
    let fence = "`".repeat(longest_run(&text) + 1);
    // One space on either side is taken away again, and keeps a backtick from the fence.
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ', '\\']) { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A block of code.
pub(super) fn fenced(text: &str) -> String {
    let text = visible(text);
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    format!("{fence}sh\n{text}\n{fence}\n")
}

fn longest_run(text: &str) -> usize {
    text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0)
}

/// A sentence.
pub(super) fn prose(text: &str) -> String {
    let text = visible(text);
    let mut out = String::with_capacity(text.len() + 16);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let next = letters.peek().copied();
        match letter {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '|' | '~' | '$' | '!' => {
                out.push('\\');
                out.push(letter);
            }
            // At the start of a line these would begin a list or a rule.
            '-' | '+' | '=' if out.is_empty() => out.extend(['\\', letter]),
            '.' | ')' if !out.is_empty() && out.bytes().all(|byte| byte.is_ascii_digit()) => out.extend(['\\', letter]),
            '&' => out.push_str("&amp;"),
            '#' => {
                out.push_str("\\#");
                out.push(BREAK);
            }
            '@' => out.extend(['@', BREAK]),
            ':' if next == Some('/') => out.extend([':', BREAK]),
            '.' if ends_with(&out, "www") => out.extend([BREAK, '.']),
            '-' if ends_with(&out, "gh") => out.extend([BREAK, '-']),
            _ => out.push(letter),
        }
    }
    out
}

fn ends_with(text: &str, word: &str) -> bool {
    text.len() >= word.len() && text.as_bytes()[text.len() - word.len()..].eq_ignore_ascii_case(word.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_span_is_fenced_by_more_backticks_than_it_holds() {
        assert_eq!(code("latency.p50"), "`latency.p50`");
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code(""), "` `");
    }

    #[test]
    fn a_code_span_stays_in_its_cell_and_on_its_line() {
        assert_eq!(code("a|b"), "`a\\|b`");
        assert_eq!(code("a\\"), "` a\\ `");
        assert_eq!(code("a\n| b |\r\n"), "` a \\| b \\|\u{FFFD}  `");
    }

    #[test]
    fn prose_makes_nothing_of_what_it_holds() {
        assert_eq!(prose("[x](http://y) @team #12"), "\\[x\\](http:\u{200B}//y) @\u{200B}team \\#\u{200B}12");
        assert_eq!(prose("<b>&amp;|`*_"), "\\<b\\>&amp;amp;\\|\\`\\*\\_");
        assert_eq!(prose("WWW.x.org GH-1\n# no"), "WWW\u{200B}.x.org GH\u{200B}-1 \\#\u{200B} no");
        assert_eq!(prose("- no-list"), "\\- no-list");
        assert_eq!(prose("1. no list of 2.5"), "1\\. no list of 2.5");
        assert_eq!(prose("latency.p50 is 2.6 times base"), "latency.p50 is 2.6 times base");
    }
}

//! Finds the requests in what a client sends, each part looked at once. Refuses everything that is not a flat array of
//! bulk strings or a line, and whatever would need unbounded memory.
//!
//! The decoder of `redis-protocol` is not used for requests: it follows nested arrays without a limit of depth, so that
//! a few kilobytes of `*1\r\n` end the process, and it reads an unfinished request again from its start each time.

use std::ops::Range;

use super::refusal::Refusal;

/// Arguments of one request; Redis' own limit.
const MOST_ARGUMENTS: i64 = 1024 * 1024;
/// Bytes of one argument; an eighth of Redis' default.
pub(super) const LONGEST_ARGUMENT: i64 = 64 * 1024 * 1024;
/// Bytes of one request.
const LONGEST_REQUEST: usize = 128 * 1024 * 1024;
/// Bytes of a line: a length, or an inline command.
const LONGEST_LINE: usize = 64 * 1024;

/// Reads one request after the other; keeps what it knows of an unfinished one.
#[derive(Debug, Default)]
pub(super) struct Reader {
    position: usize,
    missing: Option<usize>,
    arguments: Vec<Range<usize>>,
}

impl Reader {
    /// The length of the request at the start of `input` if it is whole. `input` starts with the same request each time
    /// until [`reset`](Self::reset).
    pub(super) fn next(&mut self, input: &[u8]) -> Result<Option<usize>, Refusal> {
        if self.missing.is_none() {
            let Some(line) = self.line(input, "Protocol error: too big inline request")? else {
                return Ok(None);
            };
            let Some(digits) = input[line.clone()].strip_prefix(b"*") else {
                self.split_inline(input, line);
                return Ok(Some(self.position));
            };
            let count = number(digits).filter(|count| *count <= MOST_ARGUMENTS);
            let count = count.ok_or(Refusal::protocol("invalid multibulk length"))?;
            self.missing = Some(usize::try_from(count).unwrap_or(0));
        }
        while self.missing > Some(0) {
            if !self.bulk(input)? {
                return Ok(None);
            }
            self.missing = self.missing.map(|missing| missing - 1);
        }
        Ok(Some(self.position))
    }

    /// The arguments of a whole request.
    pub(super) fn arguments<'a>(&self, input: &'a [u8]) -> Vec<&'a [u8]> {
        self.arguments.iter().map(|range| input.get(range.clone()).unwrap_or_default()).collect()
    }

    /// Makes ready for the next request.
    pub(super) fn reset(&mut self) {
        self.position = 0;
        self.missing = None;
        self.arguments.clear();
        self.arguments.shrink_to(1024);
    }

    /// Reads one bulk string; `false` while it is not whole.
    fn bulk(&mut self, input: &[u8]) -> Result<bool, Refusal> {
        let before = self.position;
        let Some(line) = self.line(input, "Protocol error: too big bulk count string")? else {
            return Ok(false);
        };
        let length = match input[line].split_first() {
            Some((b'$', digits)) => number(digits).filter(|length| (0..=LONGEST_ARGUMENT).contains(length)),
            Some((byte, _)) => {
                let byte = if byte.is_ascii_graphic() { char::from(*byte) } else { ' ' };
                return Err(Refusal::Other(format!("ERR Protocol error: expected '$', got '{byte}'")));
            }
            None => return Err(Refusal::protocol("expected '$', got ' '")),
        };
        let length = length.and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or(Refusal::protocol("invalid bulk length"))?;
        let (start, end) = (self.position, self.position + length);
        if end > LONGEST_REQUEST {
            return Err(Refusal::protocol("too big request"));
        }
        match input.get(end..end + 2) {
            None => {
                self.position = before;
                Ok(false)
            }
            Some(b"\r\n") => {
                self.arguments.push(start..end);
                self.position = end + 2;
                Ok(true)
            }
            Some(_) => Err(Refusal::protocol("expected CRLF after a bulk string")),
        }
    }

    /// The line at the position, without its end, and moves behind it.
    fn line(&mut self, input: &[u8], too_long: &'static str) -> Result<Option<Range<usize>>, Refusal> {
        let rest = input.get(self.position..).unwrap_or_default();
        let searched = &rest[..rest.len().min(LONGEST_LINE)];
        let Some(length) = searched.iter().position(|byte| *byte == b'\n') else {
            let refusal = || Refusal::Other(format!("ERR {too_long}"));
            return if searched.len() < LONGEST_LINE { Ok(None) } else { Err(refusal()) };
        };
        let start = self.position;
        self.position += length + 1;
        let bare = if searched[..length].ends_with(b"\r") { length - 1 } else { length };
        Ok(Some(start..start + bare))
    }

    /// An inline command is split at white space; quoting is not understood.
    fn split_inline(&mut self, input: &[u8], line: Range<usize>) {
        let mut word = None;
        for at in line.clone() {
            match (input[at].is_ascii_whitespace(), word) {
                (false, None) => word = Some(at),
                (true, Some(start)) => {
                    self.arguments.push(start..at);
                    word = None;
                }
                _ => {}
            }
        }
        self.arguments.extend(word.map(|start| start..line.end));
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Length and arguments.
    type Found = (usize, Vec<Vec<u8>>);

    fn read(input: &[u8]) -> Result<Option<Found>, String> {
        let mut reader = Reader::default();
        let length = reader.next(input).map_err(|refusal| refusal.to_string())?;
        Ok(length.map(|length| (length, reader.arguments(input).into_iter().map(<[u8]>::to_vec).collect())))
    }

    #[test]
    fn a_request_is_found_wherever_the_network_cuts_it() {
        let input = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$6\r\na\r\nb\r\n\r\n*1\r\n$4\r\nPING\r\n";
        let mut reader = Reader::default();
        let first = input.len() - b"*1\r\n$4\r\nPING\r\n".len();
        for end in 0..first {
            assert_eq!(reader.next(&input[..end]).unwrap(), None, "cut at {end}");
        }
        assert_eq!(reader.next(input).unwrap(), Some(first));
        assert_eq!(reader.arguments(input), [&b"SET"[..], b"k", b"a\r\nb\r\n"]);
        reader.reset();
        assert_eq!(reader.next(&input[first..]).unwrap(), Some(14));
    }

    #[test]
    fn inline_commands_and_empty_requests_are_understood() {
        assert_eq!(read(b"  PING \t hi\r\nx").unwrap().unwrap(), (13, vec![b"PING".to_vec(), b"hi".to_vec()]));
        for empty in [&b"\r\n"[..], b"\n", b"*0\r\n", b"*-1\r\n"] {
            assert_eq!(read(empty).unwrap().unwrap(), (empty.len(), vec![]));
        }
    }

    #[test]
    fn hostile_input_is_refused_before_it_is_stored() {
        for (input, refusal) in [
            (b"*99999999999\r\n".to_vec(), "invalid multibulk length"),
            (b"*x\r\n".to_vec(), "invalid multibulk length"),
            (b"*1\r\n$99999999999\r\n".to_vec(), "invalid bulk length"),
            (b"*1\r\n$-1\r\n".to_vec(), "invalid bulk length"),
            (b"*1\r\n*1\r\n*1\r\n".to_vec(), "expected '$', got '*'"),
            (b"*1\r\n\r\n".to_vec(), "expected '$', got ' '"),
            (b"*1\r\n$1\r\nabc".to_vec(), "expected CRLF"),
            (vec![b'a'; LONGEST_LINE], "too big inline request"),
            ([b"*1\r\n$".to_vec(), vec![b'1'; LONGEST_LINE]].concat(), "too big bulk count string"),
        ] {
            let error = read(&input).unwrap_err();
            assert!(error.starts_with("ERR Protocol error: ") && error.contains(refusal), "{error}");
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let alphabet = b"*$0123-\r\nAb \xff";
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let input: Vec<u8> = (0..24)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    alphabet[(state >> 33) as usize % alphabet.len()]
                })
                .collect();
            if let Ok(Some((length, _))) = read(&input) {
                assert!(length <= input.len());
            }
        }
    }
}

//! Server-sent events out of a byte stream that may be cut anywhere. Refuses events that never end and broken UTF-8.

/// The most that one event may hold, so that a server that never ends a line cannot fill the memory.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Why a stream is no good.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SseError {
    /// A line or an event without an end.
    #[error("an event of the stream is longer than {EVENT_BYTES_MAX} bytes")]
    TooLong,
    /// Bytes that are no text.
    #[error("the stream is not UTF-8")]
    NotText,
}

/// Reads the `data` of events; other fields, comments and an event that the end cuts off are passed over.
#[derive(Debug, Default)]
pub(super) struct SseParser {
    /// The start of a line whose end has not come yet.
    line: Vec<u8>,
    /// The data lines of the event so far, each with a line feed after it.
    data: Vec<u8>,
    /// The last byte was a carriage return: a line feed now belongs to it.
    after_return: bool,
}

impl SseParser {
    /// Takes the next bytes and gives each event that they complete to `on_event`.
    ///
    /// # Errors
    /// The stream is no good, or `on_event` refused.
    pub(super) fn push<E: From<SseError>>(
        &mut self,
        mut bytes: &[u8],
        mut on_event: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        if let (true, Some((first, rest))) = (self.after_return, bytes.split_first()) {
            self.after_return = false;
            if *first == b'\n' {
                bytes = rest;
            }
        }
        while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (line, rest) = bytes.split_at(end);
            bytes = match rest {
                [b'\r'] => {
                    self.after_return = true;
                    &[]
                }
                [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
                [] => &[],
            };
            self.take_line(line, &mut on_event)?;
        }
        if self.line.len() + bytes.len() > EVENT_BYTES_MAX {
            return Err(SseError::TooLong.into());
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// One line, of which `self.line` may hold the start.
    fn take_line<E: From<SseError>>(
        &mut self,
        end: &[u8],
        on_event: &mut impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.line.is_empty() {
            return self.take_whole_line(end, on_event);
        }
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(end);
        let result = self.take_whole_line(&line, on_event);
        // The buffer is kept: streams are cut in the middle of lines again and again.
        line.clear();
        self.line = line;
        result
    }

    fn take_whole_line<E: From<SseError>>(
        &mut self,
        line: &[u8],
        on_event: &mut impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        if line.is_empty() {
            return self.dispatch(on_event);
        }
        let value = match line.strip_prefix(b"data") {
            Some([]) => &[],
            Some([b':', b' ', value @ ..] | [b':', value @ ..]) => value,
            _ => return Ok(()),
        };
        if self.data.len() + value.len() > EVENT_BYTES_MAX {
            return Err(SseError::TooLong.into());
        }
        self.data.extend_from_slice(value);
        self.data.push(b'\n');
        Ok(())
    }

    /// An empty line ends an event; one without data is none.
    fn dispatch<E: From<SseError>>(&mut self, on_event: &mut impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
        let Some((_, data)) = self.data.split_last() else { return Ok(()) };
        let result = match std::str::from_utf8(data) {
            Ok(text) => on_event(text),
            Err(_) => Err(SseError::NotText.into()),
        };
        self.data.clear();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a stream that comes in these pieces.
    fn events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<String>, SseError> {
        let mut parser = SseParser::default();
        let mut events = Vec::new();
        for piece in pieces {
            parser.push(piece, |event| {
                events.push(event.to_string());
                Ok::<(), SseError>(())
            })?;
        }
        Ok(events)
    }

    const STREAM: &[u8] =
        "data: one\n\n: comment\r\nevent: x\r\ndata:two\r\ndata:  three\r\n\r\ndata: ü🦀\r\rdata\n\nid: 4\n\n\
                           dataset: no\n\ndata: [DONE]\n\ndata: cut off"
            .as_bytes();

    #[test]
    fn events_come_out_the_same_wherever_the_stream_is_cut() {
        let whole = events([STREAM]).unwrap();
        assert_eq!(whole, ["one", "two\n three", "ü🦀", "", "[DONE]"]);
        for size in 1..STREAM.len() {
            assert_eq!(events(STREAM.chunks(size)).unwrap(), whole, "pieces of {size} bytes");
        }
        for cut in 0..STREAM.len() {
            let (left, right) = STREAM.split_at(cut);
            assert_eq!(events([left, b"", right]).unwrap(), whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_refused() {
        let piece = [b'x'; 4096];
        assert_eq!(events(std::iter::repeat_n(&piece[..], 300)), Err(SseError::TooLong));
    }

    #[test]
    fn an_event_without_an_end_is_refused() {
        let piece = b"data: 0123456789\n".repeat(64);
        assert_eq!(events(std::iter::repeat_n(&piece[..], 2000)), Err(SseError::TooLong));
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        assert_eq!(events([&b"data: \xff\xfe\n\n"[..]]), Err(SseError::NotText));
    }

    #[test]
    fn an_error_of_the_receiver_ends_the_reading() {
        let mut parser = SseParser::default();
        let mut seen = 0;
        let result = parser.push(b"data: 1\n\ndata: 2\n\n", |_| {
            seen += 1;
            Err(SseError::NotText)
        });
        assert_eq!((result, seen), (Err(SseError::NotText), 1));
    }
}

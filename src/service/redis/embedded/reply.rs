//! Makes replies and writes them as RESP2. Refuses to know commands.

use redis_protocol::resp2::encode::encode;
use redis_protocol::resp2::types::{OwnedFrame, Resp2Frame};

/// A reply of the server.
pub(super) type Reply = OwnedFrame;

/// Bytes of the largest reply to one request.
pub(super) const LARGEST: usize = 256 * 1024 * 1024;

/// `+OK`.
pub(super) fn ok() -> Reply {
    simple("OK")
}

/// A short status.
pub(super) fn simple(text: &str) -> Reply {
    Reply::SimpleString(text.as_bytes().to_vec())
}

/// A string of bytes.
pub(super) fn bulk(bytes: &[u8]) -> Reply {
    Reply::BulkString(bytes.to_vec())
}

/// A string of bytes, or nil.
pub(super) fn optional(bytes: Option<Vec<u8>>) -> Reply {
    bytes.map_or(Reply::Null, Reply::BulkString)
}

/// A number of things.
pub(super) fn count(number: usize) -> Reply {
    Reply::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Strings of bytes in a row.
pub(super) fn strings<B: AsRef<[u8]>>(parts: impl IntoIterator<Item = B>) -> Reply {
    Reply::Array(parts.into_iter().map(|part| bulk(part.as_ref())).collect())
}

/// Bytes of the reply on the wire.
pub(super) fn size(reply: &Reply) -> usize {
    reply.encode_len(false)
}

/// Adds the reply to what is sent.
pub(super) fn write(reply: &Reply, output: &mut Vec<u8>) {
    let start = output.len();
    output.resize(start + size(reply), 0);
    let written = output.get_mut(start..).and_then(|space| encode(space, reply, false).ok());
    // The space is as large as the encoder asked for, so it has no reason to fail.
    output.truncate(start + written.unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_written_as_redis_writes_them() {
        let mut output = Vec::new();
        for reply in
            [ok(), count(2), optional(None), Reply::Error("ERR no".into()), strings(["a", ""]), Reply::Array(vec![])]
        {
            write(&reply, &mut output);
        }
        assert_eq!(output, b"+OK\r\n:2\r\n$-1\r\n-ERR no\r\n*2\r\n$1\r\na\r\n$0\r\n\r\n*0\r\n");
    }
}

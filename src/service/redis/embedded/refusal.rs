//! Why a command is refused, in Redis' own words, because clients match on them.

use std::fmt;

use redis_protocol::resp2::types::OwnedFrame;

/// A refused command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The key holds another kind of value.
    WrongType,
    /// The command takes another number of arguments.
    Arity(&'static str),
    /// The command takes other words.
    Syntax,
    /// A number is none, or too large.
    NotInteger,
    /// A score is no number.
    NotFloat,
    /// An end of a range of scores is none.
    NotRange,
    /// A sum does not fit.
    Overflow,
    /// An expiry is not positive, or too far away.
    ExpireTime(&'static str),
    /// The value would be longer than a value may be.
    TooLong,
    /// The stand-in holds as much as it may.
    OutOfMemory,
    /// The reply would be larger than a client is believed to want.
    ReplyTooLarge,
    /// Any other, with its code.
    Fixed(&'static str),
    /// Any other, with its code and something of the request.
    Other(String),
}

impl Refusal {
    /// The bytes are no request; the connection cannot go on.
    pub(super) fn protocol(message: &str) -> Self {
        Self::Other(format!("ERR Protocol error: {message}"))
    }

    /// There is no such command.
    pub(super) fn unknown(arguments: &[&[u8]]) -> Self {
        let (name, rest) = arguments.split_first().map_or((&b""[..], arguments), |(name, rest)| (*name, rest));
        let mut shown = String::new();
        for argument in rest {
            if shown.len() >= 128 {
                break;
            }
            shown.extend(["'", &text(argument, 128 - shown.len()), "' "]);
        }
        Self::Other(format!("ERR unknown command '{}', with args beginning with: {shown}", text(name, 128)))
    }

    /// There is no such subcommand.
    pub(super) fn unknown_subcommand(command: &str, name: &[u8]) -> Self {
        Self::Other(format!("ERR unknown subcommand '{}'. Try {command} HELP.", text(name, 128)))
    }
}

/// Part of a request for a message: an error is one line.
pub(super) fn text(bytes: &[u8], longest: usize) -> String {
    let shown = &bytes[..bytes.len().min(longest)];
    String::from_utf8_lossy(shown).replace(['\r', '\n', '\0'], " ")
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongType => f.write_str("WRONGTYPE Operation against a key holding the wrong kind of value"),
            Self::Arity(name) => write!(f, "ERR wrong number of arguments for '{name}' command"),
            Self::Syntax => f.write_str("ERR syntax error"),
            Self::NotInteger => f.write_str("ERR value is not an integer or out of range"),
            Self::NotFloat => f.write_str("ERR value is not a valid float"),
            Self::NotRange => f.write_str("ERR min or max is not a float"),
            Self::Overflow => f.write_str("ERR increment or decrement would overflow"),
            Self::ExpireTime(name) => write!(f, "ERR invalid expire time in '{name}' command"),
            Self::TooLong => f.write_str("ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
            Self::OutOfMemory => f.write_str("OOM command not allowed when used memory > 'maxmemory'."),
            Self::ReplyTooLarge => f.write_str("ERR the reply is larger than perfkit's embedded server sends"),
            Self::Fixed(message) => f.write_str(message),
            Self::Other(message) => f.write_str(message),
        }
    }
}

impl From<Refusal> for OwnedFrame {
    fn from(refusal: Refusal) -> Self {
        Self::Error(refusal.to_string())
    }
}

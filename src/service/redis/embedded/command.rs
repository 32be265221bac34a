//! The table of commands: names, how many arguments each takes, which keys it changes. Refuses to know what they do.

use std::collections::HashMap;

use super::refusal::Refusal;
use super::reply::Reply;
use super::session::Client;
use super::store::Store;
use super::{connection, hashes, keys, lists, server, sorted_sets, strings};

/// What a command does, given its arguments without its name. Their number was checked.
pub(super) type Run = fn(&mut Call<'_>, &[&[u8]]) -> Result<Reply, Refusal>;

/// What a command may use.
pub(super) struct Call<'a> {
    /// The keys and values.
    pub(super) store: &'a mut Store,
    /// The connection it came on.
    pub(super) client: &'a mut Client,
}

/// Which arguments are keys that the command changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changes {
    /// It changes nothing.
    Nothing,
    /// The first argument, growing by the others.
    First,
    /// Every argument.
    Each,
    /// Every second argument, growing by the others.
    Alternate,
    /// The whole store.
    Everything,
}

/// One command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command {
    /// Its name, lower case.
    pub(super) name: &'static str,
    /// Fewest and most arguments after the name.
    pub(super) arguments: (usize, usize),
    /// Which keys it changes.
    pub(super) changes: Changes,
    /// What it does.
    pub(super) run: Run,
}

/// No upper limit of arguments.
pub(super) const ANY: usize = usize::MAX;

/// A command that changes nothing.
pub(super) const fn reads(name: &'static str, fewest: usize, most: usize, run: Run) -> Command {
    Command { name, arguments: (fewest, most), changes: Changes::Nothing, run }
}

/// A command that changes the key that is its first argument.
pub(super) const fn writes(name: &'static str, fewest: usize, most: usize, run: Run) -> Command {
    Command { name, arguments: (fewest, most), changes: Changes::First, run }
}

/// All commands, by name.
pub(super) struct Commands(HashMap<&'static str, Command>);

impl Commands {
    /// The table.
    pub(super) fn new() -> Self {
        let groups: [&[Command]; 7] = [
            connection::COMMANDS,
            server::COMMANDS,
            keys::COMMANDS,
            strings::COMMANDS,
            lists::COMMANDS,
            hashes::COMMANDS,
            sorted_sets::COMMANDS,
        ];
        Self(groups.concat().into_iter().map(|command| (command.name, command)).collect())
    }

    /// The command that a request means, with the number of its arguments checked.
    pub(super) fn find(&self, request: &[&[u8]]) -> Result<Command, Refusal> {
        let mut lower = [0; 32];
        let name = request.first().copied().unwrap_or_default();
        let command = lower.get_mut(..name.len()).and_then(|lower| {
            lower.copy_from_slice(name);
            lower.make_ascii_lowercase();
            self.0.get(std::str::from_utf8(lower).ok()?)
        });
        let command = *command.ok_or_else(|| Refusal::unknown(request))?;
        let (fewest, most) = command.arguments;
        if (fewest..=most).contains(&(request.len() - 1)) { Ok(command) } else { Err(Refusal::Arity(command.name)) }
    }
}

impl Command {
    /// Runs it, after asking for the memory it may need, and marks what it changed.
    pub(super) fn call(&self, call: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
        if matches!(self.changes, Changes::First | Changes::Alternate) {
            call.store.charge(arguments)?;
        }
        let reply = (self.run)(call, arguments)?;
        match self.changes {
            Changes::Nothing => {}
            Changes::First => arguments.iter().take(1).for_each(|key| call.store.touch(key)),
            Changes::Each => arguments.iter().for_each(|key| call.store.touch(key)),
            Changes::Alternate => arguments.iter().step_by(2).for_each(|key| call.store.touch(key)),
            Changes::Everything => call.store.touch_all(),
        }
        Ok(reply)
    }
}

#[cfg(test)]
mod tests {
    use super::super::session::Session;
    use super::*;

    #[test]
    fn no_arguments_make_a_command_panic() {
        let commands = Commands::new();
        let mut names: Vec<&str> = commands.0.keys().copied().collect();
        names.sort_unstable();
        let words: [&[u8]; 24] = [
            b"",
            b"k",
            b"l",
            b"z",
            b"h",
            b"0",
            b"-1",
            b"1",
            b"9223372036854775807",
            b"-9223372036854775808",
            b"1.5",
            b"inf",
            b"(1",
            b"\xff\r\n",
            b"EX",
            b"PX",
            b"NX",
            b"GET",
            b"LIMIT",
            b"BYSCORE",
            b"REV",
            b"WITHSCORES",
            b"CH",
            b"AUTH",
        ];
        let (mut session, mut store) = (Session::new(1), Store::new());
        let mut state = 7_u64;
        let mut below = |limit: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % limit
        };
        let mut refused = 0;
        for _ in 0..100_000 {
            let mut request = vec![names[below(names.len())].as_bytes()];
            (0..below(7)).for_each(|_| request.push(words[below(words.len())]));
            let reply = session.execute(&mut store, &commands, &request);
            if let Reply::Error(text) = &reply {
                refused += 1;
                assert!(!text.contains(['\r', '\n']), "an error of two lines: {text:?}");
            }
            let mut output = Vec::new();
            super::super::reply::write(&reply, &mut output);
            assert!(output.ends_with(b"\r\n"), "{reply:?}");
        }
        assert!((10_000..95_000).contains(&refused), "{refused}");
    }
}

//! Keys, values, expiry, and who watches what. Refuses to grow beyond a limit, and to look at a clock of its own.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use super::refusal::Refusal;
use super::sorted_sets::SortedSet;

/// Bytes that all keys and values may take.
const LIMIT: usize = 1024 * 1024 * 1024;
/// What a key or an element costs beside its bytes.
const OVERHEAD: usize = 64;

/// How often a watched key was changed.
pub(super) type Revision = u64;
/// A list.
pub(super) type List = VecDeque<Vec<u8>>;
/// A hash; sorted by field, so that the order of a reply is the same in every run.
pub(super) type Hash = BTreeMap<Vec<u8>, Vec<u8>>;

/// What a key holds.
#[derive(Debug)]
pub(super) enum Value {
    /// A string of bytes.
    Text(Vec<u8>),
    /// A list.
    List(List),
    /// A hash.
    Hash(Hash),
    /// A sorted set.
    SortedSet(SortedSet),
}

/// A type of value, for access by type.
pub(super) trait Kind: Default {
    /// The value, if it is of this type.
    fn of(value: &Value) -> Option<&Self>;
    /// The value, if it is of this type, to change it.
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    /// As a value.
    fn wrap(self) -> Value;
    /// Whether a key that holds it is to be removed.
    fn is_spent(&self) -> bool;
}

macro_rules! kind {
    ($type:ty, $variant:ident, $spent:expr) => {
        impl Kind for $type {
            fn of(value: &Value) -> Option<&Self> {
                if let Value::$variant(inner) = value { Some(inner) } else { None }
            }
            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                if let Value::$variant(inner) = value { Some(inner) } else { None }
            }
            fn wrap(self) -> Value {
                Value::$variant(self)
            }
            fn is_spent(&self) -> bool {
                let spent: fn(&$type) -> bool = $spent;
                spent(self)
            }
        }
    };
}

kind!(Vec<u8>, Text, |_| false);
kind!(List, List, List::is_empty);
kind!(Hash, Hash, Hash::is_empty);
kind!(SortedSet, SortedSet, SortedSet::is_empty);

/// What becomes of the expiry of a key that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// It stays as it is.
    Keep,
    /// It lives until it is removed.
    Never,
    /// It is removed then.
    At(Instant),
}

#[derive(Debug)]
struct Entry {
    value: Value,
    expires: Option<Instant>,
}

/// The keys and values.
#[derive(Debug)]
pub(super) struct Store {
    entries: HashMap<Vec<u8>, Entry>,
    deadlines: BTreeSet<(Instant, Vec<u8>)>,
    watched: HashMap<Vec<u8>, Watched>,
    now: Instant,
    /// Not less than what is stored: grows with every write, and is counted again when it reaches the limit.
    at_most: usize,
    limit: usize,
}

#[derive(Debug, Default)]
struct Watched {
    revision: Revision,
    watchers: usize,
}

impl Store {
    /// An empty store.
    pub(super) fn new() -> Self {
        Self::with_limit(LIMIT)
    }

    fn with_limit(limit: usize) -> Self {
        let (entries, watched) = (HashMap::new(), HashMap::new());
        Self { entries, deadlines: BTreeSet::new(), watched, now: Instant::now(), at_most: 0, limit }
    }

    /// Sets the time and removes what has expired by then.
    pub(super) fn advance_to(&mut self, now: Instant) {
        self.now = now;
        while self.deadlines.first().is_some_and(|(deadline, _)| *deadline <= now) {
            if let Some((_, key)) = self.deadlines.pop_first() {
                self.entries.remove(&key);
                self.touch(&key);
            }
        }
    }

    /// The time of this command.
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// The number of keys.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Removes everything.
    pub(super) fn clear(&mut self) {
        self.entries = HashMap::new();
        self.deadlines = BTreeSet::new();
        self.at_most = 0;
    }

    /// Whatever the key holds.
    pub(super) fn value(&self, key: &[u8]) -> Option<&Value> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// What the key holds, if it is of this type.
    pub(super) fn read<T: Kind>(&self, key: &[u8]) -> Result<Option<&T>, Refusal> {
        self.value(key).map(|value| T::of(value).ok_or(Refusal::WrongType)).transpose()
    }

    /// Lets `change` change what the key holds; `None` if it holds nothing. A value that is empty then is removed.
    pub(super) fn change<T: Kind, R>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<Option<R>, Refusal> {
        let Some(entry) = self.entries.get_mut(key) else { return Ok(None) };
        let value = T::of_mut(&mut entry.value).ok_or(Refusal::WrongType)?;
        let result = change(value);
        if value.is_spent() {
            self.remove(key);
        }
        Ok(Some(result))
    }

    /// Like [`change`](Self::change), on a new empty value if the key holds nothing.
    pub(super) fn upsert<T: Kind, R>(&mut self, key: &[u8], change: impl FnOnce(&mut T) -> R) -> Result<R, Refusal> {
        if !self.entries.contains_key(key) {
            let mut value = T::default();
            let result = change(&mut value);
            if !value.is_spent() {
                self.entries.insert(key.to_vec(), Entry { value: value.wrap(), expires: None });
            }
            return Ok(result);
        }
        self.change(key, change)?.ok_or(Refusal::WrongType)
    }

    /// Sets the key to a string, whatever it held.
    pub(super) fn set(&mut self, key: &[u8], text: Vec<u8>, expiry: Expiry) {
        match self.entries.get_mut(key) {
            Some(entry) => entry.value = Value::Text(text),
            None => {
                self.entries.insert(key.to_vec(), Entry { value: Value::Text(text), expires: None });
            }
        }
        match expiry {
            Expiry::Keep => {}
            Expiry::Never => self.set_deadline(key, None),
            Expiry::At(deadline) => self.set_deadline(key, Some(deadline)),
        }
    }

    /// Removes the key; whether it was there.
    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        self.set_deadline(key, None);
        self.entries.remove(key).is_some()
    }

    /// When the key expires, if it is there.
    pub(super) fn expiry(&self, key: &[u8]) -> Option<Expiry> {
        self.entries.get(key).map(|entry| entry.expires.map_or(Expiry::Never, Expiry::At))
    }

    /// Sets when the key expires, if it is there.
    pub(super) fn set_deadline(&mut self, key: &[u8], deadline: Option<Instant>) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if let Some(previous) = std::mem::replace(&mut entry.expires, deadline) {
            self.deadlines.remove(&(previous, key.to_vec()));
        }
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, key.to_vec()));
        }
    }

    /// Asks for the memory of these arguments.
    pub(super) fn charge(&mut self, arguments: &[&[u8]]) -> Result<(), Refusal> {
        let bytes: usize = arguments.iter().map(|argument| argument.len() + OVERHEAD).sum();
        if self.at_most.saturating_add(bytes) > self.limit {
            // Counting is slow: once nine tenths are really used, it is not worth asking again for what remains.
            let used = self.entries.iter().map(|(key, entry)| key.len() + OVERHEAD + size(&entry.value)).sum();
            self.at_most = used;
            if used > self.limit / 10 * 9 || used.saturating_add(bytes) > self.limit {
                self.at_most = self.limit;
                return Err(Refusal::OutOfMemory);
            }
        }
        self.at_most += bytes;
        Ok(())
    }

    /// The key was changed.
    pub(super) fn touch(&mut self, key: &[u8]) {
        if let Some(watched) = self.watched.get_mut(key) {
            watched.revision += 1;
        }
    }

    /// Every key was changed.
    pub(super) fn touch_all(&mut self) {
        self.watched.values_mut().for_each(|watched| watched.revision += 1);
    }

    /// Counts the changes of the key from now on.
    pub(super) fn watch(&mut self, key: &[u8]) -> Revision {
        let watched = self.watched.entry(key.to_vec()).or_default();
        watched.watchers += 1;
        watched.revision
    }

    /// One less is interested.
    pub(super) fn unwatch(&mut self, key: &[u8]) {
        if let Some(watched) = self.watched.get_mut(key) {
            watched.watchers = watched.watchers.saturating_sub(1);
            if watched.watchers == 0 {
                self.watched.remove(key);
            }
        }
    }

    /// How often a watched key was changed.
    pub(super) fn revision(&self, key: &[u8]) -> Revision {
        self.watched.get(key).map_or(0, |watched| watched.revision)
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::List(list) => list.iter().map(|element| element.len() + OVERHEAD).sum(),
        Value::Hash(hash) => hash.iter().map(|(field, value)| field.len() + value.len() + OVERHEAD).sum(),
        // Each member is kept twice: by name and by score.
        Value::SortedSet(set) => set.members().map(|member| 2 * (member.len() + OVERHEAD)).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_key_is_gone_at_its_deadline_and_not_before() {
        let mut store = Store::new();
        let start = store.now();
        let almost = start + Duration::from_millis(9);
        let deadline = start + Duration::from_millis(10);
        store.set(b"k", b"v".to_vec(), Expiry::At(deadline));
        store.advance_to(almost);
        assert_eq!(store.len(), 1);
        store.set(b"k", b"w".to_vec(), Expiry::Keep);
        store.advance_to(deadline);
        assert_eq!(store.len(), 0);
        store.set(b"k", b"v".to_vec(), Expiry::At(deadline + Duration::from_secs(1)));
        store.set(b"k", b"v".to_vec(), Expiry::Never);
        store.advance_to(deadline + Duration::from_secs(2));
        assert_eq!((store.len(), store.deadlines.len()), (1, 0));
    }

    #[test]
    fn it_does_not_grow_beyond_its_limit_and_recovers_when_keys_are_removed() {
        let mut store = Store::with_limit(10_000);
        let value = [0_u8; 100];
        let mut written = 0;
        for number in 0..1000_u32 {
            let key = number.to_be_bytes();
            if store.charge(&[&key, &value]).is_err() {
                break;
            }
            store.set(&key, value.to_vec(), Expiry::Never);
            written += 1;
        }
        assert!((20..100).contains(&written), "{written}");
        for number in 0..written {
            store.remove(&u32::to_be_bytes(number));
        }
        assert_eq!(store.charge(&[&value]), Ok(()));
    }

    #[test]
    fn writing_the_same_key_again_and_again_does_not_use_up_the_limit() {
        let mut store = Store::with_limit(10_000);
        for _ in 0..10_000 {
            store.charge(&[b"k", &[0; 100]]).unwrap();
            store.set(b"k", vec![0; 100], Expiry::Never);
        }
    }
}

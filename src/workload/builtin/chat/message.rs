//! What the users say: messages made from a seed and a counter, the same in every run. Refuses any other randomness.

use super::words::WORDS;

/// The increment of `SplitMix64`, which spreads neighbouring counters over the whole range.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The seed of the questions that many users ask; the same for all users, so that their answers can be cached.
const FREQUENT_SEED: u64 = u64::from_be_bytes(*b"frequent");

/// How many such questions there are. Few, so that the cache has seen them all soon after the start.
const FREQUENT_QUESTIONS: u64 = 16;

/// The shortest message, in words.
const WORDS_MIN: u64 = 20;

/// The longest message, in words.
const WORDS_MAX: u64 = 120;

/// The messages of one user, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Messages {
    seed: u64,
    counter: u64,
    repeat: f64,
}

impl Messages {
    /// The messages of the user with this seed; the share `repeat` of them are questions that others ask too.
    pub(super) fn new(seed: u64, repeat: f64) -> Self {
        Self { seed, counter: 0, repeat }
    }

    /// The next message.
    pub(super) fn next_message(&mut self) -> String {
        self.counter = self.counter.wrapping_add(1);
        let mut random = SplitMix64::new(self.seed ^ self.counter.wrapping_mul(GOLDEN));
        if random.share() < self.repeat {
            let question = random.below(FREQUENT_QUESTIONS);
            random = SplitMix64::new(FREQUENT_SEED ^ question.wrapping_mul(GOLDEN));
        }
        sentence(&mut random)
    }
}

/// A text of [`WORDS_MIN`] to [`WORDS_MAX`] words.
fn sentence(random: &mut SplitMix64) -> String {
    let count = WORDS_MIN + random.below(WORDS_MAX - WORDS_MIN + 1);
    let mut text = String::with_capacity(1024);
    for _ in 0..count {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(random.pick(&WORDS));
    }
    text.push('?');
    text
}

/// The `SplitMix64` generator: small, fast, and good for any seed.
#[derive(Clone, Debug)]
struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`. The high half of the product is as even as these small bounds need.
    fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// A number from 0 to below 1.
    fn share(&mut self) -> f64 {
        // 32 bits are exact in a double and finer than any share that somebody sets.
        let bits = u32::try_from(self.next() >> 32).unwrap_or(0);
        f64::from(bits) / 4_294_967_296.0
    }

    /// One of the words.
    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let index = self.below(words.len() as u64);
        usize::try_from(index).ok().and_then(|index| words.get(index)).copied().unwrap_or_default()
    }
}

/// The mark with which the stand-in for the LLM begins its reply to `message`: `re:` and the 32-bit FNV-1a hash.
pub(super) fn echo_mark(message: &str) -> String {
    let hash = message.bytes().fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("re:{hash:08x}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn take(seed: u64, repeat: f64, count: usize) -> Vec<String> {
        let mut messages = Messages::new(seed, repeat);
        (0..count).map(|_| messages.next_message()).collect()
    }

    #[test]
    fn the_same_seed_says_the_same() {
        assert_eq!(take(7, 0.2, 200), take(7, 0.2, 200));
        assert_ne!(take(7, 0.2, 200), take(8, 0.2, 200));
    }

    #[test]
    fn messages_have_between_20_and_120_words() {
        for message in take(3, 0.5, 500) {
            let words = message.split(' ').count();
            assert!((20..=120).contains(&words), "{words} words: {message}");
        }
    }

    #[test]
    fn the_asked_for_share_is_asked_more_than_once() {
        let mut seen = BTreeMap::new();
        for user in 0..50 {
            for message in take(user, 0.2, 40) {
                *seen.entry(message).or_insert(0_u32) += 1;
            }
        }
        let repeated: u32 = seen.values().filter(|count| **count > 1).sum();
        assert!((300..500).contains(&repeated), "{repeated} of 2000");
        assert_eq!(seen.values().filter(|count| **count > 1).count(), 16);
    }

    #[test]
    fn without_repeats_no_message_comes_twice() {
        let mut all = take(1, 0.0, 1000);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 1000);
    }

    #[test]
    fn the_echo_mark_is_fnv_1a_of_32_bits() {
        assert_eq!(echo_mark(""), "re:811c9dc5");
        assert_eq!(echo_mark("a"), "re:e40c292c");
        assert_eq!(echo_mark("foobar"), "re:bf9cf968");
    }
}

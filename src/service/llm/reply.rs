//! What the stand-in answers to a prompt, and when: a pure function of the settings and the prompt. Refuses to know
//! HTTP or a clock.

use std::time::Duration;

use super::Settings;

/// Words without anything that JSON would have to escape; each is one token.
const WORDS: [&str; 32] = [
    " a", " and", " as", " at", " be", " by", " call", " data", " each", " for", " from", " in", " is", " it", " key",
    " list", " more", " no", " node", " not", " of", " on", " one", " queue", " task", " that", " the", " then",
    " time", " to", " wait", " with",
];
/// A delay is at most this many times its median: a log-normal has no end, a test should have one.
const LONGEST_MULTIPLE: f64 = 20.0;

/// The first token of the reply to `prompt`: `re:` and the FNV-1a hash (32 bit) of the prompt in 8 hex digits. A client
/// that compares it knows that it was given the answer to its own question.
pub(crate) fn fingerprint(prompt: &str) -> String {
    let hash = prompt.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("re:{hash:08x}")
}

/// One part of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// When it is sent, counted from the request.
    pub(super) at: Duration,
    /// Its text, which needs no escaping in JSON.
    pub(super) text: String,
}

/// A planned reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    tokens: Vec<Token>,
    outcome: Outcome,
    prompt_tokens: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Text,
    Failure,
}

impl Reply {
    /// The reply to `prompt`, the last message of the user.
    pub(super) fn new(settings: &Settings, prompt: &str) -> Self {
        let mut random = Random::new(settings.seed, prompt);
        // Drawn in any case: failures shall not change the delays of the replies that do not fail.
        let lot = random.next();
        let fails = settings.fail_every.is_some_and(|every| lot.is_multiple_of(u64::from(every)));
        let (fewest, most) = settings.tokens;
        let count = u64::from(fewest) + random.next() % (u64::from(most.saturating_sub(fewest)) + 1);
        let mut at = random.delay(settings.first_token, settings.spread);
        let mut tokens = vec![Token { at, text: fingerprint(prompt) }];
        for _ in 1..count {
            at += random.delay(settings.token_interval, settings.spread);
            tokens.push(Token { at, text: random.word().to_owned() });
        }
        let outcome = if fails { Outcome::Failure } else { Outcome::Text };
        Self { tokens, outcome, prompt_tokens: prompt.split_whitespace().count() }
    }

    /// Whether this prompt is one that fails.
    pub(super) fn is_failure(&self) -> bool {
        self.outcome == Outcome::Failure
    }

    /// The parts in order.
    pub(super) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The whole text.
    pub(super) fn text(&self) -> String {
        self.tokens.iter().map(|token| token.text.as_str()).collect()
    }

    /// When the first token is sent.
    pub(super) fn first_at(&self) -> Duration {
        self.tokens.first().map_or(Duration::ZERO, |token| token.at)
    }

    /// When the last token is sent.
    pub(super) fn duration(&self) -> Duration {
        self.tokens.last().map_or(Duration::ZERO, |token| token.at)
    }

    /// The usage numbers as JSON; a word of the prompt counts as one token.
    pub(super) fn usage(&self) -> serde_json::Value {
        let (prompt, completion) = (self.prompt_tokens, self.tokens.len());
        serde_json::json!({
            "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion
        })
    }
}

/// `SplitMix64`: small, and the same on every machine and in every version, unlike the standard library's hasher.
struct Random(u64);

impl Random {
    fn new(seed: u64, prompt: &str) -> Self {
        let hash = prompt
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mut seeded = Self(seed);
        Self(seeded.next() ^ hash)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Above 0, at most 1, so that it has a logarithm.
    fn unit(&mut self) -> f64 {
        // 53 bits are what a double holds exactly.
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    fn word(&mut self) -> &'static str {
        let index = usize::try_from(self.next() % WORDS.len() as u64).unwrap_or(0);
        WORDS.get(index).copied().unwrap_or(" ")
    }

    /// A log-normal delay: the exponential of a normal number, which is made by Box and Muller's method.
    fn delay(&mut self, median: Duration, sigma: f64) -> Duration {
        let (radius, angle) = ((-2.0 * self.unit().ln()).sqrt(), std::f64::consts::TAU * self.unit());
        let multiple = (sigma * radius * angle.cos()).exp().min(LONGEST_MULTIPLE);
        Duration::try_from_secs_f64(median.as_secs_f64() * multiple).unwrap_or(median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_prompt_give_the_same_reply_for_ever() {
        let settings = Settings::default();
        let reply = Reply::new(&settings, "hello");
        assert_eq!(reply, Reply::new(&settings, "hello"));
        assert_ne!(reply, Reply::new(&settings, "hello!"));
        assert_ne!(reply, Reply::new(&Settings { seed: 2, ..settings }, "hello"));
        // The published test vector of FNV-1a: other programs may compute it too.
        assert_eq!(fingerprint("foobar"), "re:bf9cf968");
        assert_eq!(fingerprint(""), "re:811c9dc5");
        assert!(reply.text().starts_with(&fingerprint("hello")));
    }

    #[test]
    fn delays_have_the_median_and_the_spread_that_were_asked_for() {
        let settings = Settings { spread: 0.5, ..Settings::default() };
        let mut firsts: Vec<f64> =
            (0..20_001).map(|n| Reply::new(&settings, &n.to_string()).first_at().as_secs_f64()).collect();
        firsts.sort_by(f64::total_cmp);
        let median = firsts[10_000];
        assert!((median / 0.015 - 1.0).abs() < 0.03, "{median}");
        // The 84.13th percentile of a log-normal is e^sigma times its median.
        let ratio = firsts[16_827] / median;
        assert!((ratio / 0.5_f64.exp() - 1.0).abs() < 0.05, "{ratio}");
        let constant = Settings { spread: 0.0, ..Settings::default() };
        assert_eq!(Reply::new(&constant, "x").first_at(), constant.first_token);
    }

    #[test]
    fn lengths_cover_the_whole_range_and_nothing_else() {
        let settings = Settings { tokens: (2, 4), ..Settings::default() };
        let mut seen: Vec<usize> = (0..100).map(|n| Reply::new(&settings, &n.to_string()).tokens().len()).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [2, 3, 4]);
    }

    #[test]
    fn about_one_prompt_in_the_given_number_fails() {
        let failures = |every| {
            let settings = Settings { fail_every: every, ..Settings::default() };
            (0..1000).filter(|n| Reply::new(&settings, &n.to_string()).is_failure()).count()
        };
        assert_eq!((failures(None), failures(Some(1))), (0, 1000));
        assert!((70..130).contains(&failures(Some(10))), "{}", failures(Some(10)));
    }
}

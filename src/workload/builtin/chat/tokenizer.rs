//! Text into tokens by the longest piece that fits, in two ways with one result: quick, and as first written.
//! Refuses nothing: a byte that no piece covers is a token of its own.

use std::sync::LazyLock;

use super::words::PIECES;

/// Tokens below this are single bytes; the pieces follow.
const FIRST_PIECE: u32 = 256;

/// The symbols that pieces are made of: a space and the lower-case letters.
const SYMBOLS: usize = 27;

/// No token, and no node.
const NONE: u16 = 0;

static TRIE: LazyLock<Trie> = LazyLock::new(Trie::new);

/// The tokens of `text`, in time linear in its length.
pub(super) fn tokenize(text: &str) -> Vec<u32> {
    let trie = &*TRIE;
    let mut rest = text.as_bytes();
    let mut tokens = Vec::with_capacity(rest.len() / 3);
    while let Some((first, after)) = rest.split_first() {
        if let Some((token, length)) = trie.longest(rest) {
            tokens.push(token);
            rest = rest.get(length..).unwrap_or_default();
        } else {
            tokens.push(u32::from(*first));
            rest = after;
        }
    }
    tokens
}

/// The tokens of `text`, as a first version does it: the whole vocabulary is tried at each place, and what is left of
/// the text is copied after each token. Right, and quadratic.
#[inline(never)]
pub(super) fn naive_tokenize(text: &str) -> Vec<u32> {
    let mut tokens = Vec::new();
    let mut rest = text.to_string();
    while !rest.is_empty() {
        let mut token = None;
        let mut longest = String::new();
        for (candidate, piece) in (FIRST_PIECE..).zip(PIECES.iter()) {
            if rest.starts_with(piece) && piece.len() > longest.len() {
                token = Some(candidate);
                longest = (*piece).to_string();
            }
        }
        if let Some(token) = token {
            tokens.push(token);
        } else {
            longest = rest.chars().take(1).collect();
            tokens.extend(longest.bytes().map(u32::from));
        }
        rest = rest.split_off(longest.len());
    }
    tokens
}

/// One place in the trie.
#[derive(Clone, Copy, Default)]
struct Node {
    /// The next place for each symbol; [`NONE`] where no piece goes on.
    next: [u16; SYMBOLS],
    /// The number of the piece that ends here, from 1.
    piece: u16,
}

/// All pieces by their letters.
struct Trie {
    nodes: Vec<Node>,
}

impl Trie {
    fn new() -> Self {
        let mut trie = Self { nodes: vec![Node::default()] };
        for (piece, number) in PIECES.iter().zip(1..) {
            trie.insert(piece.as_bytes(), number);
        }
        trie
    }

    fn insert(&mut self, piece: &[u8], number: u16) {
        let mut place = 0;
        for symbol in piece.iter().copied().filter_map(symbol) {
            if self.nodes[place].next[symbol] == NONE {
                // The vocabulary is a constant of some thousand letters; a test shows that it fits.
                let Ok(new) = u16::try_from(self.nodes.len()) else { return };
                self.nodes[place].next[symbol] = new;
                self.nodes.push(Node::default());
            }
            place = usize::from(self.nodes[place].next[symbol]);
        }
        self.nodes[place].piece = number;
    }

    /// The longest piece at the start of `text`, with its length.
    fn longest(&self, text: &[u8]) -> Option<(u32, usize)> {
        let mut found = None;
        let mut place = 0;
        for (length, byte) in (1..).zip(text) {
            let Some(symbol) = symbol(*byte) else { break };
            let next = self.nodes[place].next[symbol];
            if next == NONE {
                break;
            }
            place = usize::from(next);
            let piece = self.nodes[place].piece;
            if piece != NONE {
                found = Some((FIRST_PIECE - 1 + u32::from(piece), length));
            }
        }
        found
    }
}

/// The number of a byte that may stand in a piece.
fn symbol(byte: u8) -> Option<usize> {
    match byte {
        b' ' => Some(0),
        b'a'..=b'z' => Some(usize::from(byte - b'a') + 1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Messages;
    use super::*;

    #[test]
    fn every_piece_is_a_token_of_its_own_in_both_ways() {
        for (token, piece) in (FIRST_PIECE..).zip(PIECES) {
            assert!(piece.len() > 1 && piece.bytes().all(|byte| symbol(byte).is_some()), "{piece:?}");
            assert_eq!(tokenize(piece), [token], "{piece:?}");
            assert_eq!(naive_tokenize(piece), [token], "{piece:?}");
        }
    }

    #[test]
    fn both_ways_agree_on_messages() {
        let mut messages = Messages::new(42, 0.0);
        for _ in 0..200 {
            let text = messages.next_message();
            assert_eq!(tokenize(&text), naive_tokenize(&text), "{text:?}");
        }
    }

    #[test]
    fn both_ways_agree_on_any_text() {
        let alphabet: Vec<char> = " abcdehinorstz AZ09\n\r\t.,:?\u{0}\u{7f}äß€漢🦀".chars().collect();
        let mut state = 1_u64;
        for length in 0..400_usize {
            let mut text = String::new();
            for _ in 0..length {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push(alphabet[usize::try_from(state >> 33).unwrap() % alphabet.len()]);
            }
            assert_eq!(tokenize(&text), naive_tokenize(&text), "{text:?}");
        }
    }

    #[test]
    fn the_longest_piece_wins_and_other_bytes_stand_alone() {
        assert_eq!(tokenize(""), [] as [u32; 0]);
        assert_eq!(tokenize("é"), [0xC3, 0xA9]);
        assert_eq!(tokenize(" there").len(), 1, "not ` the` and `re`");
        assert_eq!(tokenize("\n\n"), [10, 10]);
    }
}

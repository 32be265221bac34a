//! The file that dhat and valgrind write (DHAT file version 2): its program points, and the text of its frames taken apart.
//! Looks up no symbol; what the numbers are worth is the readers' to judge.

use serde::Deserialize;

use super::name::short_path;
use super::stacks::Frame;

/// The weights of a program point, in the order of pprof's heap profiles; the peak is perfkit's own addition.
pub(crate) const WEIGHTS: &[(&str, &str)] = &[
    ("alloc_objects", "count"),
    ("alloc_space", "bytes"),
    ("inuse_objects", "count"),
    ("inuse_space", "bytes"),
    ("peak_objects", "count"),
    ("peak_space", "bytes"),
];

/// The file.
#[derive(Deserialize)]
pub(crate) struct File {
    /// Version of the format.
    #[serde(rename = "dhatFileVersion", default)]
    pub(crate) version: Option<u64>,
    /// What was counted: `heap`, `rust-heap`; others count no bytes.
    #[serde(default)]
    pub(crate) mode: Option<String>,
    /// The program points.
    pub(crate) pps: Vec<Point>,
    /// The text of each frame.
    pub(crate) ftbl: Vec<String>,
}

/// One program point; the short names are the format's.
#[derive(Deserialize)]
pub(crate) struct Point {
    /// Bytes it allocated.
    pub(crate) tb: i64,
    /// Blocks it allocated.
    pub(crate) tbk: i64,
    /// Bytes alive when the heap was at its largest.
    #[serde(default)]
    pub(crate) gb: i64,
    /// Blocks alive then.
    #[serde(default)]
    pub(crate) gbk: i64,
    /// Bytes alive at the end.
    #[serde(default)]
    pub(crate) eb: i64,
    /// Blocks alive at the end.
    #[serde(default)]
    pub(crate) ebk: i64,
    /// Its frames, the allocating one first: indexes into the table of frames.
    pub(crate) fs: Vec<usize>,
}

impl Point {
    /// Its numbers in the order of [`WEIGHTS`].
    pub(crate) fn values(&self) -> Vec<i64> {
        vec![self.tbk, self.tb, self.ebk, self.eb, self.gbk, self.gb]
    }
}

/// Whether a frame at the top is the way into the allocator rather than who called it.
pub(crate) fn is_allocator(function: &str) -> bool {
    const PREFIXES: &[&str] = &[
        "alloc::alloc::",
        "<alloc::alloc::",
        "alloc::raw_vec::",
        "<alloc::raw_vec::",
        "<perfkit::probe::heap",
        "perfkit::probe::heap::",
        "<dhat::",
        "backtrace::",
        "dhat::",
        "__rust",
        "__rdl",
        "__rg",
    ];
    PREFIXES.iter().any(|prefix| function.starts_with(prefix)) || function.contains("::__rust_")
}

/// The address and the parts of `0x55d0c0ffee: crate::function (path/file.rs:12:5)`; valgrind leaves out the column, or writes
/// `(in /path/of/module)`. Parts that are not there stay empty.
pub(crate) fn frame(text: &str) -> (u64, Frame) {
    let (address, rest) = match text.split_once(": ") {
        Some((address, rest)) if address.starts_with("0x") => {
            (u64::from_str_radix(&address[2..], 16).unwrap_or(0), rest)
        }
        _ => (0, text),
    };
    let Some((function, place)) = rest.strip_suffix(')').and_then(|rest| rest.rsplit_once(" (")) else {
        return (address, Frame { function: rest.to_owned(), ..Frame::default() });
    };
    let (file, line) = file_and_line(place);
    (address, Frame { function: function.to_owned(), file: file.map(short_path), line })
}

/// `file:line:column` or `file:line`; a module without lines has neither.
fn file_and_line(place: &str) -> (Option<&str>, Option<u32>) {
    let number = |text: &str| text.parse::<u32>().ok();
    let Some((head, last)) = place.rsplit_once(':') else { return (None, None) };
    match head.rsplit_once(':') {
        Some((file, line)) if number(line).is_some() => (Some(file), number(line)),
        _ if number(last).is_some() => (Some(head), number(last)),
        _ => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_apart() {
        let (address, shop) = frame("0x55d0: shop::cart::{{closure}} (src/cart.rs:12:5)");
        assert_eq!((address, shop.function.as_str()), (0x55d0, "shop::cart::{{closure}}"));
        assert_eq!((shop.file.as_deref(), shop.line), (Some("src/cart.rs"), Some(12)));
        assert_eq!(frame("[root]").1.function, "[root]");
        assert_eq!(frame("0x1: ???").1.function, "???");
    }

    #[test]
    fn frames_of_valgrind_have_a_line_without_a_column_or_only_a_module() {
        let (address, named) = frame("0x4AA1D9F: _nl_normalize_codeset (l10nflist.c:332)");
        assert_eq!((address, named.file.as_deref(), named.line), (0x4AA_1D9F, Some("l10nflist.c"), Some(332)));
        let (_, bare) = frame("0x109149: main (in /usr/bin/date)");
        assert_eq!((bare.function.as_str(), bare.file, bare.line), ("main", None, None));
    }
}

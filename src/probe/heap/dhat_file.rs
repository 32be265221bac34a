//! Reads what dhat wrote (DHAT file version 2) into stacks. Frames of the allocator itself are left out.

use std::collections::HashMap;

use serde::Deserialize;

use super::super::symbols::{Symbols, short_path};
use crate::error::BoxError;
use crate::record::stacks::{Frame, Location, Stack, Stacks};

/// The weights, in the order of pprof's heap profiles; the peak is perfkit's own addition.
pub(super) const WEIGHTS: &[(&str, &str)] = &[
    ("alloc_objects", "count"),
    ("alloc_space", "bytes"),
    ("inuse_objects", "count"),
    ("inuse_space", "bytes"),
    ("peak_objects", "count"),
    ("peak_space", "bytes"),
];

#[derive(Deserialize)]
struct File {
    pps: Vec<Point>,
    ftbl: Vec<String>,
}

/// One program point; the short names are the format's.
#[derive(Deserialize)]
struct Point {
    tb: i64,
    tbk: i64,
    #[serde(default)]
    gb: i64,
    #[serde(default)]
    gbk: i64,
    #[serde(default)]
    eb: i64,
    #[serde(default)]
    ebk: i64,
    fs: Vec<usize>,
}

/// Reads the file's text.
pub(super) fn read(text: &[u8]) -> Result<Stacks, BoxError> {
    let file: File = serde_json::from_slice(text)?;
    let symbols = Symbols::load();
    let mut stacks = Stacks::new(WEIGHTS);
    stacks.modules = symbols.modules();
    let frames: Vec<(u64, Frame)> = file.ftbl.iter().map(|text| parse_frame(text)).collect();
    let mut known: HashMap<Vec<usize>, u32> = HashMap::new();
    for point in file.pps {
        let mut path = Vec::new();
        let inside: Vec<usize> = point.fs.iter().copied().filter(|index| *index < frames.len()).collect();
        // Frames of one address are functions inlined into each other: one location.
        for group in inside.chunk_by(|a, b| frames[*a].0 == frames[*b].0 && frames[*a].0 != 0) {
            let kept: Vec<usize> =
                group.iter().copied().filter(|index| !path.is_empty() || !is_allocator(&frames[*index].1.function)).collect();
            if kept.is_empty() {
                continue;
            }
            let index = *known.entry(kept.clone()).or_insert_with(|| {
                let address = frames[kept[0]].0;
                let functions = kept.iter().map(|index| frames[*index].1.clone()).collect();
                stacks.locations.push(Location { address, module: symbols.module_of(address), frames: functions });
                (stacks.locations.len() - 1) as u32
            });
            path.push(index);
        }
        let values = vec![point.tbk, point.tb, point.ebk, point.eb, point.gbk, point.gb];
        stacks.stacks.push(Stack { locations: path, thread: String::new(), values });
    }
    Ok(stacks)
}

/// Whether a frame at the top is the way into the allocator rather than who called it.
fn is_allocator(function: &str) -> bool {
    const PREFIXES: &[&str] = &["alloc::alloc::", "<alloc::alloc::", "alloc::raw_vec::", "<perfkit::probe::heap", "<dhat::", "__rust", "__rdl", "__rg"];
    PREFIXES.iter().any(|prefix| function.starts_with(prefix)) || function.contains("::__rust_")
}

/// `0x55d0c0ffee: crate::function (path/file.rs:12:5)`; parts that are not there stay empty.
fn parse_frame(text: &str) -> (u64, Frame) {
    let (address, rest) = match text.split_once(": ") {
        Some((address, rest)) if address.starts_with("0x") => {
            (u64::from_str_radix(&address[2..], 16).unwrap_or(0), rest)
        }
        _ => (0, text),
    };
    let Some((function, place)) = rest.strip_suffix(')').and_then(|rest| rest.rsplit_once(" (")) else {
        return (address, Frame { function: rest.to_owned(), ..Frame::default() });
    };
    let mut parts = place.rsplitn(3, ':');
    let (_column, line, file) = (parts.next(), parts.next(), parts.next());
    let frame = Frame {
        function: function.to_owned(),
        file: file.map(short_path),
        line: line.and_then(|line| line.parse().ok()),
    };
    (address, frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_apart() {
        let (address, frame) = parse_frame("0x55d0: shop::cart::{{closure}} (src/cart.rs:12:5)");
        assert_eq!(address, 0x55d0);
        assert_eq!(frame.function, "shop::cart::{{closure}}");
        assert_eq!((frame.file.as_deref(), frame.line), (Some("src/cart.rs"), Some(12)));
        assert_eq!(parse_frame("[root]").1.function, "[root]");
        assert_eq!(parse_frame("0x1: ???").1.function, "???");
    }

    #[test]
    fn damaged_files_are_refused_and_odd_ones_survive() {
        assert!(read(b"{}").is_err());
        assert!(read(b"{\"pps\":[{\"tb\":1,\"tbk\":1,\"fs\":[7]}],\"ftbl\":[]}").is_ok());
    }
}

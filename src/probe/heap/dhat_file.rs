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

/// Reads the file's text. Names come from the addresses, as those of the CPU profile do; dhat's own are cut short.
pub(super) fn read(text: &[u8]) -> Result<Stacks, BoxError> {
    let file: File = serde_json::from_slice(text)?;
    let symbols = Symbols::load();
    let mut stacks = Stacks::new(WEIGHTS);
    stacks.modules = symbols.modules();
    let frames: Vec<(u64, Frame)> = file.ftbl.iter().map(|text| parse_frame(text)).collect();
    let mut known: HashMap<(u64, bool, Vec<usize>), Option<u32>> = HashMap::new();
    for point in file.pps {
        let mut path: Vec<u32> = Vec::new();
        let inside: Vec<usize> = point.fs.iter().copied().filter(|index| *index < frames.len()).collect();
        // Frames of one address are functions inlined into each other: one location.
        for group in inside.chunk_by(|a, b| frames[*a].0 == frames[*b].0 && frames[*a].0 != 0) {
            let address = frames[group[0]].0;
            let top = path.is_empty();
            let without_address = if address == 0 { group.to_vec() } else { Vec::new() };
            let index = *known.entry((address, top, without_address)).or_insert_with(|| {
                let mut location = match address {
                    0 => {
                        Location { address, module: None, frames: group.iter().map(|i| frames[*i].1.clone()).collect() }
                    }
                    // dhat records return addresses: the call is the byte before.
                    _ => symbols.locate(address, address - 1),
                };
                if top {
                    let way_in = location.frames.iter().take_while(|frame| is_allocator(&frame.function)).count();
                    location.frames.drain(..way_in);
                }
                (!location.frames.is_empty()).then(|| {
                    stacks.locations.push(location);
                    (stacks.locations.len() - 1) as u32
                })
            });
            path.extend(index);
        }
        let values = vec![point.tbk, point.tb, point.ebk, point.eb, point.gbk, point.gb];
        stacks.stacks.push(Stack { locations: path, thread: String::new(), values });
    }
    Ok(stacks)
}

/// Whether a frame at the top is the way into the allocator rather than who called it.
fn is_allocator(function: &str) -> bool {
    const PREFIXES: &[&str] = &[
        "alloc::alloc::",
        "<alloc::alloc::",
        "alloc::raw_vec::",
        "<alloc::raw_vec::",
        "<perfkit::probe::heap",
        "<dhat::",
        "backtrace::",
        "dhat::",
        "__rust",
        "__rdl",
        "__rg",
    ];
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

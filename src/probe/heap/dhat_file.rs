//! Reads what dhat wrote (DHAT file version 2) into stacks. Frames of the allocator itself are left out.

use std::collections::HashMap;

use super::super::symbols::Symbols;
use crate::error::BoxError;
use crate::record::dhat::{self, WEIGHTS};
use crate::record::stacks::{Frame, Location, Stack, Stacks};

/// Reads the file's text. Names come from the addresses, as those of the CPU profile do; dhat's own are cut short.
pub(super) fn read(text: &[u8]) -> Result<Stacks, BoxError> {
    let file: dhat::File = serde_json::from_slice(text)?;
    let symbols = Symbols::load();
    let mut stacks = Stacks::new(WEIGHTS);
    stacks.modules = symbols.modules();
    let frames: Vec<(u64, Frame)> = file.ftbl.iter().map(|text| dhat::frame(text)).collect();
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
                    let way_in = location.frames.iter().take_while(|frame| dhat::is_allocator(&frame.function)).count();
                    location.frames.drain(..way_in);
                }
                (!location.frames.is_empty()).then(|| {
                    stacks.locations.push(location);
                    (stacks.locations.len() - 1) as u32
                })
            });
            path.extend(index);
        }
        let values = point.values();
        stacks.stacks.push(Stack { locations: path, values, ..Stack::default() });
    }
    Ok(stacks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_files_are_refused_and_odd_ones_survive() {
        assert!(read(b"{}").is_err());
        assert!(read(b"{\"pps\":[{\"tb\":1,\"tbk\":1,\"fs\":[7]}],\"ftbl\":[]}").is_ok());
    }
}

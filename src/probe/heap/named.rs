//! Gives the sites of perfkit's own recorder their names. Frames of the allocator and of the recorder itself are left out.

use std::collections::HashMap;

use super::sites::Site;
use crate::probe::phases::mark;
use crate::probe::symbols::Symbols;
use crate::record::dhat::is_allocator;
use crate::record::name::spawn_site;
use crate::record::stacks::{OUTSIDE_PHASES, OUTSIDE_TASKS, Stack, Stacks};

/// Stacks with names, in the making.
pub(super) struct Named {
    pub(super) stacks: Stacks,
    symbols: Symbols,
    /// The location of an address; `None` where all its frames are the allocator's. At the top of a stack that is another question
    /// than within.
    known: HashMap<(u64, bool), Option<u32>>,
}

impl Named {
    /// Reads what is mapped.
    pub(super) fn load(weights: &[(&str, &str)]) -> Self {
        let symbols = Symbols::load();
        let mut stacks = Stacks::new(weights);
        stacks.modules = symbols.modules();
        Self { stacks, symbols, known: HashMap::new() }
    }

    /// The stack of a site, with these numbers.
    pub(super) fn stack(&mut self, site: &Site, values: Vec<i64>) -> Stack {
        let mut locations = Vec::with_capacity(site.addresses.len());
        for (depth, address) in site.addresses.iter().enumerate() {
            // All but the first are where a call returns to: the call is the byte before.
            let lookup = if depth == 0 { *address } else { address - 1 };
            locations.extend(self.location(*address, lookup, locations.is_empty()));
        }
        let task = match site.task {
            Some(at) => spawn_site(at),
            None if cfg!(tokio_unstable) => OUTSIDE_TASKS.to_owned(),
            None => String::new(),
        };
        let phase = match site.phase {
            Some(phase) => phase.name().to_owned(),
            None if mark::is_installed() => OUTSIDE_PHASES.to_owned(),
            None => String::new(),
        };
        Stack { locations, task, phase, values, ..Stack::default() }
    }

    fn location(&mut self, address: u64, lookup: u64, top: bool) -> Option<u32> {
        if let Some(known) = self.known.get(&(address, top)) {
            return *known;
        }
        let mut location = self.symbols.locate(address, lookup);
        if top {
            let way_in = location.frames.iter().take_while(|frame| is_allocator(&frame.function)).count();
            location.frames.drain(..way_in);
        }
        let index = (!location.frames.is_empty()).then(|| {
            self.stacks.locations.push(location);
            (self.stacks.locations.len() - 1) as u32
        });
        self.known.insert((address, top), index);
        index
    }
}

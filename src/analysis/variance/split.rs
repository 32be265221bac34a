//! One operation's latency, split into components that add up to it exactly. Decides once, for all operations, what the
//! components are; refuses to guess where a time that nobody watched went: that is `unattributed`.
//!
//! * `lateness`: from due to start.
//! * Each phase: its own time, that of the phases inside it taken out. Where the columns tell a phase's states it is three
//!   components: `redis.get/busy`, `/scheduled`, `/idle`.
//! * `operation/busy`, `/scheduled`, `/idle`: what the operation's future did outside phases. Only where there are no phases, or
//!   the states of all of them are known: else nobody knows how much of it the phases have already.
//! * `unattributed`: the rest.
//!
//! Where an operation's phases are longer than itself they ran in parallel; they are scaled to the time there was.

use super::nesting::{self, Sample};
use crate::record::ops::{Columns, RoundOps, STATES};

/// Operations that are looked at to tell how phases lie: evenly spread over the run.
const SAMPLE: usize = 20_000;
/// Fewer of them where there are many phases: the time this takes grows with the third power of their number.
const MOST_STEPS: usize = 500_000_000;
/// An operation counts as squeezed where its phases are longer than itself by more than this.
const SQUEEZED: f64 = 1.02;

/// A phase as a component.
struct Piece {
    /// Its place among the columns' phases.
    phase: usize,
    children: Vec<usize>,
    root: bool,
    /// Three components, or one.
    states: bool,
    /// Its first component.
    slot: usize,
}

/// Where the phases ran, as seen from the operation's future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In it: its busy time has theirs.
    Inside,
    /// In another task, for which it waited.
    Elsewhere,
}

/// Splits operations.
pub(super) struct Splitter<'a> {
    columns: &'a Columns,
    names: Vec<String>,
    pieces: Vec<Piece>,
    parents: Vec<Option<usize>>,
    /// First of the three components of the operation itself.
    own: Option<usize>,
    place: Place,
}

/// What was split.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole {
    pub(super) latency_ns: f64,
    /// The phases were longer than the operation.
    pub(super) squeezed: bool,
}

/// The first component.
const LATENESS: usize = 0;

impl<'a> Splitter<'a> {
    /// By phases.
    pub(super) fn by_phase(columns: &'a Columns) -> Self {
        Self::new(columns, nesting::parents(&sampled(columns)))
    }

    /// By what the operation's future did; phases are left aside.
    pub(super) fn by_state(columns: &'a Columns) -> Self {
        Self::new(columns, Vec::new())
    }

    fn new(columns: &'a Columns, parents: Vec<Option<usize>>) -> Self {
        let mut names = vec!["lateness".to_owned()];
        let mut pieces = Vec::new();
        for phase in 0..parents.len() {
            let known = &columns.phases()[phase];
            let states = known.states.iter().any(Option::is_some);
            let slot = names.len();
            if states {
                names.extend(STATES.iter().map(|state| format!("{}/{state}", known.name)));
            } else {
                names.push(known.name.clone());
            }
            let children = (0..parents.len()).filter(|child| parents[*child] == Some(phase)).collect();
            pieces.push(Piece { phase, children, root: parents[phase].is_none(), states, slot });
        }
        let own = (columns.all_watched() && pieces.iter().all(|piece| piece.states)).then_some(names.len());
        if own.is_some() {
            names.extend(STATES.iter().map(|state| format!("operation/{state}")));
        }
        names.push("unattributed".to_owned());
        let mut splitter = Self { columns, names, pieces, parents, own, place: Place::Inside };
        if splitter.own.is_some() && !splitter.phases_are_inside() {
            splitter.place = Place::Elsewhere;
        }
        splitter
    }

    /// The components' names.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Pairs of a phase and the one around it.
    pub(super) fn nesting(&self) -> impl Iterator<Item = (&str, &str)> {
        let name = |phase: usize| self.columns.phases()[phase].name.as_str();
        let pair = move |(child, parent): (usize, &Option<usize>)| parent.map(|parent| (name(child), name(parent)));
        self.parents.iter().enumerate().filter_map(pair)
    }

    /// Splits every operation, round by round: calls `each` with the round's place, the operation's place in it, the
    /// operation, and its components.
    pub(super) fn each(&self, mut each: impl FnMut(usize, usize, Whole, &[f64])) {
        let mut out = vec![0.0; self.names.len()];
        for (place, round) in self.columns.rounds().iter().enumerate() {
            for index in 0..round.len() {
                let whole = self.split(round, index, &mut out);
                each(place, index, whole, &out);
            }
        }
    }

    /// Splits one operation into `out`, which has a place for each component.
    fn split(&self, round: &RoundOps, index: usize, out: &mut [f64]) -> Whole {
        out.fill(0.0);
        let latency_ns = round.latency_ns[index];
        let lateness = f64::from(round.lateness_ns[index]).min(latency_ns);
        out[LATENESS] = lateness;
        let service = latency_ns - lateness;
        let cells = round.cells(index);
        let mut taken = 0.0;
        for piece in &self.pieces {
            taken += self.take(piece, cells, out);
        }
        let squeezed = taken > service * SQUEEZED;
        if taken > service {
            let scale = service / taken;
            for piece in &self.pieces {
                let width = if piece.states { STATES.len() } else { 1 };
                out[piece.slot..piece.slot + width].iter_mut().for_each(|part| *part *= scale);
            }
            taken = service;
        }
        if let Some(own) = self.own {
            let states = self.outside(cells, round.states_ns[index]);
            taken += fill(&mut out[own..own + STATES.len()], states, service - taken);
        }
        if let Some(rest) = out.last_mut() {
            *rest = (service - taken).max(0.0);
        }
        Whole { latency_ns, squeezed }
    }

    /// Puts a phase's own time into its components, and gives it back.
    fn take(&self, piece: &Piece, cells: &[f32], out: &mut [f64]) -> f64 {
        let inside: f64 = piece.children.iter().map(|child| self.whole(*child, cells)).sum();
        let own = (self.whole(piece.phase, cells) - inside).max(0.0);
        if !piece.states {
            out[piece.slot] = own;
            return own;
        }
        let mut states = self.states(piece.phase, cells);
        for child in &piece.children {
            for (state, inner) in states.iter_mut().zip(self.states(*child, cells)) {
                *state = (*state - inner).max(0.0);
            }
        }
        let slots = &mut out[piece.slot..piece.slot + STATES.len()];
        let filled = fill(slots, scaled(states, own), own);
        // A phase of which no state is known waited, for all that is known.
        slots[STATES.len() - 1] += own - filled;
        own
    }

    /// All the time of a phase.
    fn whole(&self, phase: usize, cells: &[f32]) -> f64 {
        whole(self.columns, phase, cells)
    }

    /// The states of a phase; all of it is idle that is not known to be otherwise.
    fn states(&self, phase: usize, cells: &[f32]) -> [f64; 3] {
        let known = &self.columns.phases()[phase];
        let [busy, scheduled, idle] = known.states.map(|cell| cell.map(|cell| value(cells, cell)));
        let (busy, scheduled) = (busy.unwrap_or(0.0), scheduled.unwrap_or(0.0));
        let rest = || (self.whole(phase, cells) - busy - scheduled).max(0.0);
        [busy, scheduled, idle.unwrap_or_else(rest)]
    }

    /// What the operation's future did outside the phases.
    fn outside(&self, cells: &[f32], states: [f32; 3]) -> [f64; 3] {
        let mut outside = states.map(f64::from);
        for piece in self.pieces.iter().filter(|piece| piece.root) {
            if self.place == Place::Elsewhere {
                outside[STATES.len() - 1] -= self.whole(piece.phase, cells);
                continue;
            }
            for (state, inner) in outside.iter_mut().zip(self.states(piece.phase, cells)) {
                *state -= inner;
            }
        }
        outside.map(|state| state.max(0.0))
    }

    /// Whether nearly no operation's phases were busier than its future.
    fn phases_are_inside(&self) -> bool {
        let (mut seen, mut busier) = (0_usize, 0_usize);
        for round in self.columns.rounds() {
            let step = round.len().div_ceil(SAMPLE).max(1);
            for index in (0..round.len()).step_by(step) {
                let cells = round.cells(index);
                let roots = self.pieces.iter().filter(|piece| piece.root);
                let busy: f64 = roots.map(|piece| self.states(piece.phase, cells)[0]).sum();
                seen += 1;
                busier += usize::from(busy > f64::from(round.states_ns[index][0]) * SQUEEZED);
            }
        }
        busier * 100 <= seen
    }
}

/// All the time of a phase: its own column, or else its states together.
fn whole(columns: &Columns, phase: usize, cells: &[f32]) -> f64 {
    let known = &columns.phases()[phase];
    match known.whole {
        Some(cell) => value(cells, cell),
        None => known.states.iter().flatten().map(|cell| value(cells, *cell)).sum(),
    }
}

fn value(cells: &[f32], cell: usize) -> f64 {
    cells.get(cell).copied().map_or(0.0, f64::from)
}

/// The states in the same proportion, with this sum; zeros stay zeros.
fn scaled(states: [f64; 3], sum: f64) -> [f64; 3] {
    let all: f64 = states.iter().sum();
    if all > 0.0 { states.map(|state| state * sum / all) } else { states }
}

/// Puts the states into the slots, scaled down where they are more than there is; gives back their sum.
fn fill(slots: &mut [f64], states: [f64; 3], most: f64) -> f64 {
    let all: f64 = states.iter().sum();
    let states = if all > most { scaled(states, most) } else { states };
    slots.iter_mut().zip(states).for_each(|(slot, state)| *slot = state);
    states.iter().sum::<f64>().min(most)
}

/// Operations evenly spread over the run.
fn sampled(columns: &Columns) -> Sample {
    let mut sample = Sample { available: Vec::new(), wholes: Vec::new() };
    let size = (MOST_STEPS / columns.phases().len().pow(3).max(1)).clamp(1, SAMPLE);
    let step = columns.len().div_ceil(size).max(1);
    let places = columns.rounds().iter().flat_map(|round| (0..round.len()).map(move |index| (round, index)));
    for (round, index) in places.step_by(step) {
        let cells = round.cells(index);
        sample.available.push(round.latency_ns[index] - f64::from(round.lateness_ns[index]));
        sample.wholes.push((0..columns.phases().len()).map(|phase| whole(columns, phase, cells)).collect());
    }
    sample
}

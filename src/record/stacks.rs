//! Weighted call stacks with their locations and modules: CPU time, allocated bytes, whatever is charged to call paths.
//! Names are kept true here; making them readable is `name`'s work, escaping them the writers'.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::name;

/// One function in a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Frame {
    /// The demangled name, or `[module]` where there is no symbol.
    pub function: String,
    /// The source file, where debug information tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// A file that was mapped into the process.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Module {
    /// Its path.
    pub path: String,
    /// First address of its executable part in the process.
    pub start: u64,
    /// First address behind it.
    pub limit: u64,
    /// Offset of `start` in the file.
    pub offset: u64,
    /// Whether it is the program itself.
    pub program: bool,
}

/// An address that was on a stack, with the functions that the compiler merged there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The address in the process.
    pub address: u64,
    /// Index into [`Stacks::modules`].
    pub module: Option<u32>,
    /// Innermost first: all but the last are inlined into the next.
    pub frames: Vec<Frame>,
}

/// What one number of a stack counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weight {
    /// `cpu`, `alloc_space`.
    pub name: String,
    /// The unit in pprof's words: `nanoseconds`, `bytes`, `count`.
    pub unit: String,
}

/// The task of a stack whose thread polled none.
pub const OUTSIDE_TASKS: &str = "outside tasks";

/// The phase of a stack whose thread was in none.
pub const OUTSIDE_PHASES: &str = "outside phases";

/// A call path and how much was charged to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    /// Indexes into [`Stacks::locations`], the leaf first.
    pub locations: Vec<u32>,
    /// The thread's name; empty where it is not known.
    pub thread: String,
    /// Where the task was spawned that the thread polled, or [`OUTSIDE_TASKS`]; empty where it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub task: String,
    /// The innermost phase that was entered, or [`OUTSIDE_PHASES`]; empty where it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// One number for each of [`Stacks::weights`].
    pub values: Vec<i64>,
}

/// A set of weighted stacks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stacks {
    /// What each stack's numbers count.
    pub weights: Vec<Weight>,
    /// The files that were mapped.
    pub modules: Vec<Module>,
    /// The addresses that were seen.
    pub locations: Vec<Location>,
    /// The stacks.
    pub stacks: Vec<Stack>,
}

impl Stacks {
    /// An empty set whose numbers count the given things.
    #[must_use]
    pub fn new(weights: &[(&str, &str)]) -> Self {
        let weights = weights.iter().map(|(name, unit)| Weight { name: (*name).into(), unit: (*unit).into() });
        Self { weights: weights.collect(), ..Self::default() }
    }

    /// The position of a weight by its name.
    #[must_use]
    pub fn weight(&self, name: &str) -> Option<usize> {
        self.weights.iter().position(|weight| weight.name == name)
    }

    /// The sum of one weight over all stacks.
    #[must_use]
    pub fn total(&self, weight: usize) -> i64 {
        self.stacks.iter().filter_map(|stack| stack.values.get(weight)).sum()
    }

    /// All frames of a stack, the leaf first, inlined ones included.
    pub fn frames<'a>(&'a self, stack: &'a Stack) -> impl Iterator<Item = (&'a Frame, Option<&'a Module>)> {
        stack.locations.iter().filter_map(|index| self.locations.get(*index as usize)).flat_map(|location| {
            let module = location.module.and_then(|index| self.modules.get(index as usize));
            location.frames.iter().map(move |frame| (frame, module))
        })
    }

    /// Whether a stack is perfkit's own work: from the leaf on, its harness comes before any code of the program.
    #[must_use]
    pub fn is_harness(&self, stack: &Stack) -> bool {
        let of_library = |frame: &Frame| frame.file.as_deref().is_some_and(name::is_library_file);
        let owner = self.frames(stack).map(|(frame, _)| frame).find(|frame| {
            let harness = name::is_harness(&frame.function);
            harness || !(of_library(frame) || name::is_plumbing(&frame.function, true))
        });
        owner.is_some_and(|frame| name::is_harness(&frame.function))
    }

    /// Adds the stacks of another process of the same program.
    ///
    /// Modules are matched by path, and addresses moved to where this set has the module, because every process is
    /// laid out anew. Equal paths are added up.
    pub fn merge(&mut self, other: Stacks) {
        if self.weights.is_empty() {
            self.weights.clone_from(&other.weights);
        }
        let modules = self.merge_modules(&other);
        let locations = self.merge_locations(&other, &modules);
        let way = |path: &[u32], stack: &Stack| {
            (path.to_vec(), stack.thread.clone(), stack.task.clone(), stack.phase.clone())
        };
        let mut known = HashMap::with_capacity(self.stacks.len());
        for (index, stack) in self.stacks.iter().enumerate() {
            known.insert(way(&stack.locations, stack), index);
        }
        for stack in other.stacks {
            let path: Vec<u32> =
                stack.locations.iter().filter_map(|index| locations.get(*index as usize)).copied().collect();
            let key = way(&path, &stack);
            if let Some(&index) = known.get(&key) {
                for (sum, value) in self.stacks[index].values.iter_mut().zip(&stack.values) {
                    *sum += value;
                }
            } else {
                known.insert(key, self.stacks.len());
                self.stacks.push(Stack { locations: path, ..stack });
            }
        }
    }

    /// Finds or adds the other set's modules; the result maps their indexes.
    fn merge_modules(&mut self, other: &Stacks) -> Vec<u32> {
        let mut map = Vec::with_capacity(other.modules.len());
        for module in &other.modules {
            let same = |known: &Module| known.path == module.path && known.offset == module.offset;
            let index = self.modules.iter().position(same).unwrap_or_else(|| {
                self.modules.push(module.clone());
                self.modules.len() - 1
            });
            map.push(index as u32);
        }
        map
    }

    /// Finds or adds the other set's locations; the result maps their indexes.
    fn merge_locations(&mut self, other: &Stacks, modules: &[u32]) -> Vec<u32> {
        let mut known: HashMap<(Option<u32>, u64, Vec<Frame>), u32> = HashMap::with_capacity(self.locations.len());
        for (index, location) in self.locations.iter().enumerate() {
            known.insert((location.module, location.address, location.frames.clone()), index as u32);
        }
        let mut map = Vec::with_capacity(other.locations.len());
        for location in &other.locations {
            let module = location.module.and_then(|index| modules.get(index as usize)).copied();
            let mut address = location.address;
            if let (Some(here), Some(there)) = (
                module.and_then(|index| self.modules.get(index as usize)),
                location.module.and_then(|index| other.modules.get(index as usize)),
            ) {
                address = address.wrapping_sub(there.start).wrapping_add(here.start);
            }
            let key = (module, address, location.frames.clone());
            let index = *known.entry(key).or_insert_with(|| {
                self.locations.push(Location { address, module, frames: location.frames.clone() });
                (self.locations.len() - 1) as u32
            });
            map.push(index);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(start: u64, value: i64) -> Stacks {
        let mut stacks = Stacks::new(&[("cpu", "nanoseconds")]);
        stacks.modules.push(Module { path: "/bin/app".into(), start, limit: start + 0x1000, offset: 0, program: true });
        let frame = Frame { function: "app::hot".into(), file: None, line: Some(3) };
        stacks.locations.push(Location { address: start + 0x10, module: Some(0), frames: vec![frame] });
        stacks.stacks.push(Stack {
            locations: vec![0],
            thread: "main".into(),
            values: vec![value],
            ..Stack::default()
        });
        stacks
    }

    #[test]
    fn processes_that_were_laid_out_differently_add_up() {
        let mut sum = Stacks::default();
        sum.merge(one(0x5000, 2));
        sum.merge(one(0x9000, 3));
        assert_eq!((sum.modules.len(), sum.locations.len(), sum.stacks.len()), (1, 1, 1));
        assert_eq!(sum.total(0), 5);
        // What was charged in another phase stays apart.
        let mut other = one(0x7000, 4);
        other.stacks[0].phase = "redis.get".into();
        sum.merge(other);
        let phases = sum.stacks.iter().map(|stack| (stack.phase.as_str(), stack.values[0]));
        assert_eq!(phases.collect::<Vec<_>>(), [("", 5), ("redis.get", 4)]);
    }
}

//! Writes stacks as a gzipped pprof `profile.proto`: a mapping for each module, one location an address, inlined
//! functions as lines of it, measured weights. Names stay true here.

use std::collections::HashMap;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use pprof::protos::{Function, Label, Line, Location, Mapping, Message, Profile, Sample, ValueType};

use super::stacks::{Frame, Stacks};

/// What the profile says of itself.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// When it was taken, in nanoseconds since 1970.
    pub time_ns: i64,
    /// How long, in nanoseconds.
    pub duration_ns: i64,
    /// Weight units between two stacks, if they were sampled: nanoseconds of CPU time, bytes allocated.
    pub period: i64,
    /// The weight that a viewer shows first.
    pub default_weight: String,
    /// Free text for the profile's comments.
    pub comment: String,
}

/// Writes the gzipped profile.
///
/// # Errors
/// The writer failed.
pub fn write(stacks: &Stacks, about: &About, out: &mut impl Write) -> io::Result<()> {
    let bytes = build(stacks, about).encode_to_vec();
    let mut gzip = GzEncoder::new(out, Compression::default());
    gzip.write_all(&bytes)?;
    gzip.finish()?.flush()
}

/// The string and function tables while a profile is built.
#[derive(Default)]
struct Tables {
    strings: Vec<String>,
    string_ids: HashMap<String, i64>,
    functions: Vec<Function>,
    function_ids: HashMap<(i64, i64), u64>,
}

impl Tables {
    fn new() -> Self {
        let mut tables = Self::default();
        tables.string(""); // the format wants the empty string first
        tables
    }

    fn string(&mut self, text: &str) -> i64 {
        if let Some(id) = self.string_ids.get(text) {
            return *id;
        }
        let id = self.strings.len() as i64;
        self.strings.push(text.to_owned());
        self.string_ids.insert(text.to_owned(), id);
        id
    }

    fn line(&mut self, frame: &Frame) -> Line {
        let name = self.string(&frame.function);
        let filename = self.string(frame.file.as_deref().unwrap_or_default());
        let next = self.functions.len() as u64 + 1;
        let id = *self.function_ids.entry((name, filename)).or_insert(next);
        if id == next {
            self.functions.push(Function { id, name, system_name: name, filename, start_line: 0 });
        }
        Line { function_id: id, line: i64::from(frame.line.unwrap_or(0)) }
    }
}

/// Builds the message.
fn build(stacks: &Stacks, about: &About) -> Profile {
    let mut tables = Tables::new();
    let sample_type: Vec<ValueType> = stacks
        .weights
        .iter()
        .map(|weight| ValueType { ty: tables.string(&weight.name), unit: tables.string(&weight.unit) })
        .collect();
    let mapping = mappings(stacks, &mut tables);
    let location = stacks
        .locations
        .iter()
        .enumerate()
        .map(|(index, location)| Location {
            id: index as u64 + 1,
            mapping_id: location.module.map_or(0, |module| u64::from(module) + 1),
            address: location.address,
            line: location.frames.iter().map(|frame| tables.line(frame)).collect(),
            is_folded: false,
        })
        .collect();
    let keys = ["thread", "task", "phase"].map(|key| tables.string(key));
    let sample = stacks
        .stacks
        .iter()
        .map(|stack| {
            let labels = keys.into_iter().zip([&stack.thread, &stack.task, &stack.phase]);
            let labels = labels.filter(|(_, text)| !text.is_empty());
            let label = labels.map(|(key, text)| Label { key, str: tables.string(text), ..Label::default() }).collect();
            let location_id = stack.locations.iter().map(|index| u64::from(*index) + 1).collect();
            Sample { location_id, value: stack.values.clone(), label }
        })
        .collect();
    let default_sample_type = tables.string(&about.default_weight);
    let comment = if about.comment.is_empty() { Vec::new() } else { vec![tables.string(&about.comment)] };
    let period_type = sample_type.get(stacks.weight(&about.default_weight).unwrap_or(0)).cloned();
    Profile {
        sample_type,
        sample,
        mapping,
        location,
        function: tables.functions,
        string_table: tables.strings,
        time_nanos: about.time_ns,
        duration_nanos: about.duration_ns,
        period_type,
        period: about.period,
        comment,
        default_sample_type,
        ..Profile::default()
    }
}

/// The program's mapping first: viewers take the first as the main binary.
fn mappings(stacks: &Stacks, tables: &mut Tables) -> Vec<Mapping> {
    let mut mappings: Vec<(bool, Mapping)> = Vec::with_capacity(stacks.modules.len());
    for (index, module) in stacks.modules.iter().enumerate() {
        let inside = || stacks.locations.iter().filter(|location| location.module == Some(index as u32));
        let mapping = Mapping {
            id: index as u64 + 1,
            memory_start: module.start,
            memory_limit: module.limit,
            file_offset: module.offset,
            filename: tables.string(&module.path),
            build_id: 0,
            // Told true only where every location has it: a viewer then does not look for symbols again.
            has_functions: inside().all(|location| !location.frames.is_empty()),
            has_filenames: inside().all(|location| location.frames.iter().any(|frame| frame.file.is_some())),
            has_line_numbers: inside().all(|location| location.frames.iter().any(|frame| frame.line.is_some())),
            has_inline_frames: module.program,
        };
        mappings.push((module.program, mapping));
    }
    mappings.sort_by_key(|(program, mapping)| (!program, mapping.id));
    mappings.into_iter().map(|(_, mapping)| mapping).collect()
}

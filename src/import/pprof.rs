//! pprof profiles, gzipped or not, as functions: the weight that the profile shows first. Refuses what points to nothing and what
//! is below zero.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use pprof::protos::{Line, Message, Profile, Sample};

use super::{Meaning, Reader, stem};
use crate::error::{BoxError, Error, Result};
use crate::record::Run;
use crate::record::charge::{self, Charged};
use crate::record::name::short_path;
use crate::record::stacks::{Frame, Location, Module, Stack, Stacks};
use crate::warning::{Caution, Warning};

pub(super) static READER: Reader = Reader {
    name: "pprof",
    about: "pprof's profile.proto (.pb, .pb.gz)",
    recognizes: |path, head| {
        head.starts_with(&MAGIC) || path.extension().is_some_and(|extension| extension == "pb" || extension == "pprof")
    },
    read,
};

const HINT: &str = "of gzipped files only pprof profiles are read; unpack another one first, or take the profile anew";

/// How a gzipped file begins.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A profile larger than this is not unpacked: gzip makes a thousand of one.
const LARGEST: u64 = 1 << 30;

/// The stacks of a profile with the weight that it shows first, and the name of that weight. Threads, tasks and phases are
/// those of the labels that perfkit writes.
///
/// # Errors
/// The file cannot be read, or is no pprof profile.
pub(crate) fn stacks(path: &Path) -> Result<(Stacks, String)> {
    let profile = profile(path)?;
    let parts = Parts::new(&profile);
    let read = parts.shown_first().and_then(|chosen| parts.stacks(chosen));
    read.map_err(|message| Error::read(path, message, HINT))
}

/// The stacks of a profile with the weight of that name; `None` where it has no such weight.
///
/// # Errors
/// The file cannot be read or is no such profile.
pub(crate) fn weighted(path: &Path, weight: &str) -> Result<Option<Stacks>> {
    let profile = profile(path)?;
    let parts = Parts::new(&profile);
    let is_it = |kind: &pprof::protos::ValueType| parts.string(kind.ty).is_ok_and(|name| name == weight);
    let Some(chosen) = profile.sample_type.iter().position(is_it) else { return Ok(None) };
    let read = parts.stacks(chosen).map_err(|message| Error::read(path, message, HINT))?;
    Ok(Some(read.0))
}

fn profile(path: &Path) -> Result<Profile> {
    let wrap = |error: BoxError| Error::read(path, error, HINT);
    let bytes = content(path).map_err(wrap)?;
    Profile::decode(bytes.as_slice()).map_err(|error| wrap(format!("no pprof profile: {error}").into()))
}

fn read(path: &Path, _: &Meaning) -> Result<Run> {
    let (stacks, weight) = stacks(path)?;
    let name = stem(path);
    let workload = name.strip_suffix(".pb").unwrap_or(&name);
    let mut run = Run::foreign(READER.name, path.display().to_string(), workload);
    run.functions = charge::functions(&[Charged { stacks: &stacks, operations: 1.0 }], &weight);
    let unit = stacks.weights.first().map_or("", |weight| &weight.unit);
    run.warnings.push(Warning::from(Caution::ForeignWeights { weight: format!("{weight}, {unit}") }));
    Ok(run)
}

/// The bytes of the message.
fn content(path: &Path) -> std::result::Result<Vec<u8>, BoxError> {
    let mut packed = Vec::new();
    File::open(path)?.read_to_end(&mut packed)?;
    if !packed.starts_with(&MAGIC) {
        return Ok(packed);
    }
    let mut bytes = Vec::new();
    let gzip = MultiGzDecoder::new(packed.as_slice()).take(LARGEST);
    { gzip }.read_to_end(&mut bytes).map_err(|error| format!("damaged gzip: {error}"))?;
    if bytes.len() as u64 == LARGEST {
        return Err(format!("more than {LARGEST} bytes when unpacked").into());
    }
    Ok(bytes)
}

/// The tables of a profile by their ids.
struct Parts<'a> {
    profile: &'a Profile,
    locations: HashMap<u64, u32>,
    functions: HashMap<u64, usize>,
    mappings: HashMap<u64, u32>,
}

impl<'a> Parts<'a> {
    fn new(profile: &'a Profile) -> Self {
        let location = profile.location.iter().enumerate().map(|(index, it)| (it.id, index as u32));
        let function = profile.function.iter().enumerate().map(|(index, it)| (it.id, index));
        let mapping = profile.mapping.iter().enumerate().map(|(index, it)| (it.id, index as u32));
        Self { profile, locations: location.collect(), functions: function.collect(), mappings: mapping.collect() }
    }

    /// The weight that is shown first.
    fn shown_first(&self) -> std::result::Result<usize, String> {
        let types = &self.profile.sample_type;
        let Some(last) = types.len().checked_sub(1) else {
            return Err("no pprof profile: nothing is counted in it".to_owned());
        };
        let default = self.profile.default_sample_type;
        // Viewers show the last one where the profile does not choose.
        Ok(types.iter().position(|kind| default != 0 && kind.ty == default).unwrap_or(last))
    }

    /// The stacks with one of the weights, and its name.
    fn stacks(&self, chosen: usize) -> std::result::Result<(Stacks, String), String> {
        let types = &self.profile.sample_type;
        let (name, unit) = (self.string(types[chosen].ty)?, self.string(types[chosen].unit)?);
        let mut stacks = Stacks::new(&[(name, unit)]);
        for (index, mapping) in self.profile.mapping.iter().enumerate() {
            stacks.modules.push(Module {
                path: self.string(mapping.filename)?.to_owned(),
                start: mapping.memory_start,
                limit: mapping.memory_limit,
                offset: mapping.file_offset,
                program: index == 0,
            });
        }
        for location in &self.profile.location {
            let module = self.mappings.get(&location.mapping_id).copied();
            let mut frames =
                location.line.iter().map(|line| self.frame(line)).collect::<std::result::Result<Vec<_>, _>>()?;
            if frames.is_empty() {
                frames.push(Frame { function: unnamed(&stacks, module), ..Frame::default() });
            }
            stacks.locations.push(Location { address: location.address, module, frames });
        }
        for (index, sample) in self.profile.sample.iter().enumerate() {
            let stack = self.stack(sample, chosen).map_err(|error| format!("sample {}: {error}", index + 1))?;
            stacks.stacks.push(stack);
        }
        Ok((stacks, name.to_owned()))
    }

    fn stack(&self, sample: &Sample, chosen: usize) -> std::result::Result<Stack, String> {
        let (given, wanted) = (sample.value.len(), self.profile.sample_type.len());
        let Some(value) = sample.value.get(chosen).filter(|_| given == wanted) else {
            return Err(format!("{given} values instead of {wanted}"));
        };
        if *value < 0 {
            return Err(format!("`{value}` is negative: it is the difference of two profiles"));
        }
        let place = |id: &u64| self.locations.get(id).copied().ok_or_else(|| format!("there is no location {id}"));
        let locations = sample.location_id.iter().map(place).collect::<std::result::Result<_, _>>()?;
        Ok(Stack {
            locations,
            thread: self.label(sample, "thread")?,
            task: self.label(sample, "task")?,
            phase: self.label(sample, "phase")?,
            values: vec![*value],
        })
    }

    /// The text of a sample's label; empty where it has none.
    fn label(&self, sample: &Sample, key: &str) -> std::result::Result<String, String> {
        for label in &sample.label {
            if self.string(label.key)? == key {
                return self.string(label.str).map(str::to_owned);
            }
        }
        Ok(String::new())
    }

    fn frame(&self, line: &Line) -> std::result::Result<Frame, String> {
        let function = self.functions.get(&line.function_id).map(|index| &self.profile.function[*index]);
        let function = function.ok_or_else(|| format!("there is no function {}", line.function_id))?;
        let name = match self.string(function.name)? {
            "" => self.string(function.system_name)?,
            name => name,
        };
        let file = Some(self.string(function.filename)?).filter(|file| !file.is_empty());
        let number = u32::try_from(line.line).ok().filter(|number| *number > 0);
        Ok(Frame { function: name.to_owned(), file: file.map(short_path), line: number })
    }

    fn string(&self, index: i64) -> std::result::Result<&'a str, String> {
        let text = usize::try_from(index).ok().and_then(|index| self.profile.string_table.get(index));
        // An absent table has no empty string either, but 0 always means one.
        text.map(String::as_str).or((index == 0).then_some("")).ok_or_else(|| format!("there is no string {index}"))
    }
}

/// What stands for an address without a symbol: its module.
fn unnamed(stacks: &Stacks, module: Option<u32>) -> String {
    let path = module.and_then(|index| stacks.modules.get(index as usize)).map_or("unknown", |module| &module.path);
    format!("[{}]", path.rsplit('/').next().unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import;
    use crate::record::pprof::{About, write};
    use std::fs;

    /// As perfkit itself writes a profile: `inner` inlined into `outer`, and an address of libc.
    fn packed() -> Vec<u8> {
        let mut stacks = Stacks::new(&[("samples", "count"), ("cpu", "nanoseconds")]);
        let module =
            |path: &str, program| Module { path: path.into(), start: 0x1000, limit: 0x9000, offset: 0, program };
        stacks.modules = vec![module("/bin/shop", true), module("/lib/libc.so.6", false)];
        let frame = |name: &str| Frame { function: name.into(), file: Some("src/cart.rs".into()), line: Some(7) };
        let frames = vec![frame("shop::inner"), frame("shop::outer")];
        stacks.locations.push(Location { address: 0x1010, module: Some(0), frames });
        stacks.locations.push(Location { address: 0x1020, module: Some(1), frames: Vec::new() });
        stacks.stacks.push(Stack {
            locations: vec![1, 0],
            thread: "main".into(),
            phase: "cart.fill".into(),
            values: vec![1, 40],
            ..Stack::default()
        });
        stacks.stacks.push(Stack { locations: vec![0], values: vec![2, 60], ..Stack::default() });
        let mut bytes = Vec::new();
        write(&stacks, &About { default_weight: "cpu".into(), ..About::default() }, &mut bytes).unwrap();
        bytes
    }

    fn import(name: &str, bytes: &[u8]) -> Result<Run> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        import::read(&path, &Meaning::default())
    }

    fn unpacked() -> Profile {
        let mut bytes = Vec::new();
        MultiGzDecoder::new(packed().as_slice()).read_to_end(&mut bytes).unwrap();
        Profile::decode(bytes.as_slice()).unwrap()
    }

    #[test]
    fn a_profile_of_our_own_is_read_back_whether_packed_or_not() {
        for (name, bytes) in [("cpu.pb.gz", packed()), ("cpu.pb", unpacked().encode_to_vec())] {
            let run = import(name, &bytes).unwrap();
            let of = |name: &str| {
                let function = run.functions.iter().find(|function| function.name == name).unwrap();
                (function.self_ns_per_op[0], function.total_ns_per_op[0])
            };
            assert_eq!((of("shop::inner"), of("shop::outer")), ((60.0, 100.0), (0.0, 100.0)));
            assert_eq!(of("[libc.so.6]"), (40.0, 40.0));
            assert_eq!((run.workload.as_str(), run.load.rounds), ("cpu", 1));
            assert!(run.warnings[0].message.contains("cpu, nanoseconds"), "{:?}", run.warnings);
        }
    }

    #[test]
    fn labels_come_back_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cpu.pb.gz");
        fs::write(&path, packed()).unwrap();
        let (stacks, _) = super::stacks(&path).unwrap();
        let labels = stacks.stacks.iter().map(|it| [&it.thread, &it.task, &it.phase].map(String::as_str));
        assert_eq!(labels.collect::<Vec<_>>(), [["main", "", "cart.fill"], ["", "", ""]]);
    }

    #[test]
    fn the_last_weight_is_taken_where_the_profile_chooses_none() {
        let mut profile = unpacked();
        profile.default_sample_type = 0;
        profile.sample_type.swap(0, 1);
        let run = import("cpu.pb", &profile.encode_to_vec()).unwrap();
        assert!(run.warnings[0].message.contains("samples, count"), "{:?}", run.warnings);
    }

    #[test]
    fn what_points_to_nothing_is_refused() {
        type Damage = fn(&mut Profile);
        let cases: [(Damage, &str); 7] = [
            (|it| it.sample[1].location_id = vec![99], "sample 2: there is no location 99"),
            (|it| it.sample[0].value = vec![1], "sample 1: 1 values instead of 2"),
            (|it| it.sample[0].value = vec![1, -5], "`-5` is negative"),
            (|it| it.function.clear(), "there is no function"),
            (|it| it.string_table.clear(), "there is no string"),
            (|it| it.sample_type.clear(), "nothing is counted"),
            (|it| it.sample.clear(), "there is no result in it"),
        ];
        for (damage, want) in cases {
            let mut profile = unpacked();
            damage(&mut profile);
            let error = import("cpu.pb", &profile.encode_to_vec()).unwrap_err().to_string();
            assert!(error.contains(want), "{want}: {error}");
        }
    }

    #[test]
    fn every_truncation_is_an_error_and_never_a_panic() {
        let whole = packed();
        for length in 1..whole.len() {
            assert!(import("cpu.pb.gz", &whole[..length]).is_err(), "{length}");
        }
        let error = import("cpu.pb.gz", &whole[..whole.len() - 9]).unwrap_err().to_string();
        assert!(error.contains("damaged gzip"), "{error}");
    }
}

//! The heap profiles of dhat and valgrind (DHAT file version 2) as call sites, with the totals as metrics. Refuses profiles that
//! count something other than bytes.

use std::path::Path;

use super::{Meaning, Reader, has_key, json, metric, shown, stem};
use crate::error::{Error, Result};
use crate::record::Run;
use crate::record::charge::{self, Charged};
use crate::record::dhat::{self, Point, WEIGHTS};
use crate::record::stacks::{Location, Stack, Stacks};
use crate::unit::{Better, Unit};

pub(super) static READER: Reader = Reader {
    name: "dhat",
    about: "dhat-heap.json of dhat or valgrind",
    recognizes: |_, head| has_key(head, "dhatFileVersion"),
    read,
};

const HINT: &str = "make the heap profile anew with dhat, or valgrind --tool=dhat";

/// The version that is known.
const VERSION: u64 = 2;

fn read(path: &Path, _: &Meaning) -> Result<Run> {
    let file: dhat::File = json(path, HINT)?;
    let wrong = |message: String| Error::read(path, message, HINT);
    match file.version {
        Some(VERSION) => {}
        Some(other) => return Err(wrong(format!("its version is {other}, not {VERSION}"))),
        None => return Err(wrong("it does not tell its version".to_owned())),
    }
    if let Some(mode) = file.mode.as_ref().filter(|mode| !mode.contains("heap")) {
        return Err(wrong(format!("its mode is {}, not heap: it counts no bytes of the heap", shown(mode))));
    }
    let stacks = stacks(&file).map_err(wrong)?;
    let mut run = Run::foreign(READER.name, path.display().to_string(), stem(path));
    run.sites = charge::sites(&[Charged { stacks: &stacks, operations: 1.0 }]);
    let sum = |of: fn(&Point) -> i64| file.pps.iter().map(|point| of(point) as f64).sum::<f64>();
    let mut total = |name: &str, unit, value| run.metrics.push(metric(name, (unit, Better::Lower), vec![value]));
    total("heap.bytes", Unit::Bytes, sum(|point| point.tb));
    total("heap.blocks", Unit::Count, sum(|point| point.tbk));
    let peak = sum(|point| point.gb);
    // Absent where no lifetimes were recorded.
    if peak > 0.0 {
        total("heap.peak", Unit::Bytes, peak);
    }
    Ok(run)
}

/// The stacks, one location for each frame; the way into the allocator is left out.
fn stacks(file: &dhat::File) -> std::result::Result<Stacks, String> {
    let mut stacks = Stacks::new(WEIGHTS);
    for text in &file.ftbl {
        let (address, frame) = dhat::frame(text);
        stacks.locations.push(Location { address, module: None, frames: vec![frame] });
    }
    for (index, point) in file.pps.iter().enumerate() {
        let values = point.values();
        if let Some(value) = values.iter().find(|value| **value < 0) {
            return Err(format!("program point {}: `{value}` is negative", index + 1));
        }
        if let Some(frame) = point.fs.iter().find(|frame| **frame >= stacks.locations.len()) {
            return Err(format!("program point {}: there is no frame {frame}", index + 1));
        }
        let way_in = |frame: &&usize| dhat::is_allocator(&stacks.locations[**frame].frames[0].function);
        let locations = point.fs.iter().skip_while(way_in).map(|frame| *frame as u32).collect();
        stacks.stacks.push(Stack { locations, values, ..Stack::default() });
    }
    Ok(stacks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import;

    /// As dhat writes it, but for what is not read.
    const TEXT: &str = r#"{"dhatFileVersion":2,"mode":"rust-heap","verb":"Allocated","bklt":true,"bkacc":false,"tu":"µs","Mtu":"s",
        "tuth":10,"cmd":"target/release/shop","pid":7,"tg":100,"te":200,
        "pps":[{"tb":300,"tbk":3,"tl":5,"mb":100,"mbk":1,"gb":100,"gbk":1,"eb":50,"ebk":1,"fs":[1,2,3]},
               {"tb":100,"tbk":1,"tl":5,"mb":100,"mbk":1,"gb":20,"gbk":1,"eb":0,"ebk":0,"fs":[3]}],
        "ftbl":["[root]","0x1: alloc::alloc::alloc (alloc/src/alloc.rs:98:9)","0x2: shop::cart::add (src/cart.rs:12:5)","0x3: shop::main (src/main.rs:3:1)"]}"#;

    fn import(text: &str) -> Result<Run> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dhat-heap.json");
        std::fs::write(&path, text).unwrap();
        import::read(&path, &Meaning::default())
    }

    #[test]
    fn call_sites_and_totals_are_read() {
        let run = import(TEXT).unwrap();
        let value = |name: &str| run.metric(name).unwrap().values.clone();
        assert_eq!(
            (value("heap.bytes"), value("heap.blocks"), value("heap.peak")),
            (vec![400.0], vec![4.0], vec![120.0])
        );
        let site = &run.sites[0];
        assert_eq!((site.stack[0].function.as_str(), site.stack[0].line), ("shop::cart::add", Some(12)));
        assert_eq!((site.bytes_per_op, site.blocks_per_op, site.live_bytes_end), (300.0, 3.0, 50.0));
        assert_eq!((run.sites.len(), run.load.rounds), (2, 1));
    }

    #[test]
    fn without_lifetimes_there_is_no_peak() {
        let text = r#"{"dhatFileVersion":2,"pps":[{"tb":8,"tbk":1,"fs":[]}],"ftbl":["[root]"]}"#;
        assert!(import(text).unwrap().metric("heap.peak").is_none());
    }

    #[test]
    fn what_is_no_heap_profile_of_this_version_is_refused() {
        for (from, to, want) in [
            (":2,", ":3,", "its version is 3, not 2"),
            ("rust-heap", "rust-ad-hoc", "its mode is `rust-ad-hoc`"),
            ("\"fs\":[3]", "\"fs\":[4]", "program point 2: there is no frame 4"),
            ("\"tb\":300", "\"tb\":-300", "program point 1: `-300` is negative"),
            ("\"tb\":300", "\"tb\":\"many\"", "line 3 column"),
            ("\"tb\":300", "\"tb\":99999999999999999999", "line 3 column"),
            ("\"ftbl\"", "\"frames\"", "missing field `ftbl`"),
        ] {
            let error = import(&TEXT.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(want), "{to}: {error}");
        }
    }
}

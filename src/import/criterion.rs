//! criterion's folder: `target/criterion`, one benchmark's folder in it, or that one's `new` or `base`. The samples of a benchmark
//! come from one process, so together they are one round; each is the mean of a batch of iterations, and that is said.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::round::Derived;
use super::{Meaning, Reader, checked, head, json};
use crate::error::{Error, Result};
use crate::record::{Metric, Run};
use crate::unit::{Better, Unit};
use crate::warning::{Caution, Warning};

pub(super) static READER: Reader = Reader {
    name: "criterion",
    about: "criterion's folder target/criterion",
    recognizes: |path, _| path.is_dir(),
    read,
};

const HINT: &str =
    "name target/criterion, a benchmark's folder in it, or that folder's new or base; `cargo bench` makes them";

/// Folders of groups, functions and parameters that lie in each other; criterion makes three.
const DEEPEST: usize = 5;

/// A benchmark: its id, and the folder of its files.
struct Benchmark {
    id: String,
    folder: PathBuf,
}

#[derive(Deserialize)]
struct About {
    full_id: Option<String>,
}

/// What was measured: nanoseconds of each batch, and its iterations.
#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

/// What criterion concluded; before 0.3 with capital letters.
#[derive(Deserialize)]
struct Estimates {
    #[serde(alias = "Mean")]
    mean: Estimate,
    #[serde(alias = "Median")]
    median: Estimate,
    #[serde(alias = "StdDev")]
    std_dev: Option<Estimate>,
    #[serde(alias = "MedianAbsDev")]
    median_abs_dev: Option<Estimate>,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

fn read(path: &Path, _: &Meaning) -> Result<Run> {
    let benchmarks = find(path)?;
    let workload = match benchmarks.as_slice() {
        [] => return Err(Error::read(path, "there is no benchmark of criterion in this folder", HINT)),
        [single] => single.id.clone(),
        _ => folder_name(path),
    };
    let mut run = Run::foreign(READER.name, path.display().to_string(), workload);
    let single = benchmarks.len() == 1;
    for benchmark in benchmarks {
        let name = if single { "latency" } else { &benchmark.id };
        run.metrics.extend(metrics(&benchmark.folder, name)?);
    }
    run.warnings.push(Warning::from(Caution::BatchMeans { by: READER.name }));
    Ok(run)
}

/// The benchmarks of a folder, in the order of their paths.
fn find(path: &Path) -> Result<Vec<Benchmark>> {
    if is_measured(path) {
        let parent = fs::canonicalize(path).ok().and_then(|path| path.parent().map(folder_name));
        let id = id(path)?.or(parent).unwrap_or_default();
        return Ok(vec![Benchmark { id, folder: path.to_path_buf() }]);
    }
    let mut found = Vec::new();
    walk(path, &mut Vec::new(), &mut found)?;
    Ok(found)
}

/// Adds the benchmark of a folder and of those in it; `names` leads there.
fn walk(folder: &Path, names: &mut Vec<String>, found: &mut Vec<Benchmark>) -> Result<()> {
    let new = folder.join("new");
    if is_measured(&new) {
        let by_path = if names.is_empty() { folder_name(folder) } else { names.join("/") };
        found.push(Benchmark { id: id(&new)?.unwrap_or(by_path), folder: new });
    }
    if names.len() == DEEPEST {
        return Ok(());
    }
    let wrap = |error| Error::read(folder, error, HINT);
    let mut inner = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrap)? {
        let entry = entry.map_err(wrap)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // A link could lead back to where it is.
        if entry.file_type().map_err(wrap)?.is_dir() && !matches!(name.as_str(), "new" | "base" | "change" | "report") {
            inner.push((name, entry.path()));
        }
    }
    inner.sort_unstable();
    for (name, path) in inner {
        names.push(name);
        walk(&path, names, found)?;
        names.pop();
    }
    Ok(())
}

fn is_measured(folder: &Path) -> bool {
    folder.join("sample.json").is_file() || folder.join("estimates.json").is_file()
}

/// The id that the benchmark's own file tells.
fn id(folder: &Path) -> Result<Option<String>> {
    let path = folder.join("benchmark.json");
    if !path.is_file() {
        return Ok(None);
    }
    let about: About = json(&path, HINT)?;
    Ok(about.full_id.filter(|id| !id.is_empty()))
}

/// A folder's own name, also of `.` and of one that ends in `..`.
fn folder_name(path: &Path) -> String {
    let whole = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    whole.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The metrics of one benchmark: from its samples, or where it kept none from its estimates.
fn metrics(folder: &Path, name: &str) -> Result<Vec<Metric>> {
    let mut derived = Derived::new(name, Unit::Ns, Better::Lower);
    let path = folder.join("sample.json");
    if path.is_file() {
        let mut values = values(&path)?;
        derived.add_round(&mut values);
        return Ok(derived.metrics());
    }
    let path = folder.join("estimates.json");
    let estimates: Estimates = json(&path, HINT)?;
    let wrong = |error: String| Error::read(&path, error, HINT);
    let point = |estimate: &Estimate| checked(estimate.point_estimate).map_err(wrong);
    let sd = estimates.std_dev.as_ref().map(point).transpose()?;
    // criterion scales it to the standard deviation of a normal distribution; perfkit does not.
    let mad = estimates.median_abs_dev.as_ref().map(point).transpose()?.map(|mad| mad / 1.4826);
    derived.add_row([Some(point(&estimates.mean)?), Some(point(&estimates.median)?), None, None, None, sd, mad]);
    Ok(derived.metrics())
}

/// Nanoseconds of one iteration, for each sample.
fn values(path: &Path) -> Result<Vec<f64>> {
    // Before 0.3 the two lists had no names.
    let sample = if head(path)?.trim_ascii_start().starts_with(b"[") {
        let (iters, times) = json(path, HINT)?;
        Sample { iters, times }
    } else {
        json(path, HINT)?
    };
    let wrong = |message: String| Error::read(path, message, HINT);
    let (batches, times) = (sample.iters.len(), sample.times.len());
    if batches != times {
        return Err(wrong(format!("{times} times but {batches} numbers of iterations")));
    }
    if batches == 0 {
        return Err(wrong("there is no sample".to_owned()));
    }
    let each = |(index, (iters, time)): (usize, (&f64, &f64))| {
        if *iters <= 0.0 {
            return Err(wrong(format!("sample {}: `{iters}` is no number of iterations", index + 1)));
        }
        checked(*time)
            .and_then(|time| checked(time / iters))
            .map_err(|error| wrong(format!("sample {}: {error}", index + 1)))
    };
    sample.iters.iter().zip(&sample.times).enumerate().map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import;
    use tempfile::TempDir;

    /// Three samples of 10, 20 and 30 ns an iteration.
    const SAMPLE: &str = r#"{"sampling_mode":"Linear","iters":[2.0,4.0,6.0],"times":[20.0,80.0,180.0]}"#;

    fn folder(files: &[(&str, &str)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join("criterion").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn import(folder: &TempDir, below: &str) -> Result<Run> {
        import::read(&folder.path().join("criterion").join(below), &Meaning::default())
    }

    fn value(run: &Run, name: &str) -> f64 {
        run.metric(name).unwrap_or_else(|| panic!("no {name}")).values[0]
    }

    #[test]
    fn samples_of_one_process_are_one_round_of_means() {
        let about = r#"{"group_id":"fib","function_id":"fast","value_str":"20","throughput":null,"full_id":"fib/fast/20","directory_name":"fib/fast/20"}"#;
        let folder = folder(&[
            ("fib/fast/20/new/sample.json", SAMPLE),
            ("fib/fast/20/new/benchmark.json", about),
            ("fib/fast/20/base/sample.json", r#"{"iters":[1],"times":[99]}"#),
            ("fib/fast/20/change/estimates.json", "{}"),
            ("report/index.html", ""),
        ]);
        for below in ["", "fib", "fib/fast/20", "fib/fast/20/new"] {
            let run = import(&folder, below).unwrap();
            assert_eq!((run.workload.as_str(), run.load.rounds), ("fib/fast/20", 1), "{below}");
            assert_eq!((value(&run, "latency.mean"), value(&run, "latency.p50")), (20.0, 20.0));
            assert_eq!((value(&run, "latency.sd"), value(&run, "latency.mad")), (10.0, 10.0));
            assert!(value(&run, "latency.p95").is_nan());
            assert_eq!(run.warnings[0].code, "batch-means");
        }
        assert!((value(&import(&folder, "fib/fast/20/base").unwrap(), "latency.mean") - 99.0).abs() < 1e-12);
    }

    #[test]
    fn several_benchmarks_are_told_apart_by_their_ids_or_their_folders() {
        let folder = folder(&[
            ("parse/new/sample.json", SAMPLE),
            ("sort/quick/new/sample.json", SAMPLE),
            ("sort/quick/new/benchmark.json", r#"{"full_id":"sort/quick?"}"#),
            ("sort/report/new/sample.json", SAMPLE),
        ]);
        let run = import(&folder, "").unwrap();
        assert_eq!(run.workload, "criterion");
        assert_eq!((value(&run, "parse.mean"), value(&run, "sort/quick?.p50")), (20.0, 20.0));
        assert_eq!(run.metrics.len(), 14);
    }

    #[test]
    fn files_of_criterion_0_2_are_read() {
        let estimates = r#"{"Mean":{"confidence_interval":{"confidence_level":0.95,"lower_bound":1.0,"upper_bound":3.0},"point_estimate":2.0,"standard_error":0.1},
            "Median":{"point_estimate":1.5},"MedianAbsDev":{"point_estimate":1.4826},"Slope":{"point_estimate":2.0},"StdDev":{"point_estimate":0.5}}"#;
        let folder =
            folder(&[("old/new/sample.json", "[[2.0,4.0],[20.0,80.0]]"), ("older/new/estimates.json", estimates)]);
        let run = import(&folder, "").unwrap();
        assert_eq!((value(&run, "old.mean"), value(&run, "older.mean"), value(&run, "older.p50")), (15.0, 2.0, 1.5));
        assert_eq!((value(&run, "older.sd"), value(&run, "older.mad")), (0.5, 1.0));
        assert!(value(&run, "older.p90").is_nan());
    }

    #[test]
    fn estimates_alone_are_enough() {
        let text = r#"{"mean":{"point_estimate":2.0},"median":{"point_estimate":1.5},"slope":null}"#;
        let run = import(&folder(&[("a/new/estimates.json", text)]), "").unwrap();
        assert_eq!((value(&run, "latency.mean"), value(&run, "latency.p50")), (2.0, 1.5));
        assert!(value(&run, "latency.sd").is_nan());
    }

    #[test]
    fn a_folder_without_benchmarks_or_with_damaged_ones_is_refused_with_the_file() {
        for (file, text, want) in [
            ("a/base/sample.json", SAMPLE, "there is no benchmark of criterion in this folder"),
            ("a/new/sample.json", r#"{"iters":[1,2],"times":[1]}"#, "sample.json: 1 times but 2 numbers"),
            ("a/new/sample.json", r#"{"iters":[],"times":[]}"#, "there is no sample"),
            ("a/new/sample.json", r#"{"iters":[1,0],"times":[1,1]}"#, "sample 2: `0` is no number of iterations"),
            ("a/new/sample.json", r#"{"iters":[1],"times":[-1]}"#, "sample 1: `-1` is negative"),
            ("a/new/sample.json", r#"{"iters":[1e-300],"times":[1e300]}"#, "sample 1: `inf`"),
            ("a/new/sample.json", "{\"iters\":[1],\n\"times\":1}", "line 2 column"),
            ("a/new/estimates.json", "{\"mean\":\n1}", "line 2 column"),
            ("a/new/estimates.json", "{}", "missing field `mean`"),
        ] {
            let error = import(&folder(&[(file, text)]), "").unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}

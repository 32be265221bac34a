//! Where a program is tried: a folder of its own, an environment without settings, and an end in bounded time.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The program itself.
pub(crate) const PERFKIT: &str = env!("CARGO_BIN_EXE_perfkit");

/// Short enough for a test, long enough to measure something. Flags are stronger.
pub(crate) const SHORT: [(&str, &str); 3] =
    [("PERFKIT_DURATION", "200ms"), ("PERFKIT_WARMUP", "50ms"), ("PERFKIT_ROUNDS", "2")];

/// Nothing here may take longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// Programs run beside each other, except where one has the machine for itself.
static MACHINE: RwLock<()> = RwLock::new(());

thread_local! {
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// The time in which no other test runs a program: for figures of which others that compute beside them take a part.
pub(crate) struct Alone(#[expect(dead_code, reason = "held, not read")] RwLockWriteGuard<'static, ()>);

impl Alone {
    pub(crate) fn begin() -> Self {
        let guard = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
        ALONE.set(true);
        Self(guard)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        ALONE.set(false);
    }
}

/// A folder in which programs run.
pub(crate) struct Place {
    folder: PathBuf,
    program: PathBuf,
    /// Removes the folder; `None` where it is kept for other tests.
    _fresh: Option<TempDir>,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    /// A fresh folder for perfkit itself.
    pub(crate) fn new() -> Self {
        Self::fresh(PERFKIT.into())
    }

    /// A folder of that name for perfkit, which several tests share; empty now.
    pub(crate) fn shared(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self { folder, program: PERFKIT.into(), _fresh: None }
    }

    fn fresh(program: PathBuf) -> Self {
        let fresh = tempfile::tempdir().unwrap();
        Self { folder: fresh.path().to_path_buf(), program, _fresh: Some(fresh) }
    }

    /// A fresh folder for one of the examples, which Cargo builds with the tests.
    pub(crate) fn of_example(name: &str) -> Self {
        let program = Path::new(PERFKIT).with_file_name("examples").join(name);
        assert!(program.is_file(), "{} is missing: run `cargo build --examples` or `cargo test`", program.display());
        Self::fresh(program)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// The program with these arguments, in the folder, without the settings of whoever runs the tests.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PERFKIT_")) {
            command.env_remove(name);
        }
        // A fresh folder below a checkout would find the checkout's configuration; below /tmp there is none.
        command.env("GIT_CEILING_DIRECTORIES", self.path());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Self::finish(&mut self.command(arguments))
    }

    /// Runs it to its end, which must be exit code 0.
    pub(crate) fn ok(&self, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended
    }

    /// Runs a command to its end. Output goes through files: a process that is left behind cannot hold a pipe open.
    pub(crate) fn finish(command: &mut Command) -> Ended {
        let _beside = (!ALONE.get()).then(|| MACHINE.read().unwrap_or_else(PoisonError::into_inner));
        let output = tempfile::tempdir().unwrap();
        let [out, err] = ["out", "err"].map(|name| output.path().join(name));
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        let mut child = command.spawn().unwrap();
        let code = wait(&mut child);
        let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        Ended { code, stdout: text(&out), stderr: text(&err) }
    }

    /// A short `run` or `profile` of a workload.
    pub(crate) fn short(&self, verb: &str, workload: &str, arguments: &[&str]) -> Ended {
        Self::finish(self.command(&[&[verb, workload], arguments].concat()).envs(SHORT))
    }

    /// The folder of the one run that was made.
    pub(crate) fn run_folder(&self) -> PathBuf {
        let runs = self.run_folders();
        assert_eq!(runs.len(), 1, "one run in {}: {runs:?}", self.path().display());
        runs[0].clone()
    }

    /// The folders of all runs, without hidden ones.
    pub(crate) fn run_folders(&self) -> Vec<PathBuf> {
        let workloads = entries(&self.path().join("profiles"));
        let all = workloads.iter().flat_map(|folder| entries(folder));
        all.filter(|folder| !file_name(folder).starts_with('.')).collect()
    }

    /// The `run.json` of the one run that was made.
    pub(crate) fn run_json(&self) -> Value {
        json(&fs::read_to_string(self.run_folder().join("run.json")).unwrap())
    }

    /// Every file below the folder, by its path from there, with its content.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let (mut files, mut folders) = (Vec::new(), vec![self.path().to_path_buf()]);
        while let Some(folder) = folders.pop() {
            for path in entries(&folder) {
                match fs::symlink_metadata(&path).unwrap().file_type() {
                    kind if kind.is_dir() => folders.push(path),
                    kind if kind.is_file() => {
                        let content = fs::read(&path).unwrap();
                        files.push((path.strip_prefix(self.path()).unwrap().to_path_buf(), content));
                    }
                    _ => {}
                }
            }
        }
        files
    }
}

impl Ended {
    /// stdout as the one JSON document it must be.
    pub(crate) fn json(&self) -> Value {
        json(&self.stdout)
    }

    /// Fails unless it ended with this code and stderr holds all of these texts.
    #[track_caller]
    pub(crate) fn must(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for text in texts {
            assert!(self.stderr.contains(text), "no `{text}` in {self:?}");
        }
        assert!(!self.stderr.contains("panicked"), "{self:?}");
    }
}

#[track_caller]
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// The elements of an array; a test that loops over nothing would prove nothing.
#[track_caller]
pub(crate) fn items(value: &Value) -> &[Value] {
    match value.as_array() {
        Some(items) if !items.is_empty() => items,
        _ => panic!("a list that is not empty, not {value}"),
    }
}

/// The values of a metric.
#[track_caller]
pub(crate) fn metric(run: &Value, name: &str) -> Vec<f64> {
    let found = items(&run["metrics"]).iter().find(|metric| metric["name"] == name);
    let values = &found.unwrap_or_else(|| panic!("no metric {name}"))["values"];
    items(values).iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()
}

pub(crate) fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(OsStr::new("")).to_string_lossy().into_owned()
}

/// The path of a program that the tests need.
#[track_caller]
pub(crate) fn tool(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed: run scripts/setup"))
}

/// Waits for its end; the exit code, or `None` where a signal ended it.
#[track_caller]
pub(crate) fn wait(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("it did not end within {PATIENCE:?}");
        }
        sleep(Duration::from_millis(5));
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        sleep(Duration::from_millis(5));
    }
}

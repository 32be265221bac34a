//! The folder `profiles/`: where runs are, how they are found, and how they are written so that a run is whole or absent.
//!
//! A run is gathered in a hidden folder beside its final place. `run.json` is written there last; then the folder is
//! renamed and its parent synced. What is killed on the way leaves only the hidden folder.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Run, schema};
use crate::error::{Error, Result};

/// The file that makes a folder a run.
pub const RUN_FILE: &str = "run.json";

/// A folder of runs.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// A run that is being gathered. Dropped without [`commit`](Draft::commit), it removes what was written.
#[derive(Debug)]
pub struct Draft {
    hidden: PathBuf,
    target: PathBuf,
    committed: bool,
}

impl Store {
    /// The store in a folder; the folder need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Starts to gather a run. Fails at once where nothing can be written, before anything is measured.
    ///
    /// # Errors
    /// The folder cannot be made or written.
    pub fn draft(&self, workload: &str, id: &str) -> Result<Draft> {
        let parent = self.root.join(folder_name(workload));
        fs::create_dir_all(&parent).map_err(|error| Error::write(&parent, error))?;
        let hidden = parent.join(format!(".{id}"));
        let target = parent.join(id);
        fs::create_dir(&hidden).map_err(|error| Error::write(&hidden, error))?;
        Ok(Draft { hidden, target, committed: false })
    }

    /// Finds a run by what a user may call it: an id, a folder, a `run.json`, `latest`, `latest~1` (the one before it),
    /// `latest:<workload>` or `latest~1:<workload>`.
    ///
    /// # Errors
    /// There is no such run; the message says what there is.
    pub fn find(&self, name: &str) -> Result<PathBuf> {
        let path = Path::new(name);
        if path.file_name().is_some_and(|file| file == RUN_FILE) && path.is_file() {
            return Ok(path.parent().map_or_else(PathBuf::new, Path::to_path_buf));
        }
        if path.join(RUN_FILE).is_file() {
            return Ok(path.to_path_buf());
        }
        if path.is_file() {
            return Err(Error::read(path, "not a run.json", "name a run id, a run folder, its run.json, or `latest`"));
        }
        let runs = self.runs();
        let (which, workload) = name.split_once(':').map_or((name, None), |(which, workload)| (which, Some(workload)));
        let found = match ago(which) {
            Some(ago) => {
                let of_workload = |run: &&Entry| workload.is_none_or(|workload| run.workload == folder_name(workload));
                runs.iter().rev().filter(of_workload).nth(ago)
            }
            None => runs.iter().rfind(|run| run.id == name),
        };
        found.map(|run| run.folder.clone()).ok_or_else(|| {
            let recent: Vec<String> = runs.iter().rev().take(3).map(|run| run.id.clone()).collect();
            let hint = if recent.is_empty() {
                format!("{} holds no runs yet; make one with `perfkit profile <WORKLOAD>`", self.root.display())
            } else {
                format!("the latest in {} are: {}", self.root.display(), recent.join(", "))
            };
            Error::usage(format!("no run `{name}`"), hint)
        })
    }

    /// Finds and loads a run, with its folder.
    ///
    /// # Errors
    /// There is no such run, or it is damaged.
    pub fn load(&self, name: &str) -> Result<(Run, PathBuf)> {
        let folder = self.find(name)?;
        Ok((load(&folder)?, folder))
    }

    /// All runs, the oldest first.
    fn runs(&self) -> Vec<Entry> {
        let mut runs = Vec::new();
        for workload in entries(&self.root) {
            for folder in entries(&workload) {
                let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                if !name.starts_with('.') && folder.join(RUN_FILE).is_file() {
                    let workload = workload.file_name().map(|name| name.to_string_lossy().into_owned());
                    runs.push(Entry { id: name, workload: workload.unwrap_or_default(), folder });
                }
            }
        }
        runs.sort_by(|a, b| a.id.cmp(&b.id));
        runs
    }
}

/// How many runs before the latest: 0 for `latest`, 2 for `latest~2`.
fn ago(which: &str) -> Option<usize> {
    match which.strip_prefix("latest")? {
        "" => Some(0),
        rest => rest.strip_prefix('~')?.parse().ok(),
    }
}

struct Entry {
    id: String,
    workload: String,
    folder: PathBuf,
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).filter(|path| path.is_dir()).collect()
}

/// Loads the run in a folder.
///
/// # Errors
/// `run.json` cannot be read or is damaged.
pub fn load(folder: &Path) -> Result<Run> {
    let path = folder.join(RUN_FILE);
    let hint = "name a run id, a run folder, its run.json, or `latest`";
    let text = fs::read_to_string(&path).map_err(|error| Error::read(&path, error, hint))?;
    schema::parse(&path, &text)
}

/// The folder of a workload or a report: anything but plain letters is mapped, so that no name leaves the store.
#[must_use]
pub fn folder_name(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes().take(80) {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => out.push(char::from(byte)),
            b'-' | b'.' if !out.is_empty() => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02x}")),
        }
    }
    if out.is_empty() { "%".to_owned() } else { out }
}

/// Writes a file whole or not at all: a temporary file, synced, then renamed.
///
/// # Errors
/// It could not be written; what was there before is still there.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<()> {
    let wrap = |error| Error::write(path, error);
    // A device such as /dev/full or a pipe cannot be replaced: it is written as it is.
    if path.exists() && !path.is_file() {
        let mut file = fs::OpenOptions::new().write(true).open(path).map_err(wrap)?;
        return file.write_all(content).and_then(|()| file.flush()).map_err(wrap);
    }
    let mut file = atomic_write_file::AtomicWriteFile::open(path).map_err(wrap)?;
    file.write_all(content).map_err(wrap)?;
    file.commit().map_err(wrap)
}

impl Draft {
    /// Where the run is gathered.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.hidden
    }

    /// Writes `run.json` and puts the run in its place; gives back the folder.
    ///
    /// # Errors
    /// Something could not be written; nothing of the run is left.
    pub fn commit(mut self, run: &Run) -> Result<PathBuf> {
        let mut text = serde_json::to_string_pretty(run).map_err(Error::internal)?;
        text.push('\n');
        for entry in fs::read_dir(&self.hidden).map_err(|error| Error::write(&self.hidden, error))?.flatten() {
            let path = entry.path();
            File::open(&path).and_then(|file| file.sync_all()).map_err(|error| Error::write(&path, error))?;
        }
        write_atomically(&self.hidden.join(RUN_FILE), text.as_bytes())?;
        fs::rename(&self.hidden, &self.target).map_err(|error| Error::write(&self.target, error))?;
        self.committed = true;
        if let Some(parent) = self.target.parent() {
            File::open(parent).and_then(|folder| folder.sync_all()).map_err(|error| Error::write(parent, error))?;
        }
        Ok(self.target.clone())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.committed {
            // Nothing can be done about a failure here; the folder is hidden and never taken for a run.
            let _ = fs::remove_dir_all(&self.hidden);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_workload_name_leaves_the_store() {
        for (name, want) in [("chat", "chat"), ("../x", "%2e.%2fx"), ("-rf", "%2drf"), ("", "%"), (".", "%2e")] {
            assert_eq!(folder_name(name), want);
        }
        assert!(!folder_name("a/b\0c").contains(['/', '\0']));
    }

    #[test]
    fn a_draft_that_is_not_committed_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let draft = store.draft("chat", "20260101T000000000Z-nogit-aaaa").unwrap();
        let folder = draft.folder().to_path_buf();
        assert!(folder.is_dir());
        drop(draft);
        assert!(!folder.exists());
        assert!(store.find("latest").is_err());
    }
}

//! The program of another revision: checked out beside the work, built with the profile of this one, kept for the next check.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::{Session, config};
use crate::error::{Error, Result};
use crate::experiment::Interrupt;

/// How often it is looked whether to stop.
const TICK: Duration = Duration::from_millis(50);

/// A program and the commit it is of.
pub(super) struct Built {
    pub(super) program: PathBuf,
    pub(super) sha: String,
}

/// A checkout of a revision; removed when dropped.
struct Checkout<'a> {
    repository: &'a Path,
    folder: PathBuf,
    _parent: tempfile::TempDir,
}

impl Drop for Checkout<'_> {
    fn drop(&mut self) {
        // What is left is removed by git's own `worktree prune`.
        let _ = Command::new("git")
            .current_dir(self.repository)
            .args([OsStr::new("worktree"), OsStr::new("remove"), OsStr::new("--force"), self.folder.as_os_str()])
            .output();
    }
}

/// Builds the program of a revision, or takes the one that was built before.
pub(super) fn build(
    session: &Session<'_>,
    revision: &str,
    config: &config::Config,
    interrupt: &Interrupt,
) -> Result<Built> {
    let here = std::env::current_dir().map_err(Error::internal)?;
    let top = git(&here, &["rev-parse", "--show-toplevel"])
        .map_err(|message| Error::usage(message, "--base-rev needs a git checkout; use --base-bin elsewhere"))?;
    let top = PathBuf::from(top);
    let wanted = format!("{revision}^{{commit}}");
    let sha = git(&here, &["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted]).map_err(|_| {
        let hint = "name a commit, a branch or a tag that this checkout has; a shallow clone may lack it (git fetch)";
        Error::usage(format!("no revision `{revision}`"), hint)
    })?;
    let recipe = Recipe::of(&here, &top, config)?;
    let kept = recipe.target.join("perfkit-base").join(format!("{}-{}", &sha[..sha.len().min(16)], recipe.key()));
    let program = kept.join(&recipe.name);
    if program.is_file() {
        session.output.say(&format!("base {}: built before", &sha[..sha.len().min(12)]));
        return Ok(Built { program, sha });
    }
    session.output.say(&format!("base {}: building with {}", &sha[..sha.len().min(12)], recipe.shown()));
    let checkout = checkout(&top, &sha)?;
    let made = recipe.run(&checkout.folder, interrupt)?;
    std::fs::create_dir_all(&kept).map_err(|error| Error::write(&kept, error))?;
    // Under its name only when it is whole.
    let part = kept.join(".part");
    std::fs::copy(&made, &part).map_err(|error| Error::read(&made, error, "the build must leave the program there"))?;
    std::fs::rename(&part, &program).map_err(|error| Error::write(&program, error))?;
    Ok(Built { program, sha })
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .current_dir(folder)
        .args(arguments)
        .output()
        .map_err(|error| format!("git could not be run: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

/// Checks a commit out outside of the work, so that neither cargo's nor perfkit's settings of head reach it.
fn checkout<'a>(repository: &'a Path, sha: &str) -> Result<Checkout<'a>> {
    let temporary = std::env::temp_dir();
    let parent =
        tempfile::Builder::new().prefix("perfkit-base-").tempdir().map_err(|error| Error::write(&temporary, error))?;
    let folder = parent.path().join("source");
    let path = folder.to_str().ok_or_else(|| Error::usage("the temporary folder's path is not UTF-8", "set TMPDIR"))?;
    // What a killed check left behind is forgotten first.
    let _ = git(repository, &["worktree", "prune"]);
    git(repository, &["worktree", "add", "--detach", "--force", path, sha]).map_err(|message| {
        Error::usage(format!("git worktree: {message}"), "is there room in the temporary folder?")
    })?;
    Ok(Checkout { repository, folder, _parent: parent })
}

/// Runs a build to its end, or ends it when a signal comes.
fn wait(command: &mut Command, interrupt: &Interrupt) -> std::io::Result<ExitStatus> {
    let mut child = command.spawn()?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if interrupt.load(Ordering::Acquire) != 0 {
            child.kill()?;
        }
        std::thread::sleep(TICK);
    }
}

/// How the program is built.
struct Recipe {
    /// The program's file name.
    name: String,
    /// The package's folder below the top of the checkout.
    package: PathBuf,
    /// Where builds are kept.
    target: PathBuf,
    how: How,
}

enum How {
    Cargo { profile: String, kind: &'static str },
    Shell { command: String, program: PathBuf },
}

impl Recipe {
    /// The recipe of this very program, read off the place it stands in.
    fn of(here: &Path, top: &Path, config: &config::Config) -> Result<Self> {
        let this = std::env::current_exe().map_err(Error::internal)?;
        let name = this.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let folder = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| here.to_path_buf(), PathBuf::from);
        let package = folder.strip_prefix(top).map(Path::to_path_buf).unwrap_or_default();
        if let Some(command) = &config.check.build {
            let program =
                config.check.program.as_ref().map_or_else(|| Path::new("target/release").join(&name), PathBuf::from);
            let how = How::Shell { command: command.clone(), program };
            return Ok(Self { name, package, target: top.join("target"), how });
        }
        let parent = this.parent().unwrap_or(Path::new(""));
        let (kind, profile_folder) = match parent.file_name().and_then(OsStr::to_str) {
            Some("examples") => ("--example", parent.parent().unwrap_or(Path::new(""))),
            _ => ("--bin", parent),
        };
        let profile = profile_folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let target = profile_folder.parent().map(Path::to_path_buf).unwrap_or_default();
        if !target.join("CACHEDIR.TAG").is_file() {
            let hint =
                "run it through cargo, or say how to build the base: [check] build in perfkit.toml; or give --base-bin";
            return Err(Error::usage(format!("{} was not built by cargo where it stands", this.display()), hint));
        }
        let profile = if profile == "debug" { "dev".to_owned() } else { profile };
        Ok(Self { name, package, target, how: How::Cargo { profile, kind } })
    }

    /// Two recipes give two programs of one revision.
    fn key(&self) -> String {
        match &self.how {
            How::Cargo { profile, .. } => profile.clone(),
            How::Shell { command, program } => {
                let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
                for byte in command.bytes().chain([0]).chain(program.as_os_str().as_encoded_bytes().iter().copied()) {
                    hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
                }
                format!("{hash:016x}")
            }
        }
    }

    fn shown(&self) -> String {
        match &self.how {
            How::Cargo { profile, kind } => format!("cargo build --profile {profile} {kind} {}", self.name),
            How::Shell { command, .. } => command.clone(),
        }
    }

    /// Builds in a checkout; the program's path there.
    fn run(&self, checkout: &Path, interrupt: &Interrupt) -> Result<PathBuf> {
        let folder = checkout.join(&self.package);
        let build = self.target.join("perfkit-base").join("build");
        let mut command = match &self.how {
            How::Cargo { profile, kind } => {
                let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
                command.args(["build", "--profile", profile, kind, &self.name, "--target-dir"]).arg(&build);
                command
            }
            How::Shell { command: text, .. } => {
                let mut command = Command::new("sh");
                command.args(["-c", text]);
                command
            }
        };
        // What cargo tells the programs it runs is about head.
        for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
            command.env_remove(name);
        }
        // The build's own words are talk: results alone go to stdout.
        command.current_dir(&folder).stdin(Stdio::null()).stdout(Stdio::from(std::io::stderr()));
        let status =
            wait(&mut command, interrupt).map_err(|error| Error::read(&folder, error, "is cargo installed?"))?;
        if !status.success() {
            let hint = "the base must build as head does; say how in [check] build of perfkit.toml, or give --base-bin";
            return Err(Error::usage(
                format!("the base could not be built: {} ended with {status}", self.shown()),
                hint,
            ));
        }
        Ok(match &self.how {
            How::Cargo { profile, kind } => {
                let folder = build.join(if profile == "dev" { "debug" } else { profile });
                let folder = if *kind == "--example" { folder.join("examples") } else { folder };
                folder.join(&self.name)
            }
            How::Shell { program, .. } => folder.join(program),
        })
    }
}

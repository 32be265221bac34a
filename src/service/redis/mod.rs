//! Finds or starts a Redis: the given address, else a server program, else the embedded one. Refuses to fall back when
//! something that was asked for does not work.

mod client;
pub(super) mod embedded;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::{Access, access};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use url::Url;

use super::child::Child;
use super::{Kind, Service, failure, own_version, probe, serve};
use crate::error::{Error, Result};

pub(super) use client::ask;

/// The name in errors and reports.
pub(super) const NAME: &str = "redis";
/// The hidden service that is perfkit's own server.
pub(super) const EMBEDDED: &str = "redis-embedded";
/// The hidden service that becomes the server program.
pub(super) const SPAWNED: &str = "redis-server";

/// Says which server to start.
const VARIABLE: &str = "PERFKIT_REDIS_SERVER";
/// The programs that are looked for, best known first.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];
/// Longest path of a unix socket: 108 bytes with the final zero.
const LONGEST_SOCKET_PATH: usize = 107;
/// Pause between two questions to a server that is starting.
const PAUSE: Duration = Duration::from_millis(10);

/// Which server to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// A server program.
    Program(PathBuf),
    /// perfkit's own server.
    Embedded,
}

impl Choice {
    /// What the user chose, else what is installed.
    pub(super) fn from_environment() -> Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self::resolve(std::env::var_os(VARIABLE).as_deref(), &path)
    }

    fn resolve(chosen: Option<&OsStr>, path: &OsStr) -> Result<Self> {
        match chosen.filter(|chosen| !chosen.is_empty()) {
            Some(chosen) if chosen == "embedded" => Ok(Self::Embedded),
            Some(chosen) => find(chosen, path).map(Self::Program).ok_or_else(|| {
                Error::usage(
                    format!("{VARIABLE}: `{}` is not an executable file", chosen.display()),
                    "name a redis-server or valkey-server program, `embedded`, or unset it",
                )
            }),
            None => Ok(PROGRAMS
                .iter()
                .find_map(|program| find(OsStr::new(program), path))
                .map_or(Self::Embedded, Self::Program)),
        }
    }
}

/// What the child needs to become the server program.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Spawn {
    program: PathBuf,
    socket: PathBuf,
}

/// Uses the server at `url`.
pub(super) fn external(url: String) -> Result<Service> {
    let version = client::ask(&url, probe::LIMIT)?;
    Ok(Service { name: NAME, kind: Kind::External, url, version, child: None, _folder: None })
}

/// Starts the chosen server.
pub(super) fn start(choice: &Choice, folder: &Path, executable: &Path) -> Result<Service> {
    match choice {
        Choice::Program(program) => start_program(program, folder, executable),
        Choice::Embedded => start_embedded(executable),
    }
}

/// Becomes the server program; returns only if that fails. The wish to die with the parent survives it.
pub(super) fn replace_process(spawn: &Spawn) -> io::Error {
    Command::new(&spawn.program)
        .args(["--port", "0", "--unixsocketperm", "700", "--save", "", "--appendonly", "no"])
        .args(["--loglevel", "warning", "--daemonize", "no", "--unixsocket"])
        .arg(&spawn.socket)
        .arg("--dir")
        .arg(spawn.socket.parent().unwrap_or(Path::new("/")))
        .exec()
}

fn start_program(program: &Path, folder: &Path, executable: &Path) -> Result<Service> {
    let (folder, socket) = socket_in(folder)?;
    let url = socket_url(&socket)?;
    let hint = format!("check `{} --version`, or set {VARIABLE}=embedded", program.display());
    let spawn = Spawn { program: program.to_owned(), socket };
    let mut child =
        Child::spawn(executable, SPAWNED, &spawn).map_err(|error| failure(NAME, &url, error.to_string(), &hint))?;
    let deadline = Instant::now() + probe::LIMIT;
    let version = loop {
        if let Some(end) = child.ended() {
            return Err(failure(NAME, &url, end, hint));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        match client::answer(&url, left.max(PAUSE)) {
            Ok(version) => break version,
            Err(_) if left > PAUSE => std::thread::sleep(PAUSE),
            Err(error) => return Err(failure(NAME, &url, format!("{error}{}", child.last_words()), hint)),
        }
    };
    Ok(Service { name: NAME, kind: Kind::Spawned, url, version, child: Some(child), _folder: Some(folder) })
}

fn start_embedded(executable: &Path) -> Result<Service> {
    const HINT: &str = "install redis-server, or give the address of a server with --redis-url";
    let unknown = "redis://127.0.0.1";
    let failed = |source: String| failure(NAME, unknown, source, HINT);
    let mut child = Child::spawn(executable, EMBEDDED, &()).map_err(|error| failed(error.to_string()))?;
    let line = child.first_line(Instant::now() + probe::LIMIT).map_err(failed)?;
    let url = serve::announced(&line).ok_or_else(|| failed("it did not say where it is".to_owned()))?;
    client::ask(&url, probe::LIMIT)?;
    Ok(Service { name: NAME, kind: Kind::Embedded, url, version: own_version(), child: Some(child), _folder: None })
}

/// A fresh folder for the socket, in `folder` where the path is short enough for a socket address.
fn socket_in(folder: &Path) -> Result<(TempDir, PathBuf)> {
    // The server changes its working folder and the client has another: only an absolute path means the same to both.
    let absolute = std::path::absolute(folder).map_err(|error| Error::write(folder, error))?;
    let mut candidates = vec![absolute.clone(), std::env::temp_dir(), PathBuf::from("/tmp")];
    candidates.retain(|candidate| {
        candidate.is_absolute() && candidate.as_os_str().len() + "/redis-123456/s".len() <= LONGEST_SOCKET_PATH
    });
    let place = candidates.first().map_or(absolute.as_path(), PathBuf::as_path);
    let fresh = tempfile::Builder::new().prefix("redis-").rand_bytes(6).tempdir_in(place);
    let fresh = fresh.map_err(|error| Error::write(place, error))?;
    let socket = fresh.path().join("s");
    Ok((fresh, socket))
}

fn socket_url(socket: &Path) -> Result<String> {
    let file = Url::from_file_path(socket).map_err(|()| Error::internal("the path of a socket is not absolute"))?;
    Ok(format!("redis+unix://{}", file.path()))
}

/// The executable file `name` means: a path as it is, a bare name on `path`.
fn find(name: &OsStr, path: &OsStr) -> Option<PathBuf> {
    let runs = |file: &PathBuf| file.is_file() && access(file, Access::EXEC_OK).is_ok();
    if name.as_bytes().contains(&b'/') {
        return std::path::absolute(name).ok().filter(runs);
    }
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(OsString::from(name))).find(runs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn folder_with(program: &str, mode: u32) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(program), "").unwrap();
        fs::set_permissions(folder.path().join(program), fs::Permissions::from_mode(mode)).unwrap();
        folder
    }

    #[test]
    fn an_installed_server_comes_before_the_embedded_one() {
        let folder = folder_with("valkey-server", 0o755);
        let found = Choice::resolve(None, folder.path().as_os_str()).unwrap();
        assert_eq!(found, Choice::Program(folder.path().join("valkey-server")));
        assert_eq!(Choice::resolve(None, OsStr::new("/nowhere:relative:")).unwrap(), Choice::Embedded);
        assert_eq!(Choice::resolve(Some(OsStr::new("embedded")), folder.path().as_os_str()).unwrap(), Choice::Embedded);
    }

    #[test]
    fn a_chosen_server_that_cannot_run_is_an_error_and_no_fallback() {
        let folder = folder_with("redis-server", 0o644);
        for chosen in [folder.path().join("redis-server").into_os_string(), "no-such-server".into(), "/tmp".into()] {
            let error = Choice::resolve(Some(&chosen), folder.path().as_os_str()).unwrap_err();
            assert!(error.to_string().contains(VARIABLE), "{error}");
        }
        assert_eq!(Choice::resolve(None, folder.path().as_os_str()).unwrap(), Choice::Embedded);
    }

    #[test]
    fn a_folder_too_deep_for_a_socket_is_replaced_by_a_short_one() {
        let base = tempfile::tempdir().unwrap();
        let deep = base.path().join("d".repeat(120));
        fs::create_dir(&deep).unwrap();
        let (_folder, socket) = socket_in(&deep).unwrap();
        assert!(!socket.starts_with(&deep) && socket.as_os_str().len() <= LONGEST_SOCKET_PATH);
        let (_folder, socket) = socket_in(base.path()).unwrap();
        assert!(socket.starts_with(base.path()));
    }

    #[test]
    fn a_socket_url_survives_spaces_and_question_marks() {
        let url = socket_url(Path::new("/tmp/a b?c#d/s")).unwrap();
        assert_eq!(Url::parse(&url).unwrap().to_file_path().unwrap(), Path::new("/tmp/a b?c#d/s"));
    }
}

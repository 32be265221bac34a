//! Gathers where a run is made. Looks, never changes; what cannot be seen is null.

use std::collections::BTreeMap;
use std::process::Command;

use procfs::Current;

use crate::load::clock;
use crate::record::Environment;

/// Environment variables that change what is measured. Others may hold secrets and stay unseen.
const VARIABLES: &[&str] =
    &["CI", "CARGO_ENCODED_RUSTFLAGS", "GLIBC_TUNABLES", "MALLOC_ARENA_MAX", "RUSTFLAGS", "TOKIO_WORKER_THREADS"];

/// Looks at machine, toolchain and source.
#[must_use]
pub fn gather() -> Environment {
    let cpu_model = procfs::CpuInfo::current().ok().and_then(|info| info.model_name(0).map(str::to_owned));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get) as u32;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|text| text.trim().to_owned());
    let rustc = env!("PERFKIT_RUSTC").to_owned();
    let profile = if env!("PERFKIT_OPT_LEVEL") == "0" { "debug" } else { "release" }.to_owned();
    let series = kernel.as_deref().map(|text| text.split('.').take(2).collect::<Vec<_>>().join("."));
    let fingerprint = fingerprint(&[
        cpu_model.as_deref().unwrap_or("?"),
        &cores.to_string(),
        series.as_deref().unwrap_or("?"),
        &rustc,
        &profile,
    ]);
    let variables: BTreeMap<String, String> =
        VARIABLES.iter().filter_map(|name| std::env::var(name).ok().map(|value| ((*name).to_owned(), value))).collect();
    Environment {
        cpu_model,
        cores,
        kernel,
        memory_bytes: procfs::Meminfo::current().ok().map(|memory| memory.mem_total),
        rustc,
        profile,
        tokio_unstable: cfg!(tokio_unstable),
        perfkit: env!("CARGO_PKG_VERSION").to_owned(),
        git_sha: git(&["rev-parse", "HEAD"]).filter(|sha| !sha.is_empty()),
        git_dirty: git(&["status", "--porcelain", "--untracked-files=no"]).map(|changes| !changes.is_empty()),
        governor: std::fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
            .ok()
            .map(|text| text.trim().to_owned()),
        load_average: procfs::LoadAverage::current().ok().map(|load| f64::from(load.one)),
        started_at: started_at(),
        command: redact_command(std::env::args_os().map(|word| word.to_string_lossy().into_owned())),
        variables,
        fingerprint,
    }
}

/// Flags whose value is an address, whatever it looks like.
const ADDRESSES: &[&str] = &["--redis-url", "--llm-url", "--target"];

/// A command line without the credentials of the addresses in it.
pub(crate) fn redact_command(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut address_follows = false;
    let redact = |argument: String| {
        let is_address = std::mem::replace(&mut address_follows, ADDRESSES.contains(&argument.as_str()));
        match argument.split_once('=') {
            Some((flag, url)) if flag.starts_with("--") && (ADDRESSES.contains(&flag) || url.contains("://")) => {
                format!("{flag}={}", redact_address(url))
            }
            _ if is_address || argument.contains("://") => redact_address(&argument),
            _ => argument,
        }
    };
    arguments.map(redact).collect()
}

/// An address, or `name=address`.
fn redact_address(text: &str) -> String {
    match text.split_once('=') {
        Some((name, url)) if url.contains("://") && !name.contains("://") => {
            format!("{name}={}", crate::service::redact(url))
        }
        _ => crate::service::redact(text),
    }
}

fn started_at() -> String {
    let seconds = i64::try_from(clock::since_epoch().as_secs()).unwrap_or(0);
    jiff::Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// FNV-1a over the parts: not a secret, only equal for equal parts on every machine.
fn fingerprint(parts: &[&str]) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in parts.iter().flat_map(|part| part.bytes().chain([0])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_arguments_are_not_kept() {
        let lines: [&[&str]; 5] = [
            &["run", "--redis-url=redis://u:s3cret@h/1"],
            &["run", "--redis-url", "redis://u:s3cret@h/1"],
            &["run", "--redis-url", "unix:/path/s?pass=s3cret"],
            &["run", "--target", "a=http://u:s3cret@h"],
            &["import", "http://u:s3cret@h"],
        ];
        for line in lines {
            let shown = redact_command(line.iter().map(|&word| word.to_owned())).join(" ");
            assert!(!shown.contains("s3cret") && shown.starts_with(line[0]), "{shown}");
        }
        let plain = ["run", "chat", "--param=a=b"].map(str::to_owned);
        assert_eq!(redact_command(plain.clone().into_iter()), plain);
    }
}

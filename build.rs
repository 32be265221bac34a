//! Tells the program which compiler built it, for the environment of its runs.

use std::process::Command;

fn main() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(rustc).arg("--version").output().ok().map(|out| out.stdout);
    let version = version.map(|text| String::from_utf8_lossy(&text).trim().to_owned()).unwrap_or_default();
    println!("cargo::rustc-env=PERFKIT_RUSTC={version}");
    println!("cargo::rustc-env=PERFKIT_OPT_LEVEL={}", std::env::var("OPT_LEVEL").unwrap_or_default());
    println!("cargo::rerun-if-changed=build.rs");
}

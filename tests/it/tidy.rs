//! The house: who may import whom, what every file begins with, how long it is, and that nothing lies about unregistered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which modules of the crate a module may use. This table is the architecture; ARCHITECTURE.md only tells of it.
const LAYERS: &[(&str, &[&str])] = &[
    ("unit", &[]),
    ("stats", &[]),
    ("error", &["unit"]),
    ("warning", &["unit"]),
    ("record", &["unit", "error", "warning"]),
    ("workload", &["stats", "unit", "error"]),
    ("service", &["error"]),
    ("load", &["workload", "record", "unit", "error"]),
    ("suite", &["workload", "load", "error", "unit"]),
    ("probe", &["record", "stats", "unit", "error", "warning"]),
    ("experiment", &["suite", "workload", "service", "load", "probe", "record", "stats", "unit", "error", "warning"]),
    ("import", &["record", "stats", "unit", "error", "warning"]),
    ("analysis", &["record", "stats", "unit", "warning"]),
    ("compare", &["record", "stats", "unit", "warning"]),
    ("report", &["record", "analysis", "compare", "unit", "warning", "error"]),
    (
        "cli",
        &[
            "suite",
            "workload",
            "service",
            "load",
            "probe",
            "experiment",
            "record",
            "import",
            "stats",
            "analysis",
            "compare",
            "report",
            "unit",
            "error",
            "warning",
        ],
    ),
];

/// Names that lib.rs re-exports, and the module they come from.
const REEXPORTS: &[(&str, &str)] =
    &[("Alloc", "probe"), ("BoxError", "error"), ("heap_is_tracked", "probe"), ("spawn", "probe")];

/// The most lines of a source file.
const MOST_LINES: usize = 400;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder, with its text.
fn sources(folder: &str) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source file is text");
                found.insert(path.strip_prefix(root()).expect("below the root").to_path_buf(), text);
            }
        }
    }
    assert!(!found.is_empty() || folder != "src", "no sources found");
    found
}

/// The module of the crate that a file belongs to.
fn module(path: &Path) -> String {
    let second = path.components().nth(1).map(|part| part.as_os_str().to_string_lossy().into_owned());
    second.unwrap_or_default().trim_end_matches(".rs").to_owned()
}

#[test]
fn modules_use_only_the_layers_below_them() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let of = module(&path);
        if of == "lib" || of == "main" {
            continue;
        }
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == of) else {
            wrong.push(format!("{}: `{of}` is not in the table of layers", path.display()));
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            let code = line.trim_start();
            if code.starts_with("//") {
                continue;
            }
            for rest in code.split("crate::").skip(1) {
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let used = REEXPORTS.iter().find(|(export, _)| *export == name).map_or(name.as_str(), |(_, of)| of);
                if used != of && !used.is_empty() && !allowed.contains(&used) {
                    wrong.push(format!("{}:{}: {of} may not use {used}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_layers_have_no_cycle() {
    fn reaches(from: &str, to: &str) -> bool {
        let uses = LAYERS.iter().find(|(name, _)| *name == from).map_or(&[][..], |(_, uses)| *uses);
        uses.iter().any(|used| *used == to || reaches(used, to))
    }
    for (name, _) in LAYERS {
        assert!(!reaches(name, name), "{name} reaches itself");
    }
}

#[test]
fn every_file_says_first_what_it_does() {
    let all = ["src", "tests", "benches", "examples"].into_iter().flat_map(sources);
    let silent: Vec<String> = all
        .filter(|(_, text)| !text.starts_with("//!") && !text.starts_with("#![doc"))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(silent.is_empty(), "without `//!` at the top: {silent:?}");
}

#[test]
fn no_file_is_too_long() {
    let all = ["src", "tests", "benches", "examples"].into_iter().flat_map(sources);
    let long: Vec<String> = all
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(path, lines)| format!("{} ({lines} lines)", path.display()))
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn everything_in_a_registry_folder_is_registered() {
    let registries = [
        ("src/probe", "mod.rs", &["alive", "capture", "hooks", "slot", "symbols", "wait"][..]),
        ("src/analysis", "mod.rs", &["scale", "summary", "variance"]),
        ("src/import", "mod.rs", &["hostile_tests", "round", "row"]),
        (
            "src/report",
            "mod.rs",
            &["baselines", "comparison", "flamegraph", "leaks", "page", "plot", "scale", "table", "variance"],
        ),
        ("src/report/comparison", "mod.rs", &["sample", "tables", "words"]),
        ("src/workload/builtin", "mod.rs", &[]),
        (
            "src/cli",
            "mod.rs",
            &[
                "anatomy",
                "config",
                "drive",
                "exit",
                "interrupt",
                "judge",
                "output",
                "parse",
                "policy",
                "progress",
                "scale",
                "source",
            ],
        ),
        ("src/workload/builtin/faulty", "mod.rs", &["cpu_time", "peer", "periodic", "schedule", "tests"]),
        ("src/workload/builtin/leaky", "mod.rs", &["periodic", "schedule", "tests"]),
    ];
    for (folder, file, others) in registries {
        let registry = std::fs::read_to_string(root().join(folder).join(file)).expect("a registry");
        for entry in std::fs::read_dir(root().join(folder)).expect("a folder").flatten() {
            let name = entry.file_name().to_string_lossy().trim_end_matches(".rs").to_owned();
            if name == "mod" || others.contains(&name.as_str()) {
                continue;
            }
            // Beside its `mod` line it must be used: in the list of its registry.
            let uses = registry.matches(&format!("{name}::")).count();
            assert!(uses > 0, "{folder}/{name} is in no list of {folder}/{file}");
        }
    }
}

#[test]
fn no_file_is_a_drawer() {
    for (path, _) in sources("src") {
        let text = path.display().to_string();
        assert!(!text.contains("util") && !text.contains("helper"), "{text}: say what it is");
    }
}

#[test]
fn unsafe_code_is_where_it_is_allowed_to_be() {
    let allowed = [
        "src/load/pacer.rs",
        // Signal handlers and the system calls that make the kernel call them.
        "src/probe/capture/signal.rs",
        "src/probe/cpu/clock_event.rs",
        "src/probe/heap/alloc.rs",
        "src/probe/heap/registers.rs",
    ];
    for (path, text) in sources("src") {
        let code = text.lines().map(|line| line.split("//").next().unwrap_or(line));
        let has = code.into_iter().any(|line| line.contains("unsafe ") || line.contains("unsafe{"));
        let path = path.display().to_string();
        assert!(!has || allowed.contains(&path.as_str()), "{path} has unsafe code");
    }
}

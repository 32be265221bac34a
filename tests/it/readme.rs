//! The commands that README.md shows are run, in its order. What takes a release build, `scripts/test` runs.

use std::process::Command;

/// The commands of all blocks of a language in a document.
fn commands(document: &str, language: &str) -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = std::fs::read_to_string(path).expect("the document");
    let fence = format!("```{language}");
    let mut found = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == fence;
        } else if inside {
            // A remark stands behind two spaces.
            let command = line.trim_start_matches("$ ").split("  ").next().unwrap_or(line).trim();
            found.push(command.to_owned());
        }
    }
    found
}

#[test]
fn the_verbs_of_the_readme_work_as_they_are_shown() {
    run_all("README.md", 10);
}

#[test]
fn the_commands_of_the_guides_work_as_they_are_shown() {
    run_all("docs/compare.md", 3);
    run_all("docs/ci.md", 5);
    run_all("docs/stalls.md", 3);
    run_all("docs/leaks.md", 4);
    run_all("docs/scale.md", 3);
}

/// Runs the commands of a document in its order; there must be so many at least.
fn run_all(document: &str, least: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let commands = commands(document, "console");
    assert!(commands.len() >= least, "{commands:?}");
    for command in commands {
        let mut words = command.split_whitespace();
        assert_eq!(words.next(), Some("perfkit"), "{command}");
        let output = Command::new(env!("CARGO_BIN_EXE_perfkit"))
            .args(words)
            .current_dir(folder.path())
            // Weaker than the flags that are shown: only what they leave open becomes short.
            .envs([("PERFKIT_ROUNDS", "2"), ("PERFKIT_DURATION", "400ms"), ("PERFKIT_WARMUP", "100ms")])
            .output()
            .expect("the binary runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        // Whether two short runs differ is up to the machine; that they are judged is not.
        let judges = command.contains(" compare ") || command.contains(" check ");
        let good = if judges { &[0, 1, 4][..] } else { &[0] };
        assert!(
            output.status.code().is_some_and(|code| good.contains(&code)),
            "{command}: {}\n{errors}",
            output.status
        );
        assert!(!output.stdout.is_empty(), "{command} printed nothing");
    }
}

#[test]
fn the_two_commands_of_a_fresh_machine_are_what_the_test_script_runs() {
    let shown = commands("README.md", "sh");
    let script = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/test")).expect("scripts/test");
    for command in shown.iter().filter(|command| *command != "scripts/test") {
        assert!(script.contains(command.as_str()), "scripts/test does not run `{command}`");
    }
    assert!(shown.iter().any(|command| command == "scripts/test"));
}

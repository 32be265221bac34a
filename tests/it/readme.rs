//! The commands that README.md shows are run, in its order. What takes a release build, `scripts/test` runs.

use std::process::Command;

/// The commands of all blocks of a language.
fn commands(language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("README.md");
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
    let folder = tempfile::tempdir().expect("a folder");
    let commands = commands("console");
    assert!(commands.len() >= 7, "{commands:?}");
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
        assert!(output.status.success(), "{command}: {}\n{errors}", output.status);
        assert!(!output.stdout.is_empty(), "{command} printed nothing");
    }
}

#[test]
fn the_two_commands_of_a_fresh_machine_are_what_the_test_script_runs() {
    let shown = commands("sh");
    let script = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/test")).expect("scripts/test");
    for command in shown.iter().filter(|command| *command != "scripts/test") {
        assert!(script.contains(command.as_str()), "scripts/test does not run `{command}`");
    }
    assert!(shown.iter().any(|command| command == "scripts/test"));
}

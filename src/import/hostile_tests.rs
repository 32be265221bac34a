//! What no reader can read: each is an error with the path, none is a panic, an empty run, or a wait without end.

use std::fs;
use std::path::Path;

use super::{ALL, Meaning, Values, read};

fn refused(path: &Path) -> String {
    for values in [Values::Operations, Values::Rounds] {
        let error = read(path, &Meaning { values, ..Meaning::default() }).expect_err(&path.display().to_string());
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert!(!error.hint().is_empty());
    }
    read(path, &Meaning::default()).expect_err("refused just now").to_string()
}

#[test]
fn what_is_no_file_of_results_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let nested = "[".repeat(100_000);
    let cases: [(&str, Vec<u8>, &str); 11] = [
        ("empty.csv", Vec::new(), "the file is empty"),
        ("empty.json", Vec::new(), "the file is empty"),
        ("photo.jpg", vec![0xff, 0xd8, 0xff, 0xe0, 0, 16], "no reader knows this format"),
        ("notes.txt", b"faster than yesterday\n".to_vec(), "no reader knows this format"),
        ("other.json", b"{\"a\": 1}".to_vec(), "no reader knows this format"),
        ("bytes.csv", b"round,value\n0,1\n0,\xff\xfe\n".to_vec(), "line 3: this is not UTF-8"),
        ("bytes.folded", b"a;b 1\na;\xff 2\n".to_vec(), "line 2: this is not UTF-8"),
        ("bytes.txt", b"goos: linux\nBenchmark\xff 1 2 ns/op\n".to_vec(), "line 2: this is not UTF-8"),
        ("bytes.json", b"{\"results\": [{\"command\": \"\xff\"}]}".to_vec(), "invalid unicode code point at line 1"),
        ("deep.json", format!("{{\"results\": {nested}").into_bytes(), "at line 1 column"),
        ("unknown.json", format!("{{\"x\": {nested}, \"test_results\": []}}").into_bytes(), "at line 1 column"),
    ];
    for (name, content, want) in cases {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let message = refused(&path);
        // Beyond the first bytes nothing is looked for: then no reader knows it, which is an error as well.
        assert!(message.contains(want) || name == "unknown.json", "{name}: {message}");
    }
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.csv");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    assert!(refused(&pipe).contains("neither a file nor a folder"));
    assert!(refused(Path::new("/dev/null")).contains("neither a file nor a folder"));
    assert!(refused(&folder.path().join("absent.csv")).contains("No such file"));
    assert!(refused(folder.path()).contains("there is no benchmark of criterion"));
}

#[test]
fn every_cut_of_a_json_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.json");
    let whole = r#"{"results":[{"command":"x","times":[1.5,2.5],"exit_codes":[0,0],"parameters":{"n":"1"}}]}"#;
    for length in 1..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        refused(&path);
    }
}

#[test]
fn a_name_cannot_move_the_cursor_of_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    fs::write(&path, format!("round,value\n0,\u{1b}[2J{}\n", "x".repeat(500))).unwrap();
    let message = refused(&path);
    assert!(!message.contains('\u{1b}') && message.len() < 400, "{message}");
}

#[test]
fn readers_have_names_of_their_own_and_say_what_they_read() {
    for (index, reader) in ALL.iter().enumerate() {
        assert!(!reader.about.is_empty());
        assert!(ALL[..index].iter().all(|other| other.name != reader.name), "{}", reader.name);
    }
}

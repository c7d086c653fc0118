//! The commands of a program, as processes: this program runs itself.

#[path = "../fixture/mod.rs"]
mod fixture;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output},
};

use serde_json::{Value, json};
use ws_core::contract;

/// The variable that makes this program run a command instead of the tests.
const VARIABLE: &str = "WS_TESTS_COMMAND";

fn main() -> ExitCode {
    if env::var_os(VARIABLE).is_some() {
        // Arguments that are not a command belong to the program.
        return contract::cli(&fixture::app(), env::args_os().skip(1)).unwrap_or(ExitCode::from(99));
    }
    // `cargo test NAME` passes the names of other tests, too.
    let names: Vec<String> = env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let tests: [(&str, fn()); 7] = [
        ("a_new_file_needs_accept", a_new_file_needs_accept),
        ("breaking_and_unjudged_changes_fail", breaking_and_unjudged_changes_fail),
        ("risky_changes_fail_if_strict", risky_changes_fail_if_strict),
        ("compatible_changes_do_not_fail", compatible_changes_do_not_fail),
        ("a_damaged_file_fails_until_it_is_replaced", a_damaged_file_fails_until_it_is_replaced),
        ("the_client_is_written_into_a_folder", the_client_is_written_into_a_folder),
        ("arguments_are_checked", arguments_are_checked),
    ];
    for (name, test) in tests {
        if names.is_empty() || names.iter().any(|part| name.contains(&**part)) {
            test();
            println!("test {name} ... ok");
        }
    }
    ExitCode::SUCCESS
}

/// A folder of a test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("ws-tests-cli-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("asyncapi.json")
    }

    /// Writes the document of the fixture with a change.
    fn write(&self, change: impl FnOnce(&mut Value)) {
        let mut document: Value = serde_json::from_str(&current()).unwrap();
        change(&mut document);
        fs::write(self.file(), format!("{document:#}\n")).unwrap();
    }

    fn run(&self, options: &[&str]) -> Run {
        let file = self.file();
        let mut arguments = vec!["contract", file.to_str().unwrap()];
        arguments.extend(options);
        run(&arguments)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn current() -> String {
    fixture::app().contract().asyncapi()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// The output of a process, and its exit code.
#[derive(Debug)]
struct Run {
    code: i32,
    out: String,
    err: String,
}

fn run(arguments: &[&str]) -> Run {
    let program = env::current_exe().unwrap();
    let Output { status, stdout, stderr } =
        Command::new(program).env(VARIABLE, "1").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
}

fn a_new_file_needs_accept() {
    let folder = Folder::new("new");
    let missing = folder.run(&[]);
    assert_eq!(missing.code, 1, "{missing:?}");
    assert!(missing.err.contains("is not there") && missing.err.contains("--accept"), "{missing:?}");
    assert!(!folder.file().exists());
    let accepted = folder.run(&["--accept"]);
    assert_eq!(accepted.code, 0, "{accepted:?}");
    assert_eq!(read(&folder.file()), current());
    let equal = folder.run(&["--strict"]);
    assert_eq!((equal.code, equal.out.contains("is up to date")), (0, true), "{equal:?}");
}

fn breaking_and_unjudged_changes_fail() {
    let folder = Folder::new("breaking");
    folder.write(|it| {
        it["channels"]["Gone"] = json!({ "address": "/gone" });
        it["operations"]["Room.say"]["traits"] = json!([]);
    });
    let committed = read(&folder.file());
    let found = folder.run(&[]);
    assert_eq!(found.code, 1, "{found:?}");
    let expected = "1 breaking change:\n  Gone: the route `/gone` was removed\n1 unjudged change:\n  Room.say: `traits` differs\n";
    assert_eq!(found.out, expected);
    assert!(found.err.contains("--accept"), "{found:?}");
    assert_eq!(read(&folder.file()), committed, "a check does not write");
    folder.write(|it| it["operations"]["Room.say"]["traits"] = json!([]));
    let unjudged = folder.run(&[]);
    assert_eq!(unjudged.code, 1, "{unjudged:?}");
    let accepted = folder.run(&["--accept"]);
    assert_eq!((accepted.code, read(&folder.file())), (0, current()), "{accepted:?}");
    assert!(accepted.out.contains("1 unjudged change:"), "{accepted:?}");
}

fn risky_changes_fail_if_strict() {
    let folder = Folder::new("risky");
    folder.write(|it| it["operations"]["Room.say"]["x-ws-codes"]["late"] = json!(""));
    let found = folder.run(&[]);
    assert_eq!((found.code, found.out.contains("1 risky change:")), (0, true), "{found:?}");
    let file = folder.file();
    // Options may stand before the file.
    let strict = run(&["contract", "--strict", file.to_str().unwrap()]);
    assert_eq!(strict.code, 1, "{strict:?}");
    let accepted = folder.run(&["--strict", "--accept"]);
    assert_eq!((accepted.code, read(&file)), (0, current()), "{accepted:?}");
}

fn compatible_changes_do_not_fail() {
    let folder = Folder::new("compatible");
    folder.write(|it| drop(it["operations"].as_object_mut().unwrap().remove("Room.say")));
    let found = folder.run(&["--strict"]);
    assert_eq!(found.code, 0, "{found:?}");
    assert!(found.out.contains("1 compatible change:\n  Room.say: "), "{found:?}");
    assert!(found.out.contains("is out of date"), "{found:?}");
    folder.write(|it| it["info"]["version"] = json!("0"));
    let found = folder.run(&["--strict"]);
    assert_eq!((found.code, found.out.contains("change:")), (0, false), "{found:?}");
}

fn a_damaged_file_fails_until_it_is_replaced() {
    let folder = Folder::new("damaged");
    for (text, expected) in [("{", "is not a JSON document"), ("{}", "`asyncapi` is missing")] {
        fs::write(folder.file(), text).unwrap();
        let found = folder.run(&[]);
        assert_eq!((found.code, found.err.contains(expected)), (1, true), "{found:?}");
    }
    let accepted = folder.run(&["--accept"]);
    assert_eq!((accepted.code, read(&folder.file())), (0, current()), "{accepted:?}");
}

fn the_client_is_written_into_a_folder() {
    let folder = Folder::new("client");
    let target = folder.0.join("web/generated");
    let written = run(&["client", target.to_str().unwrap()]);
    assert_eq!(written.code, 0, "{written:?}");
    let contract = fixture::app().contract();
    assert_eq!(read(&target.join("client.js")), contract.javascript());
    assert_eq!(read(&target.join("client.d.ts")), contract.typescript());
}

fn arguments_are_checked() {
    for wrong in [
        &["contract"][..],
        &["contract", "--accept"],
        &["contract", "a", "b"],
        &["contract", "a", "--force"],
        &["asyncapi"],
    ] {
        let found = run(wrong);
        assert_eq!((found.code, found.err.starts_with("usage: ")), (2, true), "{wrong:?}: {found:?}");
    }
    let help = run(&["contract", "--help"]);
    assert_eq!((help.code, help.out.contains("contract FILE")), (0, true), "{help:?}");
    for other in [&[][..], &["serve"], &["--help"], &["client"], &["client", "--url", "ws://localhost"]] {
        let found = run(other);
        assert_eq!((found.code, &*found.out), (99, ""), "{other:?}: {found:?}");
    }
}

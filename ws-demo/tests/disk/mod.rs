//! The users file when the disk or the file fails: at the start, and while the demo runs.

use serde_json::json;
use tokio::process::Command;

use crate::support::{Demo, Scratch, command, within};

/// Starts the demo with a limit of 4 KiB for each file.
#[cfg(unix)]
fn command_without_room(settings: &[(&str, &str)]) -> Command {
    let roomy = command(settings);
    let mut command = Command::new("sh");
    // If the signal is ignored, a write beyond the limit fails like a write to a full disk.
    command.args(["-c", r#"trap '' XFSZ; ulimit -f 8; exec "$0""#]).arg(roomy.as_std().get_program());
    for (name, value) in roomy.as_std().get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

#[tokio::test]
#[cfg(unix)]
async fn a_users_file_that_cannot_be_written_is_a_start_error_with_its_path_and_the_reason() {
    let scratch = Scratch::new("start");
    let full = scratch.file();
    let no_directory = format!("{full}/users.sqlite3");
    let no_database = scratch.path().join("notes.txt").to_str().unwrap().to_owned();
    std::fs::write(&no_database, "not a database, but long enough to be one".repeat(100)).unwrap();
    let cases = [
        (command_without_room(&[("WS_DEMO_DB", &full)]), &full, "the users table: "),
        // `path` is a file now.
        (command(&[("WS_DEMO_DB", &no_directory)]), &no_directory, "the directory of the users file: "),
        (command(&[("WS_DEMO_DB", &no_database)]), &no_database, "the users table: "),
    ];
    for (mut command, path, reason) in cases {
        let output = within(command.output()).await.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        let said = stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert!(said.starts_with(&format!("error: {path}: {reason}")), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
    // The rest that a full disk left does not prevent a later start.
    let demo = Demo::start(&[("WS_DEMO_DB", &full)]).await;
    assert_eq!(demo.login("jerry", "jerry-demo").await.status, 200);
}

#[tokio::test]
async fn an_unreadable_users_table_is_500_without_detail_and_the_demo_stays_up() {
    let scratch = Scratch::new("running");
    let mut demo = Demo::start(&[("WS_DEMO_DB", &scratch.file())]).await;
    let bearer = format!("Bearer {}", demo.token("jerry").await);
    let mut chatting = demo.connect("/wss/demo", Some(&bearer)).await;
    assert_eq!(chatting.text().await, "Authorization Success");
    let mut bystander = demo.connect("/wss/echo", None).await;

    let table = rusqlite::Connection::open(scratch.file()).unwrap();
    table.execute_batch("ALTER TABLE users RENAME TO hidden").unwrap();
    for _ in 0..2 {
        let answer = demo.login("jerry", "jerry-demo").await;
        let no_detail = json!({"code": 50001, "msg": "internal error"});
        assert_eq!((answer.status, answer.json()), (500, no_detail));
        demo.logs("no such table").await;
    }
    chatting.say("nihao").await;
    assert_eq!(chatting.close().await, (1011, String::new()));
    bystander.say("still here").await;
    assert_eq!(bystander.text().await, "still here");

    table.execute_batch("ALTER TABLE hidden RENAME TO users").unwrap();
    assert_eq!(demo.login("jerry", "jerry-demo").await.status, 200);
    bystander.say("still here").await;
    assert_eq!(bystander.text().await, "still here");
}

//! A server in a process of its own: this binary runs one ignored test, which is the server.
//!
//! For everything that belongs to a whole process: signals, and limits of the system.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};
use ws_core::{App, CloseReason, Config, Connection, Controller, Message, Result};

use crate::support::{Echo, within};

/// The configuration of the server, as TOML.
const CONFIG: &str = "WS_TESTS_CONFIG";
/// A server on a free port.
pub(crate) const ON_ANY_PORT: &str = "[[servers]]\nname = \"ws\"\nport = 0\n";
/// With this variable, a start hook never ends.
const HANGING_START: &str = "WS_TESTS_HANGING_START";

/// Its message handler never ends; with the query `forever`, neither does its `on_close`.
struct Stuck;

impl Controller for Stuck {
    async fn on_message(&self, _: &Connection, _: Message) -> Result {
        tracing::info!("stuck");
        std::future::pending().await
    }

    async fn on_close(&self, conn: &Connection, reason: CloseReason) -> Result {
        tracing::info!(?reason, "on_close ran");
        if conn.handshake().uri().query() == Some("forever") {
            std::future::pending().await
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "a server that other tests run in a process of its own"]
async fn serves() {
    let Ok(config) = std::env::var(CONFIG) else { return };
    tracing_subscriber::fmt().with_ansi(false).init();
    let config = Config::from_toml_str(&config, CONFIG).unwrap();
    let mut app = App::without_registry().controller("/", Echo).controller("/stuck", Stuck).config(config);
    if std::env::var_os(HANGING_START).is_some() {
        app = app.on_start(async |_| {
            tracing::info!("starting");
            std::future::pending::<()>().await;
        });
    }
    app.run().await.unwrap();
}

/// The process and its output.
pub(crate) struct Process {
    pub(crate) child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub(crate) said: Vec<String>,
    /// The address of its server.
    pub(crate) addr: std::net::SocketAddr,
}

impl Process {
    /// Runs a server with this configuration. The commands in `shell` run before it, in the same
    /// process.
    pub(crate) async fn start(config: &str, shell: &str) -> Self {
        Self::of("process::serves", config, shell).await
    }

    /// The same with another server: an ignored test of this binary.
    pub(crate) async fn of(test: &str, config: &str, shell: &str) -> Self {
        let mut process = Self::launch(test, config, shell);
        let line = process.says("listening").await;
        process.addr = line.rsplit_once("address=").unwrap().1.parse().unwrap();
        process
    }

    /// Runs a server whose start hook never ends.
    pub(crate) async fn start_hanging() -> Self {
        let mut process = Self::launch("process::serves", ON_ANY_PORT, &format!("export {HANGING_START}=1;"));
        process.says("starting").await;
        process
    }

    fn launch(test: &str, config: &str, shell: &str) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", &format!("{shell} exec \"$0\" \"$@\"")])
            .arg(std::env::current_exe().unwrap())
            .args([test, "--exact", "--ignored", "--nocapture"])
            .env(CONFIG, config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let addr = ([127, 0, 0, 1], 0).into();
        Self { child, lines, said: Vec::new(), addr }
    }

    /// Waits for the next line with this text.
    pub(crate) async fn says(&mut self, text: &str) -> String {
        within(text, async {
            loop {
                let line = self.lines.next_line().await.unwrap();
                let line = line.unwrap_or_else(|| panic!("it ended without {text:?}: {:#?}", self.said));
                self.said.push(line.clone());
                if line.contains(text) {
                    return line;
                }
            }
        })
        .await
    }

    /// Returns the number of lines with this text.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.said.iter().filter(|line| line.contains(text)).count()
    }

    /// Waits until it has ended successfully.
    pub(crate) async fn ends(&mut self) {
        assert!(within("the end of the process", self.child.wait()).await.unwrap().success());
    }

    /// Sends a signal by name.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().await.unwrap();
        assert!(status.success());
    }
}

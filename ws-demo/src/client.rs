//! 客户端 / the client: logs in over HTTP, connects with the token, and chats from the terminal.
//!
//! `cargo run -p ws-demo -- client`, beside a demo that runs. What is typed is sent line by line, what comes is printed;
//! the end of the input closes with 1000, and a close of the server's is printed with its code and reason.

use std::{error::Error, io, thread, time::Duration};

use axum::http::Uri;
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    time::{Instant, timeout},
};
use ws_core::{
    CloseReason, Message,
    client::{Client, ClientError, ConnectError, Received},
};

use crate::print;

/// Close code 1000: the purpose is fulfilled (RFC 6455 section 7.4.1).
const NORMAL: u16 = 1000;

/// How long a login may take.
const LOGIN_DEADLINE: Duration = Duration::from_secs(30);

/// The longest answer to a login that is read, in bytes.
const LOGIN_BYTES: u64 = 64 << 10;

/// How long answers are waited for when the input has ended; what is piped in ends before the first one is here.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The server hung up without a close frame.
#[derive(Debug, thiserror::Error)]
#[error("the connection was lost ({0:?})")]
struct Lost(CloseReason);

/// Where to, and as whom.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// The WebSocket server.
    url: String,
    /// The server that logs in.
    http: String,
    account: String,
    password: String,
    /// The route.
    path: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: "ws://127.0.0.1:9502".into(),
            http: "http://127.0.0.1:9501".into(),
            account: "jerry".into(),
            password: "jerry-demo".into(),
            path: "/wss/demo".into(),
        }
    }
}

impl Options {
    /// What `--name value ..` says; `None` for a name that there is not, or one without a value.
    pub(crate) fn from_arguments(mut arguments: &[&str]) -> Option<Self> {
        let mut options = Self::default();
        while let [name, rest @ ..] = arguments {
            let [value, rest @ ..] = rest else { return None };
            let option = match *name {
                "--url" => &mut options.url,
                "--http" => &mut options.http,
                "--account" => &mut options.account,
                "--password" => &mut options.password,
                "--path" => &mut options.path,
                _ => return None,
            };
            *option = (*value).to_owned();
            arguments = rest;
        }
        Some(options)
    }

    /// What to connect to.
    fn uri(&self) -> String {
        format!("{}/{}", self.url.trim_end_matches('/'), self.path.trim_start_matches('/'))
    }
}

/// Logs in, connects, and chats until one of the two sides has had enough.
pub(crate) async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let token = timeout(LOGIN_DEADLINE, login(options))
        .await
        .map_err(|_| format!("no answer to the login within {LOGIN_DEADLINE:?}"))??;
    let client = match Client::builder(options.uri()).bearer(token).connect().await {
        Ok(client) => client,
        // A 101 would have been a connection; anything else is an HTTP answer, for people to read.
        Err(ConnectError::Refused { status, body, .. }) => {
            return Err(format!("refused with status {status}: {}", String::from_utf8_lossy(&body)).into());
        }
        Err(error) => return Err(error.into()),
    };
    let reason = chat(client, typed_lines()).await?;
    match &reason {
        CloseReason::Peer { reason: text, .. } if text.is_empty() => {
            print(&format!("closed with {}\n", reason.code()))
        }
        CloseReason::Peer { reason: text, .. } => print(&format!("closed with {}: {text}\n", reason.code())),
        _ => Err(Lost(reason).into()),
    }
}

/// Sends lines and prints what comes; why it ended.
async fn chat(mut client: Client, mut lines: mpsc::Receiver<String>) -> Result<CloseReason, Box<dyn Error>> {
    loop {
        tokio::select! {
            received = client.recv(None) => match received {
                Received::Message(message) => show(&message)?,
                Received::Closed(reason) => return Ok(reason),
                Received::TimedOut => {}
            },
            line = lines.recv() => match line {
                Some(line) => match client.send(line).await {
                    // Why, and what came before, `recv` says.
                    Ok(()) | Err(ClientError::Closed(_)) => {}
                    Err(error) => return Err(error.into()),
                },
                None => return leave(client).await,
            },
        }
    }
}

/// The input has ended: prints what comes for another moment, then closes.
async fn leave(mut client: Client) -> Result<CloseReason, Box<dyn Error>> {
    let end = Instant::now() + LAST_WORDS;
    loop {
        match client.recv(end.saturating_duration_since(Instant::now())).await {
            Received::Message(message) if Instant::now() < end => show(&message)?,
            Received::Closed(reason) => return Ok(reason),
            Received::Message(_) | Received::TimedOut => return Ok(client.close(NORMAL, "").await?),
        }
    }
}

/// Prints a message.
fn show(message: &Message) -> Result<(), Box<dyn Error>> {
    match message.as_text() {
        Some(text) => print(&format!("{text}\n")),
        None => print(&format!("({} bytes)\n", message.len())),
    }
}

/// The lines of the standard input, as they are typed.
///
/// They are read on a thread of their own, which nobody waits for: the program can end while it waits for a key.
fn typed_lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(1);
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    lines
}

/// The answer to a login that went well.
#[derive(Deserialize)]
struct LoggedIn {
    token: String,
}

/// `POST /login`, by hand: one request does not need an HTTP library.
async fn login(options: &Options) -> Result<String, Box<dyn Error>> {
    let uri: Uri = options.http.parse().map_err(|error| format!("--http {}: {error}", options.http))?;
    let (Some("http"), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return Err(format!("--http {}: expected http://host:port", options.http).into());
    };
    let host = format!("{host}:{}", uri.port_u16().unwrap_or(80));
    let path = uri.path().trim_end_matches('/');
    let body = serde_json::json!({ "account": options.account, "password": options.password }).to_string();
    let length = body.len();

    let mut stream = TcpStream::connect(&host).await.map_err(|error| format!("{}: {error}", options.http))?;
    // HTTP/1.1 would be answered in chunks by some; an answer to 1.0 ends where the stream does (RFC 9112 section 6.3).
    let request = format!(
        "POST {path}/login HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LOGIN_BYTES).read_to_end(&mut answer).await?;

    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer to the login is no HTTP")?;
    let status = head.lines().next().and_then(|line| line.split_once(' ')).map_or("", |(_, status)| status);
    if !status.starts_with("200") {
        return Err(format!("the login is refused with status {status}: {body}").into());
    }
    let LoggedIn { token } = serde_json::from_str(body)
        .map_err(|error| format!("the answer to the login has no token: {error}"))?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_in_any_order_and_each_with_a_value() {
        assert_eq!(Options::from_arguments(&[]), Some(Options::default()));
        let options =
            Options::from_arguments(&["--path", "/wss/late", "--url", "ws://[::1]:1/", "--account", "lily"]);
        let options = options.unwrap();
        assert_eq!((options.uri().as_str(), options.account.as_str()), ("ws://[::1]:1/wss/late", "lily"));
        for wrong in [&["--url"][..], &["--colour", "red"], &["jerry"]] {
            assert_eq!(Options::from_arguments(wrong), None, "{wrong:?}");
        }
    }
}

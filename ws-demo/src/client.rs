//! 客户端 / the client: logs in over HTTP, connects with the token, and chats from the terminal.
//!
//! `cargo run -p ws-demo -- client` connects to a running demo. Each line of the input is sent, and
//! each received message is printed. At the end of the input the client closes with 1000. If the
//! server closes, its code and reason are printed.

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

/// The longest time for a login.
const LOGIN_DEADLINE: Duration = Duration::from_secs(30);

/// The largest answer to a login, in bytes.
const LOGIN_BYTES: u64 = 64 << 10;

/// The time to wait for answers after the end of the input. Piped input ends before the first
/// answer arrives.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The server ended the connection without a close frame.
#[derive(Debug, thiserror::Error)]
#[error("the connection was lost ({0:?})")]
struct Lost(CloseReason);

/// The addresses of the demo, and the account.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// The address of the WebSocket server.
    url: String,
    /// The address of the HTTP server, for the login.
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
    /// Parses `--name value ..`. Returns `None` for an unknown name or a missing value.
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

    /// Returns the address to connect to.
    fn uri(&self) -> String {
        format!("{}/{}", self.url.trim_end_matches('/'), self.path.trim_start_matches('/'))
    }
}

/// Logs in, connects, and chats until one of the two sides closes.
pub(crate) async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let token = timeout(LOGIN_DEADLINE, login(options))
        .await
        .map_err(|_| format!("no answer to the login within {LOGIN_DEADLINE:?}"))??;
    let client = match Client::builder(options.uri()).bearer(token).connect().await {
        Ok(client) => client,
        // A 101 would have opened the connection. Any other status is an HTTP answer with a text.
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

/// Sends lines and prints messages. Returns the reason of the end.
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
                    // `recv` returns the reason, and the messages before it.
                    Ok(()) | Err(ClientError::Closed(_)) => {}
                    Err(error) => return Err(error.into()),
                },
                None => return leave(client).await,
            },
        }
    }
}

/// Prints messages for a short time after the end of the input, then closes.
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

/// Returns the lines of the standard input.
///
/// A thread of its own reads them and is not joined, so the program can end while the thread waits
/// for input.
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

/// The answer to a successful login.
#[derive(Deserialize)]
struct LoggedIn {
    token: String,
}

/// Sends `POST /login`. One request does not need an HTTP library.
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
    // Some servers answer HTTP/1.1 in chunks. An answer to HTTP/1.0 ends with the stream (RFC 9112
    // section 6.3).
    let request = format!(
        "POST {path}/login HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LOGIN_BYTES).read_to_end(&mut answer).await?;

    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer to the login is not HTTP")?;
    let status = head.lines().next().and_then(|line| line.split_once(' ')).map_or("", |(_, status)| status);
    if !status.starts_with("200") {
        return Err(format!("the login was refused with status {status}: {body}").into());
    }
    let LoggedIn { token } = serde_json::from_str(body)
        .map_err(|error| format!("the answer to the login has no token: {error}"))?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_accepted_in_any_order_and_need_a_value() {
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

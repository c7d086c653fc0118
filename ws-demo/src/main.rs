//! The tour of ws-core, in the chapters of the how-to that it follows (Websocket使用):
//!
//! | chapter | here |
//! |---|---|
//! | 安装依赖 / dependencies | `Cargo.toml` |
//! | 配置服务 / servers | `ws.toml` |
//! | 配置路由 / routes | `controllers`: the attribute of each controller |
//! | 控制器 / the controller | `controllers/demo` |
//! | 鉴权方式 / ways to bring a token | `token`, `controllers/late` |
//! | 自定义回调服务 / the callback server, customised | this file: [`app`] replaces only the core step |
//! | 自定义协议升级中间件 / the core step, replaced | `upgrade` |
//! | 鉴权中间件 / the auth middleware | `middleware` |
//! | 自定义异常 / custom exceptions | `errors`, `controllers/errors` |
//! | (beyond the how-to) typed handlers and rooms | `controllers/room`, `chat` |
//! | (beyond the how-to) several processes | `nodes`, `health` |
//! | 客户端 / the client | `client` |
//!
//! `users`, `login` and `page` have the parts that the how-to assumes: a users table, tokens, and
//! an HTTP server. `health` has the pages for load balancers.

#![forbid(unsafe_code)]

mod chat;
mod client;
mod controllers;
mod errors;
mod health;
mod login;
mod middleware;
mod nodes;
mod page;
mod token;
mod upgrade;
mod users;

use std::{
    env,
    error::Error,
    io::{self, IsTerminal as _, Write as _},
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};
use ws_core::{App, Config, console, contract};

use crate::{
    chat::Chat,
    login::Callers,
    middleware::Auth,
    page::WsPort,
    upgrade::CoreStep,
    users::{Location, Users},
};

const USAGE: &str = "\
usage: ws-demo                 serve until SIGINT or SIGTERM
       ws-demo routes          print the route table
       ws-demo asyncapi FILE   write the AsyncAPI document; `-` prints it
       ws-demo client     log in to a running demo and chat from the terminal
               [--url ws://127.0.0.1:9502] [--http http://127.0.0.1:9501]
               [--account jerry] [--password jerry-demo] [--path /wss/demo]
       ws-demo --help     print this

environment: WS__SERVERS__HTTP__PORT, WS__SERVERS__WS__PORT   ports, 0 for any (9501, 9502)
             WS_DEMO_DB                                       users file, or `:memory:`
             JWT_SECRET                                       signs the tokens, 32 bytes (default: random, new at each start);
                                                              the same for all processes of a cluster
             WS__CLUSTER__URL                                 joins demos by Redis: redis://127.0.0.1:6379 (none)
             WS__CLUSTER__KIND                                `nats`: by NATS, nats://127.0.0.1:4222 (redis)
             WS__CONSOLE__PORT                                port of the console, in debug builds (9500)
             WS_DEMO_TOKEN_TTL                                lifetime of a token, in seconds (7200)
             JWT_OPEN                                         `false`: the handshake checks no token (true)
             RUST_LOG                                         what is logged (info)
";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> =
        env::args_os().skip(1).map(|argument| argument.to_string_lossy().into()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let configured = match config() {
        Ok(config) => app(config),
        Err(error) => return failed(&*error),
    };
    if let Some(code) = contract::cli(&configured, &arguments) {
        return code;
    }
    let ended = match arguments.as_slice() {
        [] => serve().await,
        ["-h" | "--help"] => print(USAGE),
        ["client", options @ ..] => match client::Options::from_arguments(options) {
            Some(options) => client::run(&options).await,
            None => return misunderstood(&arguments),
        },
        _ => return misunderstood(&arguments),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

fn failed(error: &dyn Error) -> ExitCode {
    let _ = writeln!(io::stderr(), "error: {error}");
    ExitCode::FAILURE
}

/// Answers unknown arguments.
fn misunderstood(arguments: &[&str]) -> ExitCode {
    let _ = write!(io::stderr(), "unknown arguments: {}\n\n{USAGE}", arguments.join(" "));
    ExitCode::from(2)
}

/// The application of all commands: everything that has an attribute, and the replaced core step.
fn app(config: Config) -> App {
    App::new().config(config).described_as("ws-demo", env!("CARGO_PKG_VERSION")).upgrade("ws", CoreStep)
}

/// The configuration without the environment. The document of the contract has these addresses.
fn config() -> Result<Config, Box<dyn Error>> {
    Ok(Config::from_toml_str(include_str!("../ws.toml"), "ws.toml")?)
}

/// Runs both servers until a signal arrives.
async fn serve() -> Result<(), Box<dyn Error>> {
    // Colours are for terminals only, and not if they are declined (no-color.org).
    let has_colours =
        io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .from_env()
        .map_err(|error| format!("RUST_LOG: {error}"))?;
    tracing_subscriber::registry()
        .with(filter)
        .with(fmt::layer().with_writer(io::stderr).with_ansi(has_colours))
        .with(console::log_layer())
        .init();

    let config = config()?.with_env()?;
    let location = Location::from_env();
    let users = Users::open(location.clone()).await.map_err(|error| format!("{location}: {error}"))?;
    tracing::info!(%location, "users");
    let (tokens, verifier) = login::tokens_from_env()?;
    let auth = Auth::from_env(verifier)?;
    if config.cluster.is_some() && !login::has_secret() {
        tracing::warn!(
            "JWT_SECRET is not set: other processes of the cluster will refuse the tokens of this process"
        );
    }

    let ws_port = WsPort::default();
    let app = app(config).console();
    let chat = Chat::default();
    let callers = Callers { users: users.clone(), verifier: auth.verifier.clone() };
    let sample = tokens.issue(1)?;
    let http = login::router(callers.clone(), tokens)
        .merge(chat::router(app.hub(), chat.clone(), callers.clone()))
        .merge(nodes::router(app.hub(), callers))
        .merge(health::router(app.readiness(), app.hub(), app.prometheus()))
        .merge(page::router(ws_port.clone()));
    let app = app.state(users).state(chat).state(auth).http("http", http);
    let routes = app.routes();

    let running = app.start().await?;
    let (Some(http), Some(ws)) = (running.local_addr("http"), running.local_addr("ws")) else {
        return Err("ws.toml must have the servers `http` and `ws`".into());
    };
    let _ = ws_port.set(ws.port());
    // Only in debug builds. The first account is jerry, whose password is printed below.
    let console = running.console_url();
    let console = console
        .map(|url| format!("Console    {url}\n           a token of jerry for its page Try: {sample}\n"));
    let console = console.unwrap_or_default();
    // The signal handlers are installed before the addresses are printed: a reader of the output
    // may stop the demo at once.
    let (_, printed) = tokio::join!(biased; running.run_until_signal(), async {
        print(&format!("{routes}\n\n{console}{}", commands(reachable(http), reachable(ws))))
    });
    printed
}

/// Returns the commands to paste into another terminal.
fn commands(http: SocketAddr, ws: SocketAddr) -> String {
    format!(
        r#"HTTP       http://{http}
WebSocket  ws://{ws}

In a browser: http://{http}/
In a terminal: cargo run -p ws-demo -- client --http http://{http} --url ws://{ws}
Or with the WebSocket client that you have:

  TOKEN=$(curl -s http://{http}/login -H 'Content-Type: application/json' -d '{{"account":"jerry","password":"jerry-demo"}}' | cut -d '"' -f 4)
  npx wscat -H "Authorization: Bearer $TOKEN" -c ws://{ws}/wss/demo
  websocat -H="Authorization: Bearer $TOKEN" ws://{ws}/wss/demo
  python3 -m websockets ws://{ws}/wss/echo     # pip install websockets

Where no header can be set (proxies log addresses, and the token with them):

  websocat "ws://{ws}/wss/demo?token=$TOKEN"

A chat with typed events, which all members of the room receive:

  websocat -H="Authorization: Bearer $TOKEN" ws://{ws}/wss/rooms/lobby
  {{"event":"say","data":{{"text":"hi"}},"ref":1}}
  curl -s http://{http}/rooms/lobby/say -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{{"text":"over HTTP"}}'

With a TOKEN of admin / admin-demo, this closes the connections of lily with 4403:

  curl -s -X DELETE http://{http}/users/lily -H "Authorization: Bearer $TOKEN"

More processes, one chat: the same JWT_SECRET and WS__CLUSTER__URL=redis://127.0.0.1:6379 for each (docs/cluster.md).
/wss/late takes the same, but opens first and closes with 4401 without a good token.
Say anything, or `nihao` to be disconnected. /wss/errors knows `boom` and `panic`.
"#
    )
}

/// Returns the address at which a client on this machine reaches a server that listens on all
/// addresses.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    address
}

/// Prints. A closed output (`| head`) does not stop the server.
fn print(text: &str) -> Result<(), Box<dyn Error>> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_document_is_up_to_date() {
        contract::assert_file("asyncapi.json", app(config().unwrap()).contract().asyncapi());
    }

    #[test]
    fn the_committed_client_of_the_page_is_up_to_date() {
        let contract = app(config().unwrap()).contract();
        contract::assert_file("web/client.js", contract.javascript());
        contract::assert_file("web/client.d.ts", contract.typescript());
    }
}

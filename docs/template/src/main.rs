//! Serves the application, or runs a command about its contract.
//!
//! ```text
//! cargo run                            serve until SIGINT or SIGTERM
//! cargo run -- routes                  print the routes
//! cargo run -- asyncapi asyncapi.json  write the AsyncAPI document
//! cargo run -- contract asyncapi.json  compare it with this build
//! cargo run -- client web              write the JavaScript client and its types
//! ```

use std::process::ExitCode;

use tracing_subscriber::EnvFilter;
use ws_core::contract;

#[tokio::main]
async fn main() -> ExitCode {
    let app = {{crate_name}}::app();
    if let Some(code) = contract::cli(&app, std::env::args_os().skip(1)) {
        return code;
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).init();
    match app.run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

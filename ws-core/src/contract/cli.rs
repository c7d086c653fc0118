//! The commands of a program about its own contract.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use super::{Contract, file};
use crate::app::App;

/// Runs a command about the contract of an application; `None` if the arguments are not one.
///
/// | arguments | effect |
/// |---|---|
/// | `routes` | prints the table of routes |
/// | `asyncapi FILE` | writes the AsyncAPI document; `-` prints it |
/// | `client FOLDER` | writes `client.js` and `client.d.ts` into the folder |
///
/// The arguments are those of the program without its name. A command needs no state, no
/// configuration and no listener, so it runs before all of these are made:
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use ws_core::{App, contract};
///
/// fn main() -> ExitCode {
///     let app = App::new().described_as("chat", env!("CARGO_PKG_VERSION"));
///     if let Some(code) = contract::cli(&app, std::env::args_os().skip(1)) {
///         return code;
///     }
///     // Start the application.
///     ExitCode::SUCCESS
/// }
/// ```
///
/// The exit code is 0, 1 for a failure, and 2 for a command with wrong arguments. Gaps of the
/// contract are printed to the standard error.
pub fn cli(app: &App, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Option<ExitCode> {
    let arguments: Vec<String> =
        arguments.into_iter().map(|argument| argument.into().to_string_lossy().into_owned()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["routes"] => print(&format!("{}\n", app.routes())),
        ["asyncapi", path] => {
            let contract = app.contract();
            warn_of_gaps(&contract);
            put(path, &contract.asyncapi())
        }
        ["asyncapi", ..] => return Some(usage("asyncapi FILE")),
        ["client", folder] if !folder.starts_with('-') => {
            let contract = app.contract();
            warn_of_gaps(&contract);
            let path = |name: &str| Path::new(folder).join(name).display().to_string();
            put(&path("client.js"), &contract.javascript())
                .and_then(|()| put(&path("client.d.ts"), &contract.typescript()))
        }
        _ => return None,
    };
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            complain(&format!("error: {fault}"));
            ExitCode::FAILURE
        }
    })
}

/// Writes a file, or prints the text for the path `-`.
fn put(path: &str, text: &str) -> Result<(), String> {
    if path == "-" {
        return print(text);
    }
    file::write(Path::new(path), text)?;
    print(&format!("{path} written\n"))
}

/// Prints to the standard output. A reader that is gone, as of `| head`, is not a failure.
fn print(text: &str) -> Result<(), String> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// Prints to the standard error.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn warn_of_gaps(contract: &Contract) {
    for gap in &contract.gaps {
        complain(&format!("not known: {gap}"));
    }
}

fn usage(usage: &str) -> ExitCode {
    complain(&format!("usage: {usage}"));
    ExitCode::from(2)
}

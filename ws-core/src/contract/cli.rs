//! The commands of a program about its own contract.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use super::{
    Contract,
    check::{ChangeClass, Comparison, compare_with_file, grouped},
    file,
};
use crate::app::App;

/// The text of `contract --help`.
const HELP: &str = "\
Commands about the contract of this program:
  routes                                print the table of routes
  asyncapi FILE                         write the AsyncAPI document; - prints it
  client FOLDER                         write client.js and client.d.ts
  contract FILE [--accept] [--strict]   compare the document in FILE with this build

Options of contract:
  --accept   write FILE, whatever changed
  --strict   risky changes fail, too

Exit codes: 0 done, and no change that fails; 1 failure, such as a breaking or
an unjudged change; 2 wrong arguments.
";

/// The arguments of `contract`.
const CONTRACT: &str = "contract FILE [--accept] [--strict]";

/// Runs a command about the contract of an application; `None` if the arguments are not one.
///
/// | arguments | effect |
/// |---|---|
/// | `routes` | prints the table of routes |
/// | `asyncapi FILE` | writes the AsyncAPI document; `-` prints it |
/// | `client FOLDER` | writes `client.js` and `client.d.ts` into the folder |
/// | `contract FILE` | [compares](super::check()) the document in the file with this build, and prints the changes |
/// | `contract FILE --accept` | prints the changes, and writes the file |
/// | `contract FILE --strict` | fails for risky changes, too |
/// | `contract --help` | prints this list |
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
/// The exit code is 0, 1 for a failure, and 2 for a command with wrong arguments. A breaking or an
/// unjudged change is a failure, and so is a file that is missing. Gaps of the contract are printed
/// to the standard error.
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
        ["contract", "--help" | "-h"] => print(HELP),
        ["contract", arguments @ ..] => match ContractOptions::parse(arguments) {
            Some(options) => check(&app.contract(), &options),
            None => return Some(usage(CONTRACT)),
        },
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

/// The options of the command `contract`.
struct ContractOptions<'a> {
    path: &'a str,
    is_accepted: bool,
    is_strict: bool,
}

impl<'a> ContractOptions<'a> {
    fn parse(arguments: &[&'a str]) -> Option<Self> {
        let (flags, paths): (Vec<&str>, Vec<&str>) =
            arguments.iter().copied().partition(|argument| argument.starts_with('-'));
        let &[path] = &*paths else { return None };
        let is_known = |flag: &&str| ["--accept", "--strict"].contains(flag);
        flags.iter().all(is_known).then(|| Self {
            path,
            is_accepted: flags.contains(&"--accept"),
            is_strict: flags.contains(&"--strict"),
        })
    }
}

/// Compares the document in a file with a contract, and prints the changes.
fn check(contract: &Contract, options: &ContractOptions<'_>) -> Result<(), String> {
    let path = options.path;
    let changes = match compare_with_file(Path::new(path), contract) {
        Ok(Comparison::Equal) => return print(&format!("{path} is up to date\n")),
        Ok(Comparison::Differs(changes)) => changes,
        Ok(Comparison::Missing) if options.is_accepted => Vec::new(),
        Ok(Comparison::Missing) => {
            return Err(format!("{path} is not there; `contract {path} --accept` writes it"));
        }
        Err(fault) if options.is_accepted => {
            complain(&format!("replaced: {fault}"));
            Vec::new()
        }
        Err(fault) => return Err(fault),
    };
    print(&grouped(&changes))?;
    if options.is_accepted {
        return put(path, &contract.asyncapi());
    }
    let worst = if options.is_strict { ChangeClass::Risky } else { ChangeClass::Unjudged };
    if changes.iter().any(|change| change.class <= worst) {
        return Err(format!("clients of {path} may fail; `contract {path} --accept` accepts the changes"));
    }
    print(&format!("{path} is out of date; `contract {path} --accept` writes it\n"))
}

/// Writes a file, or prints the text for the path `-`.
fn put(path: &str, text: &str) -> Result<(), String> {
    if path == "-" {
        return print(text);
    }
    file::write(Path::new(path), text)?;
    print(&format!("{path} written\n"))
}

/// Prints to the standard output. A reader that closes early, such as `| head`, is not a failure.
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

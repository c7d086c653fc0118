//! Compares a contract with the document in a file.

use std::{fmt::Write as _, path::Path};

use serde_json::Value;

use super::{Change, ChangeClass, check};
use crate::contract::{
    Contract,
    file::{self, VARIABLE, is_accepted},
};

/// The result of a comparison with a file.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::contract) enum Comparison {
    /// The file does not exist.
    Missing,
    /// The file has the document of this build.
    Equal,
    /// The file has another text. Without changes, only documentation differs.
    Differs(Vec<Change>),
}

/// Compares the document in a file with a contract.
pub(in crate::contract) fn compare_with_file(path: &Path, contract: &Contract) -> Result<Comparison, String> {
    let Some(text) = file::read(path)? else { return Ok(Comparison::Missing) };
    if text == contract.asyncapi() {
        return Ok(Comparison::Equal);
    }
    let shown = path.display();
    let committed: Value =
        serde_json::from_str(&text).map_err(|error| format!("{shown} is not a JSON document: {error}"))?;
    let changes = check(&committed, &contract.asyncapi_document());
    changes.map(Comparison::Differs).map_err(|error| format!("{shown}: {error}"))
}

/// Lists changes by class, with the number of each.
pub(in crate::contract) fn grouped(changes: &[Change]) -> String {
    let mut text = String::new();
    for class in ChangeClass::ALL {
        let of_class: Vec<&Change> = changes.iter().filter(|change| change.class == class).collect();
        if of_class.is_empty() {
            continue;
        }
        let noun = if of_class.len() == 1 { "change" } else { "changes" };
        // Writing to a text does not fail.
        let _ = writeln!(text, "{} {class} {noun}:", of_class.len());
        for change in of_class {
            let _ = writeln!(text, "  {}: {}", change.place, change.what);
        }
    }
    text
}

/// Asserts, in a test, that clients of the committed document can use this build.
///
/// It [compares](check) the AsyncAPI document in the file with that of the contract. Breaking and
/// unjudged changes fail. Risky and compatible ones pass; the output of the test lists them and
/// reports that the file is out of date (`cargo test -- --show-output`). Use
/// [`assert_file`](crate::contract::assert_file) instead if each change of the document has to be
/// committed.
///
/// With the environment variable `WS_CONTRACT=accept` it writes the file. Without a file, it
/// writes one and fails once, so that the new file is noticed. A relative path begins at the folder
/// of the package.
///
/// ```no_run
/// # use ws_core::App;
/// #[test]
/// fn clients_are_not_broken() {
///     let contract = App::new().contract();
///     ws_core::contract::assert_unbroken("asyncapi.json", &contract);
/// }
/// ```
///
/// # Panics
/// If there is a breaking or an unjudged change, or if the file is missing, is not a document, or
/// cannot be read or written.
#[track_caller]
#[expect(clippy::panic, reason = "this is an assertion of a test")]
pub fn assert_unbroken(path: impl AsRef<Path>, contract: &Contract) {
    match check_unbroken(path.as_ref(), contract, is_accepted()) {
        Ok(None) => {}
        // The test harness captures the output of the macro, but not that of the stream.
        Ok(Some(note)) => eprintln!("{note}"),
        Err(fault) => panic!("{fault}"),
    }
}

/// Returns a note for a test that passes although the file is not up to date.
fn check_unbroken(path: &Path, contract: &Contract, is_accepted: bool) -> Result<Option<String>, String> {
    let shown = path.display();
    if is_accepted {
        return file::check_file(path, &contract.asyncapi(), true).map(|()| None);
    }
    let changes = match compare_with_file(path, contract)? {
        Comparison::Equal => return Ok(None),
        // This writes the file and fails.
        Comparison::Missing => return file::check_file(path, &contract.asyncapi(), false).map(|()| None),
        Comparison::Differs(changes) => changes,
    };
    let list = grouped(&changes);
    if changes.iter().any(|change| change.class <= ChangeClass::Unjudged) {
        return Err(format!(
            "clients of {shown} may fail with this build:\n{list}With {VARIABLE}=accept, the test accepts \
             the changes and writes the file."
        ));
    }
    Ok(Some(format!("{shown} is out of date; {VARIABLE}=accept writes it\n{list}")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::contract::Channel;

    fn contract(addresses: &[&str]) -> Contract {
        let channel = |address: &&str| Channel {
            name: address.trim_matches('/').to_owned(),
            address: (*address).to_owned(),
            ..Channel::default()
        };
        Contract { channels: addresses.iter().map(channel).collect(), ..Contract::default() }
    }

    #[test]
    fn a_test_fails_for_breaking_changes_and_notes_the_others() {
        let folder = std::env::temp_dir().join(format!("ws-core-unbroken-{}", std::process::id()));
        let path = folder.join("asyncapi.json");
        let old = contract(&["/a", "/b"]);
        let fault = check_unbroken(&path, &old, false).unwrap_err();
        assert!(fault.contains("did not exist"), "{fault}");
        assert_eq!(check_unbroken(&path, &old, false), Ok(None));
        let note = check_unbroken(&path, &contract(&["/a", "/b", "/c"]), false).unwrap().unwrap();
        assert!(note.contains("is out of date") && note.contains("1 compatible change:\n  c: "), "{note}");
        let fault = check_unbroken(&path, &contract(&["/a"]), false).unwrap_err();
        assert!(
            fault.contains("1 breaking change:\n  b: ") && fault.contains("WS_CONTRACT=accept"),
            "{fault}"
        );
        let renamed = Contract { title: "other".into(), ..old.clone() };
        let note = check_unbroken(&path, &renamed, false).unwrap().unwrap();
        assert!(!note.contains("change:"), "{note}");
        assert_eq!(fs::read_to_string(&path).unwrap(), old.asyncapi(), "only accept writes");
        assert_eq!(check_unbroken(&path, &contract(&["/a"]), true), Ok(None));
        assert_eq!(check_unbroken(&path, &contract(&["/a"]), false), Ok(None));
        fs::write(&path, "{").unwrap();
        let fault = check_unbroken(&path, &old, false).unwrap_err();
        assert!(fault.contains("is not a JSON document"), "{fault}");
        fs::remove_dir_all(folder).unwrap();
    }
}

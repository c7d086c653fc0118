//! Files that are made from a contract and committed, and the test that they are up to date.

use std::{fs, io, path::Path};

/// The environment variable that accepts the new contents: `WS_CONTRACT=accept`.
pub(super) const VARIABLE: &str = "WS_CONTRACT";

/// Asserts, in a test, that a committed file has this text. Line ends may be those of Windows.
///
/// With the environment variable `WS_CONTRACT=accept` it writes the file instead. Without a
/// file, it writes one and fails once, so that the new file is noticed. A relative path begins at
/// the folder of the package.
///
/// ```no_run
/// # use ws_core::App;
/// #[test]
/// fn the_client_is_up_to_date() {
///     let contract = App::new().contract();
///     ws_core::contract::assert_file("asyncapi.json", contract.asyncapi());
/// }
/// ```
///
/// # Panics
/// If the file has another text, or cannot be read or written.
#[track_caller]
#[expect(clippy::panic, reason = "this is an assertion of a test")]
pub fn assert_file(path: impl AsRef<Path>, text: impl AsRef<str>) {
    let (path, text) = (path.as_ref(), text.as_ref());
    if let Err(fault) = check_file(path, text, is_accepted()) {
        panic!("{fault}");
    }
}

/// Whether the environment asks to accept the new contents.
pub(super) fn is_accepted() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|value| value == "accept")
}

pub(super) fn check_file(path: &Path, text: &str, is_accepted: bool) -> Result<(), String> {
    let shown = path.display();
    match read(path) {
        Ok(Some(found)) if found == text => Ok(()),
        Ok(_) if is_accepted => write(path, text),
        Ok(Some(found)) => Err(format!(
            "{shown} is not up to date; {}\nWith {VARIABLE}=accept, the test writes it.",
            difference(&found, text)
        )),
        Ok(None) => {
            write(path, text)?;
            Err(format!("{shown} did not exist; it is written now: read it and commit it"))
        }
        Err(fault) => Err(fault),
    }
}

/// Reads a text file with the line ends of Unix; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.replace("\r\n", "\n"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

/// Writes a file, and the folders that contain it.
pub(super) fn write(path: &Path, text: &str) -> Result<(), String> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let written = parent.map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, text));
    written.map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

/// Describes the first line that differs.
fn difference(found: &str, expected: &str) -> String {
    let (mut found, mut expected) = (found.lines(), expected.lines());
    let mut number = 1;
    loop {
        match (found.next(), expected.next()) {
            (Some(one), Some(other)) if one == other => number += 1,
            (None, None) => return "only the end of the file differs".to_owned(),
            (found, expected) => {
                let shown =
                    |line: Option<&str>| line.map_or("(end of file)".to_owned(), |line| format!("`{line}`"));
                return format!("line {number} is {}\nand should be {}", shown(found), shown(expected));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_compared_written_once_and_accepted() {
        let folder = std::env::temp_dir().join(format!("ws-core-file-{}", std::process::id()));
        let path = folder.join("deep/contract.json");
        let fault = check_file(&path, "a\nb\n", false).unwrap_err();
        assert!(fault.contains("did not exist"), "{fault}");
        assert_eq!(check_file(&path, "a\nb\n", false), Ok(()));
        fs::write(&path, "a\r\nb\r\n").unwrap();
        assert_eq!(check_file(&path, "a\nb\n", false), Ok(()), "the line ends of Windows");
        let fault = check_file(&path, "a\nc\nd\n", false).unwrap_err();
        assert!(fault.contains("line 2 is `b`") && fault.contains("should be `c`"), "{fault}");
        assert_eq!(check_file(&path, "a\nc\n", true), Ok(()));
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\nc\n");
        fs::remove_dir_all(folder).unwrap();
    }
}

//! The layers of ws-core: a module imports only modules below it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The modules of ws-core, bottom up. `docs/architecture.md` says what each of them owns.
const LAYERS: &[&str] = &[
    "fixed",
    "caught",
    "sync",
    "place",
    "random",
    "throttle",
    "schema",
    "config",
    "wire",
    "extension",
    "envelope",
    "error",
    "state",
    "function",
    "layer",
    "telemetry",
    "request",
    "socket",
    "connection",
    "hub",
    "recovery",
    "controller",
    "handlers",
    "session",
    "handshake",
    "registry",
    "server",
    "app",
    "contract",
    "console",
    "jwt",
    "client",
    "testing",
    "fuzzing",
];

/// The files of `ws_core::client`, bottom up.
const CLIENT: &[&str] = &[
    "error",
    "attempt",
    "settings",
    "ledger",
    "transport",
    "tls",
    "compression",
    "request",
    "wire",
    "connection",
    "connect",
    "reconnect",
    "driver",
    "split",
    "builder",
    "typed",
    "mod",
];

/// Crates that only some modules name, so that what depends on them is in one place.
const CRATES: &[(&str, &[&str])] = &[
    ("flate2", &["socket", "fuzzing"]),
    ("inventory", &["registry", "lib"]),
    ("tungstenite", &["wire", "testing", "fuzzing"]),
    ("redis", &["hub"]),
    ("async_nats", &["hub"]),
    ("schemars", &["schema"]),
    ("metrics", &["telemetry", "app"]),
    ("metrics_exporter_prometheus", &["app"]),
    ("tracing_subscriber", &["console"]),
];

/// The only pair of modules that import each other: the lower one may import the upper one.
const PAIR: (&str, &str) = ("connection", "hub");

#[test]
fn a_module_imports_only_modules_below_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ws-core/src");
    let mut faults = Vec::new();
    let mut imports = 0;
    for file in files(&source) {
        let relative = file.strip_prefix(&source).unwrap().to_str().unwrap().replace('\\', "/");
        let module = relative.split('/').next().unwrap().trim_end_matches(".rs");
        let is_test = relative.split('/').any(|part| part == "tests" || part == "tests.rs");
        if module == "lib" || is_test {
            continue;
        }
        let Some(floor) = LAYERS.iter().position(|layer| *layer == module) else {
            faults.push(format!("{relative}: `{module}` has no place in the order; add it to LAYERS"));
            continue;
        };
        for import in imported(&fs::read_to_string(&file).unwrap(), "crate::") {
            imports += 1;
            match LAYERS.iter().position(|layer| *layer == import) {
                None => faults.push(format!("{relative}: imports `crate::{import}`; name the module that has it")),
                Some(other) if other > floor && (module, &*import) != PAIR => faults.push(format!(
                    "{relative}: imports `crate::{import}`, but `{module}` is below `{import}`; move the item \
                     down, or reverse the import"
                )),
                Some(_) => {}
            }
        }
    }
    assert!(imports > 300, "only {imports} imports were found: the test does not find the sources");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_file_of_the_client_imports_only_files_below_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ws-core/src/client");
    let mut faults = Vec::new();
    let mut imports = 0;
    for file in files(&source) {
        let relative = file.strip_prefix(&source).unwrap().to_str().unwrap().replace('\\', "/");
        let text = fs::read_to_string(&file).unwrap();
        let mut found = imported(&text, "crate::client::");
        // Below `reconnect/`, `super` is the folder.
        if !relative.contains('/') || relative.ends_with("/mod.rs") {
            found.extend(imported(&text, "super::"));
        }
        let module = relative.split('/').next().unwrap().trim_end_matches(".rs");
        let floor = CLIENT.iter().position(|layer| *layer == module);
        for import in found {
            imports += 1;
            let other = CLIENT.iter().position(|layer| *layer == import);
            if floor.is_none() || other.is_none() || other > floor {
                faults.push(format!(
                    "{relative}: imports `{import}`, which CLIENT does not list below `{module}`"
                ));
            }
        }
    }
    assert!(imports > 20, "only {imports} imports were found: the test does not find the sources");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_crate_is_named_only_by_the_modules_that_it_belongs_to() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ws-core/src");
    let mut faults = Vec::new();
    let mut named = BTreeSet::new();
    for file in files(&source) {
        let relative = file.strip_prefix(&source).unwrap().to_str().unwrap().replace('\\', "/");
        let module = relative.split('/').next().unwrap().trim_end_matches(".rs");
        let text = fs::read_to_string(&file).unwrap();
        let code: String = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
        for (name, modules) in CRATES {
            if !code.contains(&format!("{name}::")) {
                continue;
            }
            named.insert(*name);
            if !modules.contains(&module) {
                faults.push(format!("{relative}: names `{name}`; only {modules:?} may"));
            }
        }
    }
    assert_eq!(named.len(), CRATES.len(), "only {named:?} were found: the test does not find the sources");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The page that explains the modules has all of them, in order, and names only existing files.
#[test]
fn the_documented_code_map_is_the_order_of_the_modules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    let map = page.split("## Code map").nth(1).unwrap().split("\n## ").next().unwrap();
    let entries: Vec<&str> = map
        .lines()
        .filter_map(|line| line.strip_prefix("- **"))
        .flat_map(|line| line.split(':').next().unwrap().split('`').skip(1).step_by(2))
        .collect();
    assert_eq!(entries, LAYERS);
    let source = root.join("ws-core/src");
    let mut files = 0;
    for name in page.split('`').skip(1).step_by(2).filter(|name| name.ends_with(".rs") && name.contains('/'))
    {
        files += 1;
        assert!(
            source.join(name).exists() || root.join(name).exists(),
            "docs/architecture.md names {name}, which does not exist"
        );
    }
    assert!(files > 15, "only {files} files were found in docs/architecture.md");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The first segments of all paths after `root`, outside of comments and of tests.
fn imported(text: &str, root: &str) -> BTreeSet<String> {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let text = without_tests(lines.collect::<Vec<_>>().join("\n"));
    let mut found = BTreeSet::new();
    for (at, start) in text.match_indices(root) {
        if text[..at].ends_with(|before: char| before == '$' || before == '_' || before.is_alphanumeric()) {
            continue;
        }
        let rest = &text[at + start.len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(heads(list)),
            None => found.extend(head(rest)),
        }
    }
    found
}

/// The first segments of the elements of `{a::b, c::{d, e}, f}`, from after the opening brace on.
fn heads(list: &str) -> Vec<String> {
    let mut found = Vec::from_iter(head(list));
    let mut depth = 1;
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => found.extend(head(&list[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

fn head(path: &str) -> Option<String> {
    let word: String =
        path.trim_start().chars().take_while(|it| *it == '_' || it.is_alphanumeric()).collect();
    (!word.is_empty()).then_some(word)
}

/// Removes `#[cfg(..test..)] mod name { .. }`.
fn without_tests(mut text: String) -> String {
    while let Some(start) = text.find("#[cfg(test)]\nmod tests {") {
        let body = start + text[start..].find('{').unwrap();
        let mut depth = 0;
        let end = text[body..].char_indices().find_map(|(at, character)| {
            depth += match character {
                '{' => 1,
                '}' => -1,
                _ => 0,
            };
            (depth == 0).then_some(body + at + 1)
        });
        text.replace_range(start..end.unwrap_or(text.len()), "");
    }
    text
}

#[test]
fn imports_are_found_however_they_are_written() {
    let text = "
        use crate::{
            config::{Config, Limits},
            fixed, // crate::comment
            wire::Message as Word,
        };
        pub(crate) use crate::error::Result;
        fn f() -> crate::hub::Hub { $crate::not_this::X }
        #[cfg(test)]
mod tests { use crate::app::App; mod deep { } }
        fn g() { crate::state::g() }";
    let expected = ["config", "error", "fixed", "hub", "state", "wire"];
    assert_eq!(imported(text, "crate::"), expected.map(str::to_owned).into());
}

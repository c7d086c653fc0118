//! The pages of the book: their links, the table of contents, and their examples.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

/// The folders whose own Markdown files link to the book.
const AROUND: [&str; 6] = [".", "tests/benches", "tests/fuzz", "tests/soak", "ws-core", "ws-macros"];

/// Files in `docs` that are not pages: the table of contents, and a template for other projects.
const NOT_PAGES: [&str; 2] = ["docs/SUMMARY.md", "docs/template/"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The files below `folder` with this extension, as paths from the root of the repository.
fn files(folder: &Path, extension: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|end| end == extension) {
            found.push(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
        }
    }
}

/// The Markdown files of the folders in `AROUND`, as paths from the root of the repository.
fn around() -> Vec<String> {
    let files = AROUND.iter().flat_map(|folder| fs::read_dir(root().join(folder)).unwrap());
    let paths = files.map(|entry| entry.unwrap().path());
    let pages = paths.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let name = |path: PathBuf| path.components().collect::<PathBuf>();
    let inside = |path: PathBuf| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    pages.map(name).map(inside).collect()
}

/// The pages of the book, as paths from the root of the repository.
fn pages() -> Vec<String> {
    let mut found = Vec::new();
    files(&root().join("docs"), "md", &mut found);
    found.retain(|path| !NOT_PAGES.iter().any(|other| path.starts_with(other)));
    found.sort();
    found
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines of a text outside its code blocks, with their numbers.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut is_code = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            lines.push((index + 1, line.to_owned()));
        }
    }
    lines
}

/// The targets of the inline links in these lines, with the numbers of the lines.
fn links(lines: &[(usize, String)]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in lines {
        let text = without_code(line);
        for (place, _) in text.match_indices("](") {
            let target = &text[place + 2..];
            let end = target.find(')').unwrap_or(target.len());
            found.push((*number, target[..end].to_owned()));
        }
    }
    found
}

/// A line without what is in backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// The anchors of a page, as GitHub makes them from its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut counts = BTreeMap::<String, usize>::new();
    let mut found = BTreeSet::new();
    for (_, line) in prose(text) {
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let anchor: String = heading
            .trim()
            .to_lowercase()
            .chars()
            .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
            .map(|letter| if letter == ' ' { '-' } else { letter })
            .collect();
        let count = counts.entry(anchor.clone()).or_default();
        found.insert(if *count == 0 { anchor.clone() } else { format!("{anchor}-{count}") });
        *count += 1;
    }
    found
}

/// The path of a link's file from the root of the repository, or `None` if the link leaves it.
fn resolved(page: &str, target: &str) -> Option<PathBuf> {
    let folder = Path::new(page).parent().unwrap();
    let mut parts = Vec::new();
    for part in folder.join(target).components() {
        match part {
            Component::ParentDir => _ = parts.pop()?,
            Component::Normal(part) => parts.push(part.to_owned()),
            _ => {}
        }
    }
    Some(parts.iter().collect())
}

/// The reason why a link of a page does not work.
fn fault(page: &str, text: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let linked = if file.is_empty() {
        text.to_owned()
    } else {
        let Some(path) = resolved(page, file) else { return Some("leaves the repository".into()) };
        let path = root().join(path);
        if !path.exists() {
            return Some("the file does not exist".into());
        }
        if anchor.is_empty() {
            return None;
        }
        fs::read_to_string(path).unwrap()
    };
    (!anchors(&linked).contains(anchor)).then(|| format!("the page has no heading `#{anchor}`"))
}

#[test]
fn every_relative_link_of_the_book_and_of_the_pages_around_it_resolves() {
    let mut count = 0;
    let mut faults = Vec::new();
    for page in around().into_iter().chain(["docs/SUMMARY.md".to_owned()]).chain(pages()) {
        let text = read(&page);
        for (line, target) in links(&prose(&text)) {
            count += 1;
            if let Some(fault) = fault(&page, &text, &target) {
                faults.push(format!("{page}:{line}: {target}: {fault}"));
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(count > 100, "only {count} links were found");
}

#[test]
fn the_table_of_contents_lists_every_page_once() {
    let summary = read("docs/SUMMARY.md");
    let mut listed: Vec<String> =
        links(&prose(&summary)).into_iter().map(|(_, target)| format!("docs/{target}")).collect();
    listed.sort();
    assert_eq!(listed, pages());
}

#[test]
fn every_page_with_rust_blocks_is_compiled() {
    let compiled = include_str!("lib.rs");
    for page in pages().into_iter().filter(|page| page != "docs/mistakes.md") {
        let name = format!("\"{}\"", page.strip_prefix("docs/").unwrap());
        if read(&page).contains("```rust") {
            assert!(compiled.contains(&name), "tests/lib.rs does not compile the blocks of {page}");
        }
    }
}

/// The rows P1 to P32 of the table in `docs/from-hyperf.md` say what Hyperf does.
#[test]
fn every_row_of_the_parity_table_has_a_test() {
    let page = read("docs/from-hyperf.md");
    let mut sources = Vec::new();
    for folder in ["tests/integration", "ws-demo/tests"] {
        files(&root().join(folder), "rs", &mut sources);
    }
    let tests: String = sources.iter().map(|path| read(path)).collect();
    for number in 1..=32 {
        assert!(page.contains(&format!("\n| P{number} | ")), "the table has no row P{number}");
        let is_tested = tests.contains(&format!("fn p{number}_")) || tests.contains(&format!("_p{number}_"));
        assert!(is_tested, "no test has a name that begins with p{number}_");
    }
}

#[test]
fn the_readme_lists_every_feature() {
    let manifest = read("ws-core/Cargo.toml");
    let (_, features) = manifest.split_once("[features]\n").unwrap();
    let (features, _) = features.split_once("\n\n").unwrap();
    let names = features.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    let readme = read("README.md");
    let (_, table) = readme.split_once("| feature | adds |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    for name in names.filter(|name| *name != "default") {
        assert!(table.contains(&format!("`{name}`")), "the table of features has no `{name}`");
    }
}

#[test]
fn every_test_that_the_security_page_names_exists() {
    let page = read("SECURITY.md");
    let (_, table) = page.split_once("## Tests of the promises").unwrap();
    let mut faults = Vec::new();
    for line in table.lines().filter(|line| line.starts_with("| ")) {
        let mut folder = PathBuf::new();
        for name in line.split('`').skip(1).step_by(2).filter(|name| !name.contains([' ', '.'])) {
            let path = if name.contains('/') { PathBuf::from(name) } else { folder.join(name) };
            if !root().join(&path).exists() && !root().join(path.with_extension("rs")).exists() {
                faults.push(path.display().to_string());
            }
            folder = path.parent().unwrap().to_owned();
        }
    }
    assert!(faults.is_empty(), "these files do not exist: {faults:?}");
}

/// The source of ws-core as one line, without comments and without the line breaks of literals.
fn source_of_ws_core() -> String {
    let mut paths = Vec::new();
    files(&root().join("ws-core/src"), "rs", &mut paths);
    let mut source = String::new();
    for text in paths.iter().map(|path| read(path)) {
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
            source.push_str(line.trim_end_matches('\\'));
            if !line.ends_with(" \\") {
                source.push(' ');
            }
        }
    }
    source.replace("\\\"", "\"").replace('`', "")
}

#[test]
fn every_start_error_of_the_reference_is_a_text_of_the_library() {
    let page = read("docs/reference.md");
    let (_, section) = page.split_once("## Errors at start").unwrap();
    let (_, table) = section.split_once("|---|---|\n").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let source = source_of_ws_core();
    for row in table.lines() {
        let text = row.split('|').nth(1).unwrap().replace('`', "");
        let text = text.trim();
        let parts = text.split(';').flat_map(|part| part.split(".."));
        for part in parts.map(str::trim).filter(|part| part.len() > 3) {
            assert!(source.contains(part), "no error says {part:?}, of the row {text:?}");
        }
    }
}

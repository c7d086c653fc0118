//! `route_path`: a path that the attribute accepts is accepted and found by the router. A path that
//! the attribute refuses is refused by the router as well, or breaks an additional rule of the
//! attribute.

#[path = "../../../ws-macros/src/route_path.rs"]
mod checked;

const MAX_PARAMETERS: usize = 25;

/// Checks the bytes as a path, if they are UTF-8.
pub fn check(bytes: &[u8]) {
    let Ok(path) = std::str::from_utf8(bytes) else { return };
    let faults = checked::faults(path);
    if path.replace("{{", "").matches('{').count() > MAX_PARAMETERS {
        // The router would panic with more parameters.
        return assert!(!faults.is_empty(), "{path:?} has too many parameters");
    }
    if path.matches('{').count() > MAX_PARAMETERS {
        // It does not get these paths either: it may read literal braces after another parameter as
        // parameters.
        return;
    }
    let mut router = matchit::Router::new();
    let taken = router.insert(path, ());
    if faults.is_empty() {
        assert!(taken.is_ok(), "{path:?} is accepted, but the router returns {taken:?}");
        assert!(!breaks_a_rule(path), "{path:?} is accepted, but breaks a rule");
        is_found(path, &router);
    } else {
        assert!(taken.is_err() || breaks_a_rule(path), "{path:?} is refused without a rule: {faults:?}");
        let longest = faults.iter().map(String::len).max().unwrap_or_default();
        // The path in Rust syntax, and a sentence.
        assert!(longest <= 10 * path.len() + 300, "{longest} bytes about {path:?}");
    }
}

/// Checks that a request made from the path is found, with the values of the parameters.
fn is_found(path: &str, router: &matchit::Router<()>) {
    let (mut asked, mut expected) = (String::new(), Vec::new());
    for part in parts(path) {
        match part {
            Part::Sign(sign) => asked.push(sign),
            Part::Parameter(name) => {
                let (name, value) = match name.strip_prefix('*') {
                    Some(name) => (name, format!("v{}/w", expected.len())),
                    None => (name, format!("v{}", expected.len())),
                };
                asked.push_str(&value);
                expected.push((name.to_owned(), value));
            }
        }
    }
    let found =
        router.at(&asked).unwrap_or_else(|error| panic!("{path:?} is not found by {asked:?}: {error}"));
    let found: Vec<_> =
        found.params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!(found, expected, "{path:?} by {asked:?}");
}

/// Whether a path breaks a rule that only the check has. The rules are written in another way than
/// in the check.
fn breaks_a_rule(path: &str) -> bool {
    let foreign = |sign: char| !sign.is_ascii_graphic() || matches!(sign, '?' | '#');
    let segments: Vec<&str> = path.split('/').collect();
    let empty_segment = path.contains("//");
    let other_syntax = segments.iter().any(|segment| {
        segment.starts_with('*')
            || segment.trim_start_matches(':') != *segment && is_name(segment.trim_start_matches(':'))
    });
    let mut names: Vec<&str> = parts(path)
        .into_iter()
        .filter_map(|part| match part {
            Part::Parameter(name) => Some(name.strip_prefix('*').unwrap_or(name)),
            Part::Sign(_) => None,
        })
        .collect();
    // The router supports this in some paths only.
    let brace_behind_parameter =
        parts(path).windows(2).any(|two| matches!(two, [Part::Parameter(_), Part::Sign('{')]));
    let bad_name = !names.iter().all(|name| is_name(name));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    !path.starts_with('/')
        || path.contains(foreign)
        || empty_segment
        || other_syntax
        || bad_name
        || brace_behind_parameter
        || names.len() < count
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

enum Part<'p> {
    Sign(char),
    Parameter(&'p str),
}

/// Splits a path that the router has accepted, or a similar one.
fn parts(path: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = path;
    while let Some(sign) = rest.chars().next() {
        let (part, length) = match sign {
            '{' | '}' if rest[1..].starts_with(sign) => (Part::Sign(sign), 2),
            '{' => {
                let length = closing(rest);
                (Part::Parameter(&rest[1..length]), (length + 1).min(rest.len()))
            }
            _ => (Part::Sign(sign), sign.len_utf8()),
        };
        parts.push(part);
        rest = &rest[length..];
    }
    parts
}

/// Returns the end of the parameter that begins here: `}}` is one character of its name.
fn closing(parameter: &str) -> usize {
    let mut at = 1;
    while let Some(found) = parameter[at..].find('}') {
        at += found;
        if !parameter[at + 1..].starts_with('}') {
            return at;
        }
        at += 2;
    }
    parameter.len()
}

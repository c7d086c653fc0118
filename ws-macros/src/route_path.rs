//! The path of a route, checked at compile time.
//!
//! The syntax is that of matchit: `{name}` matches one segment or a part of it, `{*rest}` matches
//! the rest of the path, `{{` and `}}` are literal braces. A path may end with `/`. The router
//! accepts every path that passes here. Two paths that conflict are found when the application
//! starts. Stable Rust cannot point into a literal, so each message counts characters; the first is
//! character 1.

use std::collections::BTreeSet;

/// The router panics at a larger number (matchit 0.9.2).
const MAX_PARAMETERS: usize = 25;

/// Returns the faults of a path: those of the whole path, then at most one for each segment.
pub(crate) fn faults(path: &str) -> Vec<String> {
    let Some(rest) = path.strip_prefix('/') else {
        return vec![match path {
            "" => "an empty path never matches; write `/` for the root".to_owned(),
            _ => format!("path `{path}` does not begin with `/`; write `/{path}`"),
        }];
    };
    let mut faults: Vec<String> = foreign_character(path).into_iter().collect();
    if rest.is_empty() {
        return faults;
    }

    let mut names = BTreeSet::new();
    let mut first = 2;
    let mut segments = rest.split('/').peekable();
    while let Some(text) = segments.next() {
        let segment = Segment { path, text, first, is_last: segments.peek().is_none() };
        match segment.parameter() {
            Ok(Some(name)) if !names.insert(name) => {
                faults.push(format!(
                    "path `{path}` has two parameters `{name}`; give one of them another name"
                ));
            }
            Ok(_) => {}
            Err(fault) => faults.push(fault),
        }
        first += text.chars().count() + 1;
    }
    let count = names.len();
    if count > MAX_PARAMETERS {
        faults.push(format!(
            "path `{path}` has {count} parameters, but the router accepts {MAX_PARAMETERS}; move some of them to the query"
        ));
    }
    faults
}

/// Finds a character that a request's path never has (RFC 3986 section 3.3). A route with it would
/// never match.
fn foreign_character(path: &str) -> Option<String> {
    let (index, character) = path.chars().enumerate().find(|(_, character)| {
        matches!(character, '?' | '#')
            || character.is_whitespace()
            || character.is_control()
            || !character.is_ascii()
    })?;
    let help = match character {
        '?' => "the query is not part of a path; read it with `Handshake::query_param`".to_owned(),
        '#' => "clients do not send a fragment; remove it".to_owned(),
        _ => format!("requests contain it percent-encoded; write `{}`", percent_encoded(character)),
    };
    let shown = character.escape_debug();
    Some(format!("path `{}` has a `{shown}` at character {}; {help}", path.escape_debug(), index + 1))
}

fn percent_encoded(character: char) -> String {
    let mut buffer = [0; 4];
    character.encode_utf8(&mut buffer).bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The part between two slashes.
struct Segment<'p> {
    path: &'p str,
    text: &'p str,
    /// The position of its first character in the path, counted from 1.
    first: usize,
    is_last: bool,
}

impl<'p> Segment<'p> {
    /// The name of its parameter, if it has one.
    fn parameter(&self) -> Result<Option<&'p str>, String> {
        self.plausible()?;
        let mut found = None;
        let mut rest = self.text;
        while let Some(index) = rest.find(['{', '}']) {
            let (_, braces) = rest.split_at(index);
            if braces.starts_with("{{") || braces.starts_with("}}") {
                rest = braces.get(2..).unwrap_or_default();
                continue;
            }
            let place = self.place(braces);
            let Some(inner) = braces.strip_prefix('{') else {
                return Err(self.fault(format!(
                    "a `}}` at character {place} without a matching `{{`; write `}}}}` for the character itself"
                )));
            };
            let (name, after) = self.name(inner, place)?;
            if found.replace(name).is_some() {
                return Err(self.fault(format!(
                    "a second parameter in one segment at character {place}; put a `/` between the two"
                )));
            }
            rest = after;
        }
        Ok(found)
    }

    /// Reads a parameter after its `{`: the name, and the rest after the `}`.
    fn name(&self, inner: &'p str, place: usize) -> Result<(&'p str, &'p str), String> {
        let unclosed = || {
            self.fault(format!(
                "a `{{` at character {place} that is never closed; write `{{{{` for the character itself"
            ))
        };
        let (name, after) = inner.split_once('}').ok_or_else(unclosed)?;
        // The router reads `}}` as one character wherever it stands, so this brace has no matching
        // `{`.
        if after.starts_with('}') {
            return Err(unclosed());
        }
        let (name, takes_rest) = match name.strip_prefix('*') {
            Some(name) => (name, true),
            None => (name, false),
        };
        if name.is_empty() {
            return Err(
                self.fault(format!("a parameter without a name at character {place}; write `{{name}}`"))
            );
        }
        if !is_identifier(name) {
            return Err(self.fault(format!(
                "a parameter `{name}` at character {place}; a name has letters, digits and `_`, and no digit first"
            )));
        }
        if takes_rest && !(self.is_last && after.is_empty()) {
            return Err(self.fault(format!(
                "text after `{{*{name}}}`, which matches the rest of the path; put it last"
            )));
        }
        // matchit 0.9.2 misreads a brace at this place and refuses the whole path.
        if after.starts_with("{{") {
            return Err(self.fault(format!(
                "a `{{{{` directly after `{{{name}}}`, which the router does not support; write `%7B`"
            )));
        }
        Ok((name, after))
    }

    /// Refuses a segment that compiles but never matches.
    fn plausible(&self) -> Result<(), String> {
        let place = self.first;
        match self.text {
            // A path may end with `/`.
            "" if self.is_last => Ok(()),
            "" => Err(self.fault(format!("an empty segment at character {place}; write one `/`"))),
            text if text.starts_with(':') && is_identifier(text.trim_start_matches(':')) => {
                let name = text.trim_start_matches(':');
                Err(self.fault(format!("a segment `{text}`; a parameter is written `{{{name}}}`")))
            }
            text if text.starts_with('*') => {
                let name = text.trim_start_matches('*');
                let name = if is_identifier(name) { name } else { "rest" };
                Err(self.fault(format!("a segment `{text}`; the rest of the path is written `{{*{name}}}`")))
            }
            _ => Ok(()),
        }
    }

    /// The position of this tail of the segment in the path, counted from 1.
    fn place(&self, tail: &str) -> usize {
        self.first + self.text.chars().count() - tail.chars().count()
    }

    fn fault(&self, fault: String) -> String {
        format!("path `{}` has {fault}", self.path)
    }
}

fn is_identifier(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

#[cfg(test)]
mod tests {
    use super::faults;

    #[test]
    fn the_router_accepts_every_accepted_path() {
        for path in [
            "/",
            "/echo",
            "/echo/",
            "/rooms/{room}/",
            "/rooms/{room}",
            "/rooms/{room}/users/{user_2}",
            "/files/{*rest}",
            "/v1-{version}",
            "/{name}.json",
            "/img-{id}.png",
            "/{{literal}}",
            "/{{{name}",
            "/{name}.{{x}}/{{y}}{z}",
            "/{a}/{{/{b}/}}/{c}",
            "/a%20b/~user/@here;x=1",
            "/{_}",
        ] {
            assert_eq!(faults(path), Vec::<String>::new(), "{path}");
            let taken = matchit::Router::new().insert(path, ());
            assert!(taken.is_ok(), "{path}: {taken:?}");
        }
    }

    #[test]
    fn a_faulty_path_says_what_to_write() {
        for (path, fault) in [
            ("", "write `/` for the root"),
            ("echo", "does not begin with `/`; write `/echo`"),
            ("/echo//", "has an empty segment at character 7; write one `/`"),
            ("/{*rest}/", "has text after `{*rest}`"),
            ("//", "has an empty segment at character 2"),
            ("/a//b", "has an empty segment at character 4; write one `/`"),
            ("/a?b=1", "has a `?` at character 3; the query is not part of a path"),
            ("/a#b", "has a `#` at character 3"),
            ("/a b", "has a ` ` at character 3; requests contain it percent-encoded; write `%20`"),
            ("/a\tb", "has a `\\t` at character 3; requests contain it percent-encoded; write `%09`"),
            ("/ä", "has a `ä` at character 2; requests contain it percent-encoded; write `%C3%A4`"),
            ("/rooms/{room", "has a `{` at character 8 that is never closed"),
            ("/rooms/{room}}", "has a `{` at character 8 that is never closed"),
            ("/rooms/room}", "has a `}` at character 12 without a matching `{`"),
            ("/rooms/{}", "has a parameter without a name at character 8"),
            ("/rooms/{*}", "has a parameter without a name at character 8"),
            ("/rooms/{room-id}", "has a parameter `room-id` at character 8"),
            ("/rooms/{2nd}", "has a parameter `2nd` at character 8"),
            ("/rooms/{a{{b}", "has a parameter `a{{b` at character 8"),
            ("/{a}{{b", "has a `{{` directly after `{a}`"),
            ("/{a}{b}", "has a second parameter in one segment at character 5"),
            ("/{a}/{a}", "has two parameters `a`"),
            ("/{*rest}/x", "has text after `{*rest}`"),
            ("/{*rest}x", "has text after `{*rest}`"),
            ("/rooms/:room", "a parameter is written `{room}`"),
            ("/files/*", "the rest of the path is written `{*rest}`"),
            ("/files/*path", "the rest of the path is written `{*path}`"),
        ] {
            let said = faults(path).join("\n");
            assert!(said.contains(fault), "{path}: {said}");
        }
    }

    #[test]
    fn the_router_accepts_the_most_parameters() {
        let path = |count| (0..count).map(|number| format!("/{{p{number}}}")).collect::<String>();
        assert_eq!(faults(&path(25)), Vec::<String>::new());
        assert!(matchit::Router::new().insert(path(25), ()).is_ok());
        let said = faults(&path(26)).join("\n");
        assert!(said.contains("has 26 parameters, but the router accepts 25"), "{said}");
    }

    #[test]
    fn each_segment_has_its_own_fault() {
        assert_eq!(faults("/{a/{}/b}?").len(), 4);
    }
}

//! Parses `Sec-WebSocket-Extensions` (RFC 6455 section 9.1).

use std::borrow::Cow;

/// An extension and its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) name: &'a str,
    pub(super) params: Vec<Param<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Param<'a> {
    pub(super) name: &'a str,
    /// The value, without quotes.
    pub(super) value: Option<Cow<'a, str>>,
}

/// The header does not follow the grammar.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Returns the elements of all lines of the header, in order. The last one is an error if the
/// header is malformed there.
pub(super) fn elements<'a>(
    lines: impl IntoIterator<Item = &'a [u8]>,
) -> impl Iterator<Item = Result<Element<'a>, Malformed>> {
    let mut lines = lines.into_iter();
    let mut rest = Cursor(b"");
    let mut is_over = false;
    std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        loop {
            rest.skip_separators();
            if !rest.0.is_empty() {
                break;
            }
            rest = Cursor(lines.next()?);
        }
        let element = rest.element().ok_or(Malformed);
        is_over = element.is_err();
        Some(element)
    })
}

/// The unread rest of a line.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// Skips white space and empty elements.
    fn skip_separators(&mut self) {
        while let [b' ' | b'\t' | b',', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    fn skip(&mut self, byte: u8) -> bool {
        self.skip_space();
        match self.0 {
            [first, rest @ ..] if *first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// Reads an element up to the next comma or the end of the line.
    fn element(&mut self) -> Option<Element<'a>> {
        let name = self.token()?;
        let mut params = Vec::new();
        while self.skip(b';') {
            self.skip_space();
            let name = self.token()?;
            let value = if self.skip(b'=') { Some(self.value()?) } else { None };
            params.push(Param { name, value });
        }
        (self.0.is_empty() || self.skip(b',')).then_some(Element { name, params })
    }

    fn value(&mut self) -> Option<Cow<'a, str>> {
        self.skip_space();
        if self.0.first() == Some(&b'"') { self.quoted() } else { self.token().map(Cow::Borrowed) }
    }

    /// Reads a quoted string. Its content must be a token.
    fn quoted(&mut self) -> Option<Cow<'a, str>> {
        let mut rest = self.0.get(1..)?;
        let mut value = String::new();
        loop {
            let (byte, behind) = match rest {
                [b'"', behind @ ..] => {
                    self.0 = behind;
                    return (!value.is_empty()).then_some(Cow::Owned(value));
                }
                [b'\\', byte, behind @ ..] | [byte, behind @ ..] => (*byte, behind),
                [] => return None,
            };
            if !is_token(byte) {
                return None;
            }
            value.push(byte.into());
            rest = behind;
        }
    }

    fn token(&mut self) -> Option<&'a str> {
        let length = self.0.iter().take_while(|byte| is_token(**byte)).count();
        let (token, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(token).ok().filter(|token| !token.is_empty())
    }
}

/// Whether a token may have this byte (RFC 9110 section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes each element as `name;param=value`, and a malformed one as `!`.
    fn read(lines: &[&str]) -> Vec<String> {
        elements(lines.iter().map(|line| line.as_bytes()))
            .map(|element| {
                let Ok(element) = element else { return "!".to_owned() };
                let params = element.params.iter().map(|param| match &param.value {
                    None => format!(";{}", param.name),
                    Some(value) => format!(";{}={value}", param.name),
                });
                std::iter::once(element.name.to_owned()).chain(params).collect()
            })
            .collect()
    }

    #[test]
    fn elements_are_separated_by_commas_and_lines() {
        for (lines, expected) in [
            (&[][..], &[][..]),
            (&["", " , ,"], &[]),
            (&["a"], &["a"]),
            (&["a, b;x", "c"], &["a", "b;x", "c"]),
            (&[",a , ,b ;x ; y = 1\t,"], &["a", "b;x;y=1"]),
            (&["a; x=\"1\"; y=\"\\1\\2\""], &["a;x=1;y=12"]),
        ] {
            assert_eq!(read(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_malformed_element_ends_the_list() {
        for line in [
            "ok, a b, c",
            "ok, a;",
            "ok, a;;x",
            "ok, a; x=",
            "ok, a; x=\"\"",
            "ok, a; x=\"1",
            "ok, a; x=\"1,2\"",
            "ok, a; x=\"1\"2",
            "ok, a; x=\"1 2\"",
            "ok, =1",
            "ok, a=1",
            "ok, \u{e9}",
            "ok, a; x=\"\\",
        ] {
            assert_eq!(read(&[line, "next"]), ["ok", "!"], "{line}");
        }
    }
}

//! Finds the place of a decoding fault in JSON, such as `items[2].name`, from the position that
//! serde_json reports.
//!
//! A deserializer that tracks its path would have to decode a second time, which compiles the
//! decoder of every payload type twice. This module is not generic. Its input comes from the
//! network, so it must not panic or recurse.

use std::borrow::Cow;

/// An array or object that is open at some position.
enum Open<'a> {
    /// The index of the current element.
    Array(usize),
    /// The key of the current value, as written between its quotes; `None` in front of a value.
    Object(Option<&'a str>),
}

/// Returns the path to the value at which serde_json stopped with this error. It is empty for the
/// whole text.
#[cold]
pub(super) fn of(text: &str, error: &serde_json::Error) -> String {
    // The position of a syntax error includes the unexpected character.
    let end = offset(text, error.line(), error.column()).saturating_sub(usize::from(error.is_syntax()));
    let Some(read) = text.get(..end) else { return String::new() };
    let mut walk = Walk::new(read);
    while walk.step() {}
    let message = error.to_string();
    let starts_with = |starts: &[&str]| starts.iter().any(|start| message.starts_with(start));
    match walk.closed {
        // The error is about the value that ends with the last bracket.
        Some(_) if starts_with(&["missing field", "invalid length"]) => {}
        // An error from the type itself has no position of its own. serde_json reports the end of
        // the enclosing value, and the error is about its last child.
        Some(closed) => walk.open.push(closed),
        None if starts_with(&["unknown field"]) => walk.open.push(Open::Object(Some(walk.string))),
        None => {}
    }
    written(&walk.open)
}

/// Converts a line and a column of serde_json to an offset. serde_json counts bytes, from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let line_start = match line.checked_sub(2) {
        None => 0,
        Some(breaks) => text.match_indices('\n').nth(breaks).map_or(text.len(), |(at, _)| at + 1),
    };
    (line_start + column).min(text.len())
}

struct Walk<'a> {
    rest: &'a str,
    open: Vec<Open<'a>>,
    /// The last string, as written between its quotes.
    string: &'a str,
    /// The array or object that ended with the last token.
    closed: Option<Open<'a>>,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text, open: Vec::new(), string: "", closed: None }
    }

    /// Reads the next token; returns false at the end.
    fn step(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        let mut rest = self.rest.chars();
        let Some(first) = rest.next() else { return false };
        self.rest = rest.as_str();
        self.closed = None;
        match (first, self.open.last_mut()) {
            ('{', _) => self.open.push(Open::Object(None)),
            ('[', _) => self.open.push(Open::Array(0)),
            ('}' | ']', _) => self.closed = self.open.pop(),
            (',', Some(Open::Array(index))) => *index += 1,
            (',', Some(Open::Object(key))) => *key = None,
            ('"', _) => self.string = self.read_string(),
            (':', Some(Open::Object(key))) => *key = Some(self.string),
            // Numbers and words do not change the path.
            _ => {}
        }
        true
    }

    /// Reads the rest of a string and returns its content as written.
    fn read_string(&mut self) -> &'a str {
        let mut is_escaped = false;
        let end = self.rest.find(|character: char| {
            let ends = character == '"' && !is_escaped;
            is_escaped = character == '\\' && !is_escaped;
            ends
        });
        let (string, rest) = match end {
            Some(end) => (self.rest.get(..end), self.rest.get(end + 1..)),
            None => (Some(self.rest), None),
        };
        self.rest = rest.unwrap_or_default();
        string.unwrap_or_default()
    }
}

/// Formats the path, such as `items[2].name`.
fn written(open: &[Open<'_>]) -> String {
    let mut path = String::new();
    for step in open {
        match step {
            Open::Array(index) => path.push_str(&format!("[{index}]")),
            Open::Object(None) => {}
            Open::Object(Some(key)) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&unescaped(key));
            }
        }
    }
    path
}

fn unescaped(key: &str) -> Cow<'_, str> {
    if !key.contains('\\') {
        return Cow::Borrowed(key);
    }
    serde_json::from_str(&format!("\"{key}\"")).map_or(Cow::Borrowed(key), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Order {
        items: Vec<Item>,
        note: Option<String>,
        size: (u8, i64),
        by_name: BTreeMap<String, f64>,
        kind: Kind,
        strict: Strict,
        by_number: BTreeMap<u8, u8>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Strict {
        #[serde(default)]
        x: i8,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Item {
        name: String,
        count: u8,
        tags: Vec<bool>,
        #[serde(default)]
        nested: Option<Box<Self>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    #[allow(dead_code)]
    enum Kind {
        Plain,
        Gift { to: String },
        Parts(u8, u8),
    }

    fn order() -> Value {
        let nested = json!({"name": "c", "count": 3, "tags": []});
        json!({
            "items": [
                {"name": "a", "count": 1, "tags": [true]},
                {"name": "b", "count": 2, "tags": [true, false], "nested": nested},
            ],
            "note": null,
            "size": [1, -2],
            "by_name": {"x": 1.5, "a \"quoted\" key": 2},
            "kind": {"gift": {"to": "d"}},
            "strict": {"x": 1},
            "by_number": {"7": 1},
        })
    }

    /// The place as `serde_path_to_error` finds it.
    fn tracked<'a, T: Deserialize<'a>>(text: &'a str) -> Option<String> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let error = serde_path_to_error::deserialize::<_, T>(&mut deserializer).err()?;
        if error.path().iter().len() == 0 {
            return Some(String::new());
        }
        // A key that does not decode is `?` there.
        let path = error.path().to_string();
        Some(path.strip_suffix(".?").unwrap_or(&path).to_owned())
    }

    fn found<'a, T: Deserialize<'a>>(text: &'a str) -> Option<String> {
        serde_json::from_str::<T>(text).err().map(|error| of(text, &error))
    }

    /// All values of a tree.
    fn count(value: &Value) -> usize {
        1 + match value {
            Value::Array(items) => items.iter().map(count).sum(),
            Value::Object(fields) => fields.values().map(count).sum(),
            _ => 0,
        }
    }

    /// Changes the value of this number, counted from the root.
    fn change(value: &mut Value, number: &mut usize, with: &impl Fn(&mut Value)) {
        if *number == 0 {
            with(value);
        }
        *number = number.wrapping_sub(1);
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| change(item, number, with)),
            Value::Object(fields) => fields.values_mut().for_each(|field| change(field, number, with)),
            _ => {}
        }
    }

    fn foreign() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(json!(null)),
            Just(json!(true)),
            Just(json!("text")),
            Just(json!(-1)),
            Just(json!(300)),
            Just(json!(1.5)),
            Just(json!([])),
            Just(json!([1])),
            Just(json!({})),
            Just(json!({"other": [1, {"x": 2}]})),
        ]
    }

    proptest! {
        #[test]
        fn the_place_is_the_one_that_a_tracking_deserializer_finds(
            number in 0..count(&order()),
            other in foreign(),
            is_pretty: bool,
        ) {
            let mut value = order();
            change(&mut value, &mut number.clone(), &|it| *it = other.clone());
            let text = if is_pretty { format!("\n {value:#}") } else { value.to_string() };
            prop_assert_eq!(found::<Order>(&text), tracked::<Order>(&text), "{}", text);
        }

        #[test]
        fn a_missing_field_is_reported_at_its_object(number in 0..count(&order()), field in 0_usize..5) {
            let mut value = order();
            change(&mut value, &mut number.clone(), &|it| {
                if let Value::Object(fields) = it
                    && let Some(key) = fields.keys().nth(field).cloned()
                {
                    fields.remove(&key);
                }
            });
            let text = value.to_string();
            prop_assert_eq!(found::<Order>(&text), tracked::<Order>(&text), "{}", text);
        }

        #[test]
        fn any_text_has_a_place_without_a_panic(text: String, line in 0_usize..4, column in 0_usize..50) {
            let mut walk = Walk::new(text.get(..offset(&text, line, column)).unwrap_or_default());
            while walk.step() {}
            written(&walk.open);
        }
    }

    #[test]
    fn an_error_of_the_type_itself_is_at_its_value() {
        #[derive(Debug, Deserialize)]
        #[allow(dead_code)]
        struct Signup {
            age: u8,
            mail: Mail,
        }

        #[derive(Debug, Deserialize)]
        #[serde(try_from = "String")]
        #[allow(dead_code)]
        struct Mail(String);

        impl TryFrom<String> for Mail {
            type Error = &'static str;

            fn try_from(text: String) -> Result<Self, &'static str> {
                if text.contains('@') { Ok(Self(text)) } else { Err("not an address") }
            }
        }

        for text in [r#"{"age":1,"mail":"x"}"#, r#"{"mail":"x","age":1}"#, r#"{"age":1, "mail" : "x" }"#] {
            assert_eq!(found::<Signup>(text).as_deref(), Some("mail"), "{text}");
        }
        let list = r#"{"list":[{"age":1,"mail":"a@b"},{"age":1,"mail":"x"}]}"#;
        let place = found::<BTreeMap<String, Vec<Signup>>>(list);
        assert_eq!(place.as_deref(), Some("list[1].mail"));
    }
}

//! Counts in `limits(..)`: `20`, or `"off"` for a limit that can be disabled.
//!
//! A count is at least one, as in the configuration file, because a limit of zero would refuse
//! everything.

use syn::{
    Lit, LitInt, LitStr,
    parse::{Parse, ParseStream, Result},
};

/// `20` or `"off"`, not checked yet.
pub(crate) enum CountLiteral {
    Text(LitStr),
    Number(LitInt),
}

impl Parse for CountLiteral {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        match input.parse()? {
            Lit::Str(text) => Ok(Self::Text(text)),
            Lit::Int(number) => Ok(Self::Number(number)),
            other => Err(syn::Error::new_spanned(other, "expected a count")),
        }
    }
}

impl CountLiteral {
    /// Returns the number as a plain literal with the span of this one.
    pub(crate) fn number(&self) -> Result<LitInt> {
        match self {
            Self::Text(text) => {
                Err(syn::Error::new(text.span(), fault(&text.value(), "a whole number, such as `20`")))
            }
            Self::Number(number) => plain(number, 1),
        }
    }

    /// Returns the number of a count that may be zero.
    pub(crate) fn number_or_none(&self) -> Result<LitInt> {
        match self {
            Self::Number(number) => plain(number, 0),
            Self::Text(_) => self.number(),
        }
    }

    /// Returns the number; `None` for `"off"`.
    pub(crate) fn number_or_off(&self) -> Result<Option<LitInt>> {
        match self {
            Self::Text(text) if text.value() == "off" => Ok(None),
            Self::Text(text) => {
                let accepted = "a whole number, such as `20`, or `\"off\"`";
                Err(syn::Error::new(text.span(), fault(&text.value(), accepted)))
            }
            Self::Number(number) => plain(number, 1).map(Some),
        }
    }
}

fn fault(text: &str, accepted: &str) -> String {
    format!("`{text}` is not a count; write {accepted}")
}

/// Parses the number, which is at least `least` and fits in 32 bits. A suffix is refused,
/// underscores are removed.
fn plain(number: &LitInt, least: u32) -> Result<LitInt> {
    let text = number.to_string().replace('_', "");
    let fault = if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        fault(&text, "a whole number, such as `20`")
    } else {
        match text.parse::<u32>() {
            Ok(count) if count < least => "`0` would refuse everything; a count is at least 1".to_owned(),
            Ok(count) => return Ok(LitInt::new(&count.to_string(), number.span())),
            Err(_) => format!("`{text}` is too large; a count fits in 32 bits"),
        }
    };
    Err(syn::Error::new(number.span(), fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> std::result::Result<Option<u32>, String> {
        let literal: CountLiteral = syn::parse_str(text).expect("a literal");
        let number = literal.number_or_off().map_err(|error| error.to_string())?;
        Ok(number.map(|number| number.base10_parse().expect("a plain number")))
    }

    #[test]
    fn a_count_is_a_whole_number_or_off() {
        for (text, count) in
            [("1", Some(1)), ("16_384", Some(16_384)), ("4294967295", Some(u32::MAX)), ("\"off\"", None)]
        {
            assert_eq!(read(text), Ok(count), "{text}");
        }
    }

    #[test]
    fn an_invalid_count_is_refused_with_a_reason() {
        for (text, fault) in [
            ("0", "at least 1"),
            ("4294967296", "fits in 32 bits"),
            ("0x10", "is not a count"),
            ("20u32", "is not a count"),
            ("\"20\"", "or `\"off\"`"),
            ("\"Off\"", "or `\"off\"`"),
        ] {
            let said = read(text).expect_err(text);
            assert!(said.contains(fault), "{text}: {said}");
        }
    }

    #[test]
    fn some_counts_may_be_zero() {
        let literal: CountLiteral = syn::parse_str("0").expect("a literal");
        assert!(literal.number().is_err());
        assert_eq!(literal.number_or_none().map(|number| number.to_string()).ok().as_deref(), Some("0"));
    }

    #[test]
    fn the_error_of_a_required_count_does_not_suggest_off() {
        let literal: CountLiteral = syn::parse_str("\"off\"").expect("a literal");
        let said = literal.number().err().map(|error| error.to_string());
        assert_eq!(said.as_deref(), Some("`off` is not a count; write a whole number, such as `20`"));
    }
}

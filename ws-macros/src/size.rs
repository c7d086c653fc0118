//! Sizes in `limits(..)`: `"64KiB"`, `"1MB"`, `4096`.
//!
//! The units are those of the configuration file. Every limit is at least one byte, because a limit
//! of zero would refuse everything. The relation of a limit to the server's other limits is checked
//! when the application starts.

use syn::{
    Lit, LitInt, LitStr,
    parse::{Parse, ParseStream, Result},
};

/// The bytes of each unit. Longer names are first, because every name ends with `B`.
const UNITS: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// `"64KiB"` or `65536`, not checked yet.
pub(crate) enum SizeLiteral {
    Text(LitStr),
    Number(LitInt),
}

impl Parse for SizeLiteral {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        match input.parse()? {
            Lit::Str(text) => Ok(Self::Text(text)),
            Lit::Int(number) => Ok(Self::Number(number)),
            other => Err(syn::Error::new_spanned(other, "expected a size")),
        }
    }
}

impl SizeLiteral {
    /// Returns the size in bytes, as a literal with the span of this one.
    pub(crate) fn bytes(&self) -> Result<LitInt> {
        let (text, span) = match self {
            Self::Text(literal) => (literal.value(), literal.span()),
            Self::Number(literal) => (literal.to_string().replace('_', ""), literal.span()),
        };
        match parse(&text) {
            Ok(bytes) => Ok(LitInt::new(&bytes.to_string(), span)),
            Err(fault) => Err(syn::Error::new(span, fault)),
        }
    }
}

/// Parses a size: digits, then a unit. Without a unit it is in bytes.
fn parse(text: &str) -> std::result::Result<u64, String> {
    let (digits, factor) = UNITS
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim_end(), *factor)))
        .unwrap_or((text, 1));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "`{text}` is not a size; write a whole number and a unit among B, KB, MB, GB, KiB, MiB, GiB, such as `\"64KiB\"`"
        ));
    }
    match digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)) {
        Some(0) => Err(format!("`{text}` would refuse everything; a size is at least one byte")),
        Some(bytes) => Ok(bytes),
        None => Err(format!("`{text}` is too large; a size fits in 64 bits")),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_size_is_a_whole_number_and_a_unit() {
        for (text, bytes) in [
            ("1", 1),
            ("4096", 4096),
            ("4096B", 4096),
            ("64KiB", 65_536),
            ("64 KiB", 65_536),
            ("1KB", 1_000),
            ("2MB", 2_000_000),
            ("1MiB", 1_048_576),
            ("3GB", 3_000_000_000),
            ("1GiB", 1_073_741_824),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn an_invalid_size_is_refused_with_a_reason() {
        for (text, fault) in [
            ("", "is not a size"),
            ("KiB", "is not a size"),
            ("big", "is not a size"),
            ("64kib", "is not a size"),
            ("64K", "is not a size"),
            ("1.5MiB", "is not a size"),
            ("-1", "is not a size"),
            ("1 000", "is not a size"),
            ("0", "would refuse everything"),
            ("0MiB", "would refuse everything"),
            ("18446744073709551616", "fits in 64 bits"),
            ("99999999999GiB", "fits in 64 bits"),
        ] {
            let said = parse(text).expect_err(text);
            assert!(said.contains(fault), "{text}: {said}");
        }
    }
}

//! Times in `limits(..)`: `"5s"`, `"500ms"`, or `"off"`.
//!
//! A time is one whole number and one unit, the simplest form of the configuration file. It is more
//! than zero, because a deadline of zero would fail everything.

/// The milliseconds of each unit. Longer names are first, because `ms` also ends with `s`.
const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// Parses a time to milliseconds; `None` for `"off"`.
pub(crate) fn or_off(text: &str) -> Result<Option<u64>, String> {
    if text == "off" {
        return Ok(None);
    }
    let parts = UNITS
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim_end(), *factor)))
        .filter(|(digits, _)| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
    let Some((digits, factor)) = parts else {
        return Err(format!(
            "`{text}` is not a time; write a whole number and a unit among ms, s, m, h, such as `\"5s\"`, or `\"off\"`"
        ));
    };
    match digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)) {
        Some(0) => Err(format!("`{text}` is zero; write a longer time, such as `\"5s\"`, or `\"off\"`")),
        Some(millis) if millis <= u64::from(u32::MAX) => Ok(Some(millis)),
        _ => Err(format!("`{text}` is too long; write a time under 50 days, or `\"off\"`")),
    }
}

#[cfg(test)]
mod tests {
    use super::or_off;

    #[test]
    fn a_time_is_a_whole_number_and_a_unit() {
        for (text, millis) in [
            ("1ms", Some(1)),
            ("500ms", Some(500)),
            ("5s", Some(5_000)),
            ("5 s", Some(5_000)),
            ("2m", Some(120_000)),
            ("49h", Some(176_400_000)),
            ("off", None),
        ] {
            assert_eq!(or_off(text), Ok(millis), "{text}");
        }
    }

    #[test]
    fn an_invalid_time_is_refused_with_a_reason() {
        for (text, fault) in [
            ("", "is not a time"),
            ("5", "is not a time"),
            ("s", "is not a time"),
            ("1.5s", "is not a time"),
            ("-1s", "is not a time"),
            ("5 seconds", "is not a time"),
            ("1m 30s", "is not a time"),
            ("0s", "is zero"),
            ("1200h", "under 50 days"),
            ("99999999999999999999s", "under 50 days"),
        ] {
            let said = or_off(text).expect_err(text);
            assert!(said.contains(fault), "{text}: {said}");
        }
    }
}

//! Medians, and the format of numbers.

use std::time::Duration;

/// The median of some values, and their range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Returns `None` without values.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (&least, &most) = (values.first()?, values.last()?);
        let upper = values.len() / 2;
        let lower = (values.len() - 1) / 2;
        Some(Self { median: (values[lower] + values[upper]) / 2.0, least, most })
    }
}

/// Returns the milliseconds of this rank among sorted times.
pub(crate) fn of_rank(sorted: &[Duration], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at).copied().unwrap_or_default().as_secs_f64() * 1e3
}

/// Formats three significant digits, with spaces between thousands, which is about the precision of
/// the measurement.
pub(crate) fn three_digits(value: f64) -> String {
    if !value.is_finite() || value == 0.0 {
        return "0".to_owned();
    }
    // Rounded first: 9.999 becomes 10.0, with one digit less after the point.
    let value = format!("{value:.2e}").parse().unwrap_or(value);
    let magnitude = value.abs().log10().floor() as i32;
    if magnitude >= 2 {
        return grouped(value);
    }
    format!("{value:.*}", (2 - magnitude) as usize)
}

/// Formats a whole number with a space between thousands.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).map(|spread| spread.median), Some(2.5));
    }

    #[test]
    fn numbers_have_three_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.123_456, "0.123"),
            (0.012_345, "0.0123"),
            (0.9999, "1.00"),
            (1.0, "1.00"),
            (12.345, "12.3"),
            (123.4, "123"),
            (999.9, "1 000"),
            (1_234.0, "1 230"),
            (1_234_567.0, "1 230 000"),
        ] {
            assert_eq!(three_digits(value), text);
        }
    }
}

//! Compares numbers, strings, and the bounds of all kinds.

use std::collections::BTreeSet;

use super::{Message, Place, branch::Branch};
use crate::contract::check::effect::Effect;

impl Message<'_, '_> {
    /// Compares everything except elements and fields.
    pub(super) fn scalars(&mut self, old: &Branch, new: &Branch, place: &Place) {
        match (old.is_integer, new.is_integer) {
            (true, false) => self.add(Effect::Wider, place, "the type changed from integer to number"),
            (false, true) => self.add(Effect::Narrower, place, "the type changed from number to integer"),
            _ => {}
        }
        self.bounds(old, new, place);
        if old.multiples != new.multiples {
            let what = changed("multipleOf", &old.multiples, &new.multiples);
            self.add(multiples(&old.multiples, &new.multiples), place, what);
        }
        if old.patterns != new.patterns {
            let what = changed("pattern", &old.patterns, &new.patterns);
            self.add(restrictions(&old.patterns, &new.patterns), place, what);
        }
        if old.formats != new.formats {
            let effect = formats(&old.formats, &new.formats);
            self.add(effect, place, changed("format", &old.formats, &new.formats));
        }
    }

    fn bounds(&mut self, old: &Branch, new: &Branch, place: &Place) {
        let names: BTreeSet<&str> = old.bounds.keys().chain(new.bounds.keys()).copied().collect();
        for name in names {
            let (before, after) = (old.bounds.get(name), new.bounds.get(name));
            let is_tighter = match (before, after) {
                (Some(before), Some(after)) if before.compare(after).is_eq() => continue,
                (Some(before), Some(after)) => after.compare(before).is_gt(),
                (before, _) => before.is_none(),
            };
            let shown = |bound: Option<&super::branch::Bound>| match bound {
                None => "none".to_owned(),
                Some(bound) if bound.is_exclusive => format!("{} (exclusive)", bound.value),
                Some(bound) => bound.value.to_string(),
            };
            let what = format!("`{name}` changed from {} to {}", shown(before), shown(after));
            self.add(if is_tighter { Effect::Narrower } else { Effect::Extended }, place, what);
        }
    }
}

fn changed(keyword: &str, old: &BTreeSet<String>, new: &BTreeSet<String>) -> String {
    let shown = |set: &BTreeSet<String>| {
        let parts: Vec<String> = set.iter().map(|part| format!("`{part}`")).collect();
        if parts.is_empty() { "none".to_owned() } else { parts.join(" and ") }
    };
    format!("`{keyword}` changed from {} to {}", shown(old), shown(new))
}

/// The effect of other restrictions, which all hold.
fn restrictions(old: &BTreeSet<String>, new: &BTreeSet<String>) -> Effect {
    if new.is_superset(old) {
        Effect::Narrower
    } else if new.is_subset(old) {
        Effect::Extended
    } else {
        Effect::Changed
    }
}

fn multiples(old: &BTreeSet<String>, new: &BTreeSet<String>) -> Effect {
    let only = |set: &BTreeSet<String>| {
        let value = set.first().filter(|_| set.len() == 1)?;
        value.parse::<f64>().ok().filter(|value| *value > 0.0)
    };
    match (only(old), only(new)) {
        (Some(old), Some(new)) if new % old == 0.0 => Effect::Narrower,
        (Some(old), Some(new)) if old % new == 0.0 => Effect::Extended,
        _ => restrictions(old, new),
    }
}

fn formats(old: &BTreeSet<String>, new: &BTreeSet<String>) -> Effect {
    let only = |set: &BTreeSet<String>| set.first().filter(|_| set.len() == 1).and_then(|it| range(it));
    let (Some((old_low, old_high)), Some((new_low, new_high))) = (only(old), only(new)) else {
        return restrictions(old, new);
    };
    match (new_low > old_low || new_high < old_high, new_low < old_low || new_high > old_high) {
        (true, true) => Effect::Incompatible,
        (true, false) => Effect::Narrower,
        (false, true) => Effect::Extended,
        (false, false) => Effect::Harmless,
    }
}

/// Returns the range of an integer format of schemars. Both ends are included.
pub(super) fn range(format: &str) -> Option<(f64, f64)> {
    let (is_signed, bits) = match format.strip_prefix("uint") {
        Some(bits) => (false, bits),
        None => (true, format.strip_prefix("int")?),
    };
    let bits = if bits.is_empty() { 64 } else { bits.parse::<i32>().ok()? };
    if !matches!(bits, 8 | 16 | 32 | 64 | 128) {
        return None;
    }
    // The ends of large ranges are rounded, the order of the ranges stays.
    let power = |bits: i32| 2f64.powi(bits);
    Some(if is_signed { (-power(bits - 1), power(bits - 1) - 1.0) } else { (0.0, power(bits) - 1.0) })
}

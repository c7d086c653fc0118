//! Compares the elements of arrays.

use super::{
    Message, Place,
    branch::{Branch, Items},
};
use crate::contract::check::{document::CheckError, effect::Effect};

impl Message<'_, '_> {
    pub(super) fn arrays(
        &mut self,
        old: &Items,
        new: &Items,
        place: &Place,
        old_branch: &Branch,
        new_branch: &Branch,
    ) -> Result<(), CheckError> {
        for index in 0..old.first.len().min(new.first.len()) {
            self.schemas(old.element(index), new.element(index), &place.element(index))?;
        }
        if old.first.len() != new.first.len() {
            let what = format!("the tuple had {} elements and has {}", old.first.len(), new.first.len());
            self.add(Effect::Incompatible, place, what);
            return Ok(());
        }
        match (old.are_unique, new.are_unique) {
            (false, true) => self.add(Effect::Narrower, place, "elements must differ from each other"),
            (true, false) => self.add(Effect::Extended, place, "elements may repeat"),
            _ => {}
        }
        // Nothing follows a tuple of a fixed length.
        let has_rest = |branch: &Branch| {
            let maximum = branch.bounds.get("maxItems").and_then(|bound| bound.value.as_f64());
            maximum.is_none_or(|maximum| maximum > branch.items.first.len() as f64)
        };
        if has_rest(old_branch) && has_rest(new_branch) {
            self.schemas(&old.rest, &new.rest, &place.elements())?;
        }
        Ok(())
    }
}

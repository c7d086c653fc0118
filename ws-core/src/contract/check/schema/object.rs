//! Compares the fields of objects.

use serde_json::Value;

use super::{
    Message, Place,
    branch::{Fields, is_any},
};
use crate::{
    contract::check::{ChangeClass::Unjudged, document::CheckError, effect::Effect},
    schema::Direction,
};

const CLOSED: Value = Value::Bool(false);

impl Message<'_, '_> {
    pub(super) fn objects(&mut self, old: &Fields, new: &Fields, place: &Place) -> Result<(), CheckError> {
        for name in old.names() {
            let Some(schema) = old.declared(name) else { continue };
            let place = place.field(name);
            match new.declared(name) {
                Some(other) => {
                    match (old.required.contains(name), new.required.contains(name)) {
                        (false, true) => self.add(Effect::Narrower, &place, "the field is required now"),
                        (true, false) => self.add(Effect::Wider, &place, "the field may be missing"),
                        _ => {}
                    }
                    self.schemas(schema, other, &place)?;
                }
                None => self.field_removed(schema, new, &place)?,
            }
        }
        for name in new.names() {
            if let (None, Some(schema)) = (old.declared(name), new.declared(name)) {
                self.field_added(schema, old, new.required.contains(name), &place.field(name))?;
            }
        }
        self.patterns(old, new, place)?;
        self.additional(old, new, place)
    }

    fn field_removed(&mut self, schema: &Value, new: &Fields, place: &Place) -> Result<(), CheckError> {
        if new.additional == CLOSED {
            self.add(Effect::Incompatible, place, "the field was removed and is refused");
            return Ok(());
        }
        self.add(Effect::Wider, place, "the field was removed");
        if self.direction == Direction::Sent {
            return Ok(());
        }
        if !new.patterns.is_empty() {
            self.changes.add(Unjudged, place, "a pattern may restrict the field that was removed");
        }
        if is_any(&new.additional) { Ok(()) } else { self.schemas(schema, &new.additional, place) }
    }

    fn field_added(
        &mut self,
        schema: &Value,
        old: &Fields,
        is_required: bool,
        place: &Place,
    ) -> Result<(), CheckError> {
        let effect = match (is_required, self.direction) {
            (true, Direction::Received) => Effect::Narrower,
            // The old document promises clients that the object has no other fields.
            _ if old.additional == CLOSED => Effect::Extended,
            _ => Effect::Harmless,
        };
        let what = if is_required { "a required field was added" } else { "an optional field was added" };
        self.add(effect, place, what);
        let is_map = !is_any(&old.additional) && old.additional != CLOSED;
        if is_map && self.direction == Direction::Received {
            self.schemas(&old.additional, schema, place)?;
        }
        Ok(())
    }

    /// Compares the fields whose names match a pattern, such as the numbers that are keys of a map.
    fn patterns(&mut self, old: &Fields, new: &Fields, place: &Place) -> Result<(), CheckError> {
        for (pattern, schema) in &old.patterns {
            let place = place.field(&format!("/{pattern}/"));
            match new.patterns.get(pattern) {
                Some(other) => self.schemas(schema, other, &place)?,
                None if new.additional == CLOSED && new.patterns.is_empty() => {
                    self.add(Effect::Incompatible, &place, "fields of this pattern are removed");
                }
                None => {
                    let effect = if new.patterns.is_empty() { Effect::Extended } else { Effect::Changed };
                    self.add(effect, &place, "the pattern of names was removed");
                    if new.additional != CLOSED {
                        self.schemas(schema, &new.additional, &place)?;
                    }
                }
            }
        }
        for (pattern, schema) in &new.patterns {
            if old.patterns.contains_key(pattern) {
                continue;
            }
            let place = place.field(&format!("/{pattern}/"));
            self.add(Effect::Harmless, &place, "a pattern of names was added");
            if old.additional != CLOSED {
                self.schemas(&old.additional, schema, &place)?;
            }
        }
        Ok(())
    }

    fn additional(&mut self, old: &Fields, new: &Fields, place: &Place) -> Result<(), CheckError> {
        match (old.additional == CLOSED, new.additional == CLOSED) {
            (true, true) => {}
            (false, true) => self.add(Effect::Narrower, place, "closed to unknown fields"),
            (true, false) => self.add(Effect::Harmless, place, "open to unknown fields"),
            (false, false) => self.schemas(&old.additional, &new.additional, &place.field("*"))?,
        }
        Ok(())
    }
}

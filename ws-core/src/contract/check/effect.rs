//! The consequence of a difference between two schemas, by the direction of the message.

use super::ChangeClass;
use crate::schema::Direction;

/// The effect of a difference on the set of allowed values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Values are no longer allowed: a type or a value is removed, a bound is tighter.
    Narrower,
    /// Values of a new kind are allowed: a type is wider, a field may be missing.
    Wider,
    /// More values of a known kind are allowed: a constant, a variant, a looser bound.
    Extended,
    /// The sets cannot be compared, such as those of two patterns.
    Changed,
    /// Values of both directions are affected.
    Incompatible,
    /// Neither direction is affected.
    Harmless,
}

impl Effect {
    /// Returns the class of the difference.
    pub(super) fn class(self, direction: Direction) -> ChangeClass {
        use ChangeClass::{Breaking, Compatible, Risky};
        match (self, direction) {
            (Self::Narrower, Direction::Received) => Breaking,
            (Self::Narrower, Direction::Sent) => Compatible,
            (Self::Wider, Direction::Received) => Compatible,
            (Self::Wider, Direction::Sent) => Breaking,
            (Self::Extended, Direction::Received) => Compatible,
            (Self::Extended, Direction::Sent) => Risky,
            (Self::Changed, _) => Risky,
            (Self::Incompatible, _) => Breaking,
            (Self::Harmless, _) => Compatible,
        }
    }
}

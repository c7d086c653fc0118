//! The replacement for [`deflate`](super) if the feature `deflate` is off: nothing is negotiated,
//! so no connection has a [`Deflate`].

use std::borrow::Cow;

use super::{OutQueue, SharedFormat, mask::Role};
use crate::{
    telemetry::{CompressedBytes, MessageKind},
    wire::{Message, MessageError},
};

/// A type without values.
#[derive(Debug)]
pub(crate) enum Deflate {}

impl Deflate {
    pub(crate) fn shared_format(&self) -> Option<SharedFormat> {
        match *self {}
    }

    pub(super) fn plain(&mut self) -> &mut OutQueue {
        match *self {}
    }

    pub(super) fn waiting(&self) -> usize {
        match *self {}
    }

    pub(super) fn settle(&mut self) -> Option<CompressedBytes> {
        match *self {}
    }

    pub(super) fn is_deflating(&self) -> bool {
        match *self {}
    }

    pub(super) fn advance(&mut self, _: &mut OutQueue, _: Role, _: &mut usize) {
        match *self {}
    }

    pub(super) fn inflate(
        &mut self,
        _: MessageKind,
        _: Cow<'_, [u8]>,
        _: usize,
    ) -> Result<Option<Message>, MessageError> {
        match *self {}
    }

    pub(super) fn is_inflating(&self) -> bool {
        match *self {}
    }

    pub(super) fn go_on(&mut self, _: usize) -> Result<Option<Message>, MessageError> {
        match *self {}
    }

    pub(super) fn take_inflated(&mut self) -> usize {
        match *self {}
    }
}

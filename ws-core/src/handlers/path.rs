//! stub
use super::{FromHandshake, ParamError};
use crate::handshake::Handshake;
/// stub
#[derive(Clone, Debug)]
pub struct Path<T>(pub T);
impl<T: serde::de::DeserializeOwned + Send + Sync + 'static> FromHandshake for Path<T> {
    const NEEDS_PATH: bool = true;
    fn from_handshake(_: &Handshake) -> Result<Self, ParamError> {
        Err(ParamError::missing("path"))
    }
}

//! stub
use super::{FromHandshake, ParamError};
use crate::handshake::Handshake;
/// stub
#[derive(Clone, Debug)]
pub struct Query<T>(pub T);
impl<T: serde::de::DeserializeOwned + Send + Sync + 'static> FromHandshake for Query<T> {
    
    fn from_handshake(_: &Handshake) -> Result<Self, ParamError> {
        Err(ParamError::missing("path"))
    }
}

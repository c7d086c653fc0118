//! stub
use super::{FromHandshake, ParamError};
use crate::handshake::Handshake;
/// stub
#[derive(Clone, Debug)]
pub struct Cookie;
impl FromHandshake for Cookie {
    fn from_handshake(_: &Handshake) -> Result<Self, ParamError> {
        Ok(Self)
    }
}

//! [`Source`]: the error inside an [`Error`](super::Error), and the conversions that keep its type.

use std::{error::Error as StdError, fmt};

use super::{BoxError, Error, Inner};

/// The wrapped error.
pub(super) enum Source {
    Boxed(BoxError),
    /// Stored unboxed: a box would hide the types that `anyhow` finds behind its contexts.
    #[cfg(feature = "anyhow")]
    Anyhow(anyhow::Error),
}

impl Source {
    pub(super) fn get_ref(&self) -> &(dyn StdError + Send + Sync + 'static) {
        match self {
            Self::Boxed(error) => &**error,
            #[cfg(feature = "anyhow")]
            Self::Anyhow(error) => &**error,
        }
    }

    pub(super) fn downcast_ref<E: StdError + Send + Sync + 'static>(&self) -> Option<&E> {
        match self {
            Self::Boxed(error) => error.downcast_ref(),
            #[cfg(feature = "anyhow")]
            Self::Anyhow(error) => error
                .downcast_ref()
                .or_else(|| error.downcast_ref::<Carried>().and_then(|carried| carried.0.downcast_ref())),
        }
    }
}

/// Wraps any error. A boxed [`Error`] becomes the same [`Error`] again.
pub(super) fn wrap<E: Into<BoxError> + 'static>(source: E) -> Error {
    #[cfg(feature = "anyhow")]
    let boxed = {
        let mut source = Some(source);
        let any: &mut dyn std::any::Any = &mut source;
        if let Some(error) = any.downcast_mut().and_then(Option::take) {
            return wrap_anyhow(error);
        }
        // `source` is not an `anyhow::Error`, so it was not taken.
        source.map_or_else(|| BoxError::from("no error"), E::into)
    };
    #[cfg(not(feature = "anyhow"))]
    let boxed: BoxError = source.into();
    match boxed.downcast::<Carried>() {
        Ok(carried) => carried.0,
        Err(boxed) => Inner::of(Source::Boxed(boxed)),
    }
}

#[cfg(feature = "anyhow")]
fn wrap_anyhow(error: anyhow::Error) -> Error {
    // It has no context around it, so the `Error` itself can be taken out.
    if (*error).is::<Carried>() {
        return match error.downcast() {
            Ok(Carried(error)) => error,
            Err(error) => Inner::of(Source::Anyhow(error)),
        };
    }
    let public = error.downcast_ref().map(|Carried(error)| error.0.public.clone()).unwrap_or_default();
    let mut error = Inner::of(Source::Anyhow(error));
    error.0.public = public;
    error
}

/// An [`Error`] inside a `Box<dyn std::error::Error>` or an `anyhow::Error`. [`Error`] itself does
/// not implement the trait, so that `?` can convert every error into it.
struct Carried(Error);

impl StdError for Carried {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.get_ref().source()
    }
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0.get_ref(), f)
    }
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Error {
    /// Converts it into a boxed error, for functions that return `Box<dyn Error + Send + Sync>`:
    /// `.map_err(Error::into_boxed)?`. (`?` alone converts into `Box<dyn Error>`, and into
    /// `anyhow::Error` with the feature `anyhow`.)
    ///
    /// `?` converts the box back into the same `Error`, with its public part.
    ///
    /// ```
    /// use ws_core::Error;
    ///
    /// type BoxError = Box<dyn std::error::Error + Send + Sync>;
    ///
    /// fn denied() -> ws_core::Result {
    ///     Err(Error::new("no entry in the table").status(403))
    /// }
    /// fn service() -> Result<(), BoxError> {
    ///     denied().map_err(Error::into_boxed)?;
    ///     Ok(())
    /// }
    /// fn handler() -> ws_core::Result {
    ///     Ok(service()?)
    /// }
    /// assert_eq!(handler().unwrap_err().http_status(), 403);
    /// ```
    pub fn into_boxed(self) -> BoxError {
        Box::new(Carried(self))
    }
}

impl From<Error> for Box<dyn StdError> {
    fn from(error: Error) -> Self {
        error.into_boxed()
    }
}

/// `?` converts it back into the same `Error`, with its public part.
#[cfg(feature = "anyhow")]
#[cfg_attr(docsrs, doc(cfg(feature = "anyhow")))]
impl From<Error> for anyhow::Error {
    fn from(error: Error) -> Self {
        Self::new(Carried(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;

    #[derive(Debug, PartialEq, thiserror::Error)]
    #[error("account {0} is locked")]
    struct Locked(u32);

    fn refused() -> Error {
        Error::new(Locked(7)).status(423).close_code(4423).public("locked").code("locked")
    }

    fn check(error: &Error) {
        let public = (error.http_status().as_u16(), error.ws_close_code(), error.event_code());
        assert_eq!((public, error.public_text().as_deref()), ((423, 4423, "locked"), Some("locked")));
        assert_eq!(error.downcast_ref(), Some(&Locked(7)));
    }

    #[test]
    fn an_error_keeps_its_face_and_its_type_through_a_box() {
        let there = || -> Result<(), BoxError> {
            let refused: Result = Err(refused());
            refused.map_err(Error::into_boxed)
        };
        let and_back = || -> Result { Ok(there()?) };
        check(&and_back().unwrap_err());
    }

    #[test]
    fn a_main_that_returns_a_box_prints_the_error_and_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("no users")]
        struct NoUsers(#[source] Locked);

        let main = || -> std::result::Result<(), Box<dyn StdError>> { Err(Error::new(NoUsers(Locked(7))))? };
        assert_eq!(format!("{:?}", main().unwrap_err()), "no users: account 7 is locked");
        let error = main().unwrap_err();
        let causes = (error.to_string(), error.source().map(ToString::to_string));
        assert_eq!(causes, ("no users".to_owned(), Some("account 7 is locked".to_owned())));
    }

    #[cfg(feature = "anyhow")]
    mod behind_anyhow {
        use anyhow::Context as _;

        use super::*;
        use crate::{error::HandshakeError, wire::SendError};

        fn through(error: anyhow::Error) -> Error {
            let service = || -> anyhow::Result<()> { Err(error)? };
            let handler = move || -> Result { Ok(service()?) };
            handler().unwrap_err()
        }

        #[test]
        fn a_type_is_found_with_and_without_a_context() {
            let with_context = |error: anyhow::Error| error.context("while logging in").context(Locked(8));
            assert_eq!(through(Locked(7).into()).downcast_ref(), Some(&Locked(7)));
            let error = through(with_context(HandshakeError::TokenMissing.into()));
            assert_eq!(error.http_status(), 401);
            assert_eq!(error.downcast_ref(), Some(&Locked(8)), "a context that is an error");
            assert_eq!(error.to_string(), "account 8 is locked: while logging in: no bearer token");
            let error = through(with_context(SendError::CloseCode(7).into()));
            assert!(matches!(error.downcast_ref(), Some(SendError::CloseCode(7))));
            assert_eq!(through(anyhow::anyhow!("text")).downcast_ref::<Locked>(), None);
        }

        #[test]
        fn an_error_keeps_its_face_and_its_type() {
            check(&through(refused().into()));
            let error = through(anyhow::Error::from(refused()).context("while logging in"));
            check(&error);
            assert_eq!(error.to_string(), "while logging in: account 7 is locked");
            check(&Error::new(anyhow::Error::from(refused())));
            let with_context = || -> anyhow::Result<()> { Err(anyhow::Error::from(refused())).context("x") };
            check(&with_context().unwrap_err().into());
        }

        #[test]
        fn the_face_of_an_outer_error_takes_precedence() {
            let error = through(anyhow::Error::from(refused())).status(404);
            assert_eq!(error.http_status(), 404);
        }
    }
}

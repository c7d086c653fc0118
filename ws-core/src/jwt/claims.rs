//! [`Claims`]: what a token said.

use std::{
    fmt,
    ops::Deref,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::Value;

/// What a verified token said: the registered claims (RFC 7519 section 4.1) as methods, and all of them as the type
/// that the verifier reads, to which this dereferences. Only [`JwtVerifier::verify`](super::JwtVerifier::verify) makes
/// it.
///
/// Cheap to clone, so taking it out of a context is, too. By default the claims are JSON: `claims["role"]`.
pub struct Claims<T = Value>(Arc<Inner<T>>);

struct Inner<T> {
    registered: Registered,
    custom: T,
}

/// The registered claims, as far as they are of the right type.
struct Registered {
    issuer: Option<Box<str>>,
    subject: Option<Box<str>>,
    audience: Box<[Box<str>]>,
    id: Option<Box<str>>,
    expires: Option<SystemTime>,
    not_before: Option<SystemTime>,
    issued: Option<SystemTime>,
    valid_until: Option<SystemTime>,
}

impl<T> Claims<T> {
    /// `json` is all the claims, `custom` the same as a type.
    pub(super) fn new(json: &Value, custom: T, leeway: Duration) -> Self {
        let text = |name| json.get(name).and_then(Value::as_str).map(Into::into);
        let audience = match json.get("aud") {
            Some(Value::String(one)) => vec![one.as_str().into()],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).map(Into::into).collect(),
            _ => Vec::new(),
        };
        let expires = time(json, "exp");
        let registered = Registered {
            issuer: text("iss"),
            subject: text("sub"),
            audience: audience.into(),
            id: text("jti"),
            expires,
            not_before: time(json, "nbf"),
            issued: time(json, "iat"),
            valid_until: expires.and_then(|expires| expires.checked_add(leeway)),
        };
        Self(Arc::new(Inner { registered, custom }))
    }

    /// Who made the token: `iss`.
    pub fn issuer(&self) -> Option<&str> {
        self.0.registered.issuer.as_deref()
    }

    /// Whom it speaks of: `sub`.
    pub fn subject(&self) -> Option<&str> {
        self.0.registered.subject.as_deref()
    }

    /// Whom it is for: `aud`, one or several.
    pub fn audience(&self) -> impl Iterator<Item = &str> {
        self.0.registered.audience.iter().map(|one| &**one)
    }

    /// Its name: `jti`.
    pub fn id(&self) -> Option<&str> {
        self.0.registered.id.as_deref()
    }

    /// When it ends: `exp`, without the leeway. `None` too for a time that no clock of this system can show.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.0.registered.expires
    }

    /// When it begins: `nbf`.
    pub fn not_before(&self) -> Option<SystemTime> {
        self.0.registered.not_before
    }

    /// When it was made: `iat`.
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.0.registered.issued
    }

    /// When a connection that lives on it ends: `exp` and the leeway.
    pub(super) fn valid_until(&self) -> Option<SystemTime> {
        self.0.registered.valid_until
    }
}

/// A NumericDate (RFC 7519 section 2): seconds since 1970, rounded where there are fractions.
fn time(json: &Value, name: &str) -> Option<SystemTime> {
    let number = json.get(name)?;
    let seconds = number.as_u64().or_else(|| {
        let seconds = number.as_f64().filter(|seconds| *seconds >= 0.0)?.round();
        // A float beyond the range of the integer becomes the largest.
        Some(seconds as u64)
    })?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

impl<T> Clone for Claims<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Claims<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.custom
    }
}

impl<T: fmt::Debug> fmt::Debug for Claims<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Claims").field(&self.0.custom).finish()
    }
}

//! [`Claims`]: the claims of a verified token.

use std::{
    fmt,
    ops::Deref,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::Value;

/// The claims of a verified token. Methods return the registered claims (RFC 7519 section 4.1).
/// `Claims` dereferences to `T`, the type as which the verifier reads all claims. Only
/// [`JwtVerifier::verify`](super::JwtVerifier::verify) creates it.
///
/// It is cheap to clone, so it is also cheap to take out of a context. By default the claims are
/// JSON: `claims["role"]`.
///
/// ```
/// use ws_core::{Connection, jwt::Claims};
///
/// fn account(conn: &Connection) -> Option<String> {
///     let claims = conn.context().get::<Claims>()?;
///     println!("{:?}, valid until {:?}", claims["role"], claims.expires_at());
///     claims.subject().map(str::to_owned)
/// }
/// ```
pub struct Claims<T = Value>(Arc<Inner<T>>);

struct Inner<T> {
    registered: Registered,
    custom: T,
}

/// The registered claims. A claim of the wrong type counts as missing.
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
    /// `json` has all claims; `custom` has them as the user's type.
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

    /// The issuer of the token: `iss`.
    pub fn issuer(&self) -> Option<&str> {
        self.0.registered.issuer.as_deref()
    }

    /// The subject of the token: `sub`.
    pub fn subject(&self) -> Option<&str> {
        self.0.registered.subject.as_deref()
    }

    /// The audiences of the token: `aud`, none, one or several.
    pub fn audience(&self) -> impl Iterator<Item = &str> {
        self.0.registered.audience.iter().map(|one| &**one)
    }

    /// The id of the token: `jti`.
    pub fn id(&self) -> Option<&str> {
        self.0.registered.id.as_deref()
    }

    /// The time at which the token expires: `exp`, without the leeway. `None` if the claim is
    /// missing, or if the system clock cannot express the time.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.0.registered.expires
    }

    /// The time from which the token is valid: `nbf`.
    pub fn not_before(&self) -> Option<SystemTime> {
        self.0.registered.not_before
    }

    /// The time at which the token was issued: `iat`.
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.0.registered.issued
    }

    /// The time at which a connection with these claims closes: `exp` plus the leeway.
    pub(super) fn valid_until(&self) -> Option<SystemTime> {
        self.0.registered.valid_until
    }
}

/// Reads a NumericDate (RFC 7519 section 2): seconds since 1970, rounded to whole seconds.
fn time(json: &Value, name: &str) -> Option<SystemTime> {
    let number = json.get(name)?;
    let seconds = number.as_u64().or_else(|| {
        let seconds = number.as_f64().filter(|seconds| *seconds >= 0.0)?.round();
        // A float above the range of `u64` becomes `u64::MAX`.
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

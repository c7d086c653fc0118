//! The core step, the innermost step of the pipeline: it makes the 101 or returns an error.
//!
//! It runs after all middleware. It chooses the subprotocol, runs the guards, and makes the
//! parameters that the handlers keep. It must not open the connection; [`Accepted`] passes the
//! handshake on.

use std::{pin::Pin, sync::Arc};

use http::{HeaderValue, Method, StatusCode, header};

use super::{checks, compression::Negotiated};
use crate::{
    error::{HandshakeError, Result},
    handshake::route_of,
    place::SubprotocolMismatch,
    request::{Body, Handshake, Response, Setup},
    sync::Mutex,
};

/// Replaces the core step of a server; see [`App::upgrade`](crate::App::upgrade).
///
/// For each request, at most one method is called, once, after all middleware. All methods have a
/// default. Call the defaults through [`DefaultUpgrade`].
///
/// ```
/// use ws_core::{Handshake, Response, Result, handshake::{DefaultUpgrade, Upgrade}};
///
/// struct Branded;
///
/// impl Upgrade for Branded {
///     async fn found(&self, handshake: Handshake) -> Result<Response> {
///         let mut response = DefaultUpgrade.found(handshake).await?;
///         response.headers_mut().insert("server", http::HeaderValue::from_static("chat/2"));
///         Ok(response)
///     }
/// }
/// ```
pub trait Upgrade: Send + Sync + 'static {
    /// Called for a GET on a route that asks for an upgrade. The default chooses the subprotocol,
    /// runs the guards and returns a 101.
    fn found(&self, handshake: Handshake) -> impl Future<Output = Result<Response>> + Send {
        accept(handshake)
    }

    /// Called if no route has the path. The default fails with [`HandshakeError::NoRoute`], which
    /// is answered with 404.
    fn not_found(&self, handshake: Handshake) -> impl Future<Output = Result<Response>> + Send {
        std::future::ready(Err(HandshakeError::NoRoute { path: handshake.path().to_owned() }.into()))
    }

    /// Called for a method other than GET on a route. The default fails with
    /// [`HandshakeError::Method`], which is answered with 405, or over HTTP/2 with the error that
    /// names CONNECT.
    fn method_not_allowed(&self, handshake: Handshake) -> impl Future<Output = Result<Response>> + Send {
        let fault = checks::fault_over(handshake.version(), HandshakeError::Method);
        std::future::ready(Err(fault.into()))
    }
}

/// The default core step.
///
/// ```
/// use ws_core::{App, handshake::DefaultUpgrade};
///
/// let app = App::without_registry().upgrade("ws", DefaultUpgrade); // changes nothing
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultUpgrade;

impl Upgrade for DefaultUpgrade {}

/// An object-safe [`Upgrade`]: one virtual call per handshake.
pub(crate) trait DynUpgrade: Send + Sync {
    fn run(&self, handshake: Handshake) -> Pin<Box<dyn Future<Output = Result<Response>> + Send + '_>>;
}

impl<U: Upgrade> DynUpgrade for U {
    fn run(&self, handshake: Handshake) -> Pin<Box<dyn Future<Output = Result<Response>> + Send + '_>> {
        Box::pin(async move {
            if handshake.matched().is_none() {
                self.not_found(handshake).await
            } else if handshake.method() != Method::GET {
                self.method_not_allowed(handshake).await
            } else if !handshake.is_upgrade() {
                Err(checks::fault_over(handshake.version(), HandshakeError::NotAnUpgrade).into())
            } else {
                self.found(handshake).await
            }
        })
    }
}

/// An extension of the 101 that the core step made. Only a 101 with this extension opens a
/// connection.
#[derive(Clone)]
pub(super) struct Accepted(Arc<Mutex<Option<Answered>>>);

/// A handshake and the compression that its 101 agrees to.
pub(super) struct Answered {
    pub(super) handshake: Handshake,
    pub(super) compression: Option<Negotiated>,
}

impl Accepted {
    /// Takes the handshake and the compression. Later calls return `None`.
    pub(super) fn take(&self) -> Option<Answered> {
        self.0.lock().take()
    }
}

/// Makes the 101 (RFC 6455 section 4.2.2), in place of which the server sends a 200 over HTTP/2.
/// Fails if a guard refuses or if a parameter of the handlers cannot be parsed.
async fn accept(mut handshake: Handshake) -> Result<Response> {
    let Some(route) = route_of(&handshake) else {
        return Err(HandshakeError::NoRoute { path: handshake.path().to_owned() }.into());
    };
    let accept = checks::accept(&handshake)?;

    let offers_any = handshake.offered_subprotocols().next().is_some();
    let chosen = route
        .subprotocols
        .iter()
        .copied()
        .find(|ours| handshake.offered_subprotocols().any(|offered| offered == *ours));
    if chosen.is_none() && offers_any && route.subprotocol_mismatch == SubprotocolMismatch::Refuse {
        return Err(HandshakeError::Subprotocol.into());
    }
    handshake.set_subprotocol(chosen);
    let states = &route.around.states;
    for guard in &route.guards {
        (guard.call)(&handshake, states).await?;
    }
    handshake.kept = route.controller.keep(&Setup { handshake: &handshake, states, kept: &[] })?;

    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Some(accept) = accept {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(chosen) = chosen {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(chosen));
    }
    let compression = Negotiated::new(&handshake, &route);
    if let Some(compression) = &compression {
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, compression.answer().clone());
    }
    response
        .extensions_mut()
        .insert(Accepted(Arc::new(Mutex::new(Some(Answered { handshake, compression })))));
    Ok(response)
}

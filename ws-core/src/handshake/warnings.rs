//! [`Warnings`]: log warnings about refusals that a wrong setting, proxy or controller may cause.
//!
//! Any peer can cause them. Therefore each kind is logged at most once a minute, or once for each
//! route, and the logged values are escaped and truncated.

use std::net::SocketAddr;

use http::{HeaderName, header, request::Parts};

use crate::{
    config::{Origin, OriginPattern, OriginPolicy},
    handshake::route_of,
    request::{Handshake, Response},
    throttle::{Throttle, shown, shown_lines},
};

/// The warnings of one server.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    origin: Throttle,
    host: Throttle,
}

impl Warnings {
    /// Warns that a page was refused because of its origin.
    pub(super) fn origin(
        &self,
        server: &str,
        peer: Option<SocketAddr>,
        policy: &Origin,
        parts: &Parts,
        forwarded: Option<&str>,
    ) {
        let Some(skipped) = self.origin.due() else {
            let origin = lines(parts, &header::ORIGIN);
            return tracing::debug!(server, origin, "refused another `Origin`");
        };
        tracing::warn!(
            server,
            peer = peer.map(tracing::field::display),
            origin = lines(parts, &header::ORIGIN),
            host = lines(parts, &header::HOST),
            forwarded_host = forwarded.map(|host| shown(host.as_bytes())),
            skipped,
            "refused a handshake with 403 because of its `Origin`; {}",
            advice(policy, parts),
        );
    }

    /// Warns that browsers will fail the connection: a token was offered as a subprotocol, but no
    /// subprotocol was chosen.
    pub(super) fn token(&self, handshake: &Handshake, response: &Response) {
        if response.headers().contains_key(header::SEC_WEBSOCKET_PROTOCOL) || !handshake.offers_token() {
            return;
        }
        let Some(route) = route_of(handshake) else { return };
        route.token_warning.call_once(|| {
            tracing::warn!(
                server = handshake.server(),
                route = &*route.path,
                "a token was offered as a subprotocol and no subprotocol was chosen: every browser fails such a connection; \
                 let the page offer a second one, `new WebSocket(url, [\"chat\", \"bearer..\"])`, and list `chat` in \
                 `subprotocols(..)` of the controller. This is logged once for each route",
            );
        });
    }

    /// Warns about a handshake without exactly one valid `Host`.
    pub(super) fn host(&self, server: &str, peer: Option<SocketAddr>, parts: &Parts) {
        let Some(skipped) = self.host.due() else { return };
        tracing::warn!(
            server,
            peer = peer.map(tracing::field::display),
            host = lines(parts, &header::HOST),
            skipped,
            "refused a handshake with 400, because it needs exactly one valid `Host`; no setting allows it: correct the \
             client, or the proxy in front (nginx: `proxy_set_header Host $http_host`)",
        );
    }
}

fn lines(parts: &Parts, name: &HeaderName) -> String {
    shown_lines(&parts.headers, name)
}

/// Returns a text that names the setting which would allow this origin.
fn advice(policy: &Origin, parts: &Parts) -> &'static str {
    let mut lines = parts.headers.get_all(header::ORIGIN).iter();
    let is_pattern = match (lines.next(), lines.next()) {
        (Some(line), None) => line.to_str().is_ok_and(|line| line.parse::<OriginPattern>().is_ok()),
        _ => false,
    };
    match (is_pattern, policy.policy) {
        (false, _) => "only `policy = \"any\"` in [servers.origin] allows several, or such a value",
        (true, OriginPolicy::SameHost) => {
            "to allow it, add the value to `allow` in [servers.origin]; if the page belongs to this host, configure the \
             proxy to pass `Host` unchanged"
        }
        (true, _) => "to allow it, add the value to `allow` in [servers.origin]",
    }
}

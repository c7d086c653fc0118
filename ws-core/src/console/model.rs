//! The data that is known at start, as JSON: the servers, the routes, the channels with their
//! events.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use crate::{
    app::{Launched, LaunchedServer},
    config::{Limits, ServerKind},
    contract::{
        COMMON_CODES, Channel, ChannelSignatures, ClientEvent, Code, Contract, Gap, Payload, ReplyForm,
        Security, ServerEvent, example,
    },
    handshake::MatchedRoute,
    place::Scope,
};

/// Returns the data that does not change. `port` is that of the console.
pub(super) fn of(contract: &Contract, launched: &Launched, port: u16) -> Value {
    let signatures = contract.signatures();
    let channels = contract.channels.iter().zip(&signatures.channels);
    let routes = launched
        .servers
        .iter()
        .flat_map(|server| server.routes.iter().map(|it| route(contract, server, it)).collect::<Vec<_>>());
    let mut routes: Vec<Value> = routes.collect();
    routes.sort_by_key(|route| {
        ["server", "path"].map(|key| route.get(key).and_then(Value::as_str).unwrap_or_default().to_owned())
    });
    json!({
        "title": contract.title,
        "version": contract.version,
        "core": env!("CARGO_PKG_VERSION"),
        "servers": launched.servers.iter().map(|it| server(it, port)).collect::<Vec<_>>(),
        "routes": routes,
        "channels": channels.map(|(it, signatures)| channel(contract, it, signatures.as_ref())).collect::<Vec<_>>(),
        "schemas": contract.schemas,
        "types": signatures.types,
        "common_codes": COMMON_CODES,
        "gaps": contract.gaps.iter().map(gap).collect::<Vec<_>>(),
    })
}

fn server(server: &LaunchedServer, port: u16) -> Value {
    let LaunchedServer { config, address, .. } = server;
    // The page may be opened under each of these names; it connects to the same host.
    let is_permitted = |host: &str| {
        let own = address
            .map_or_else(|| host.to_owned(), |address: SocketAddr| format!("{host}:{}", address.port()));
        config.origin.permits(&format!("http://{host}:{port}"), &[&own])
    };
    json!({
        "name": config.name,
        "kind": config.kind,
        "is_websocket": config.kind == ServerKind::WebSocket,
        "address": address,
        "is_tls": config.tls.is_some(),
        "refuses_console": !is_permitted("127.0.0.1"),
    })
}

fn route(contract: &Contract, server: &LaunchedServer, route: &MatchedRoute) -> Value {
    let is_channel = |it: &Channel| it.server == server.config.name && *it.address == *route.path;
    let chain = route.chain.iter().map(|middleware| {
        let layer = &middleware.layer;
        let is_server_wide = matches!(layer.scope, Scope::Server { .. });
        json!({ "name": layer.name, "location": layer.location.to_string(), "is_server_wide": is_server_wide })
    });
    let interceptors = route.around.interceptors.iter().map(|interceptor| {
        let layer = &interceptor.layer;
        let is_server_wide = matches!(layer.scope, Scope::Server { .. });
        json!({ "name": layer.name, "location": layer.location.to_string(), "is_server_wide": is_server_wide })
    });
    let guards = route.guards.iter();
    let guards = guards.map(|guard| json!({ "name": guard.name, "location": guard.location.to_string() }));
    json!({
        "server": server.config.name,
        "path": *route.path,
        "controller": route.controller_name,
        "location": route.declared.location.to_string(),
        "channel": contract.channels.iter().position(is_channel),
        "middleware": chain.collect::<Vec<_>>(),
        "interceptors": interceptors.collect::<Vec<_>>(),
        "guards": guards.collect::<Vec<_>>(),
        "subprotocols": route.subprotocols,
        "limits": limits(&route.limits, &server.config.limits),
    })
}

/// Returns the limits of a route. `is_own` marks those that differ from the server's.
fn limits(route: &Limits, server: &Limits) -> Value {
    let fields = |limits: &Limits| match serde_json::to_value(limits) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let server = fields(server);
    let marked = fields(route).into_iter().map(|(name, value)| {
        let is_own = server.get(&name) != Some(&value);
        json!({ "name": name, "value": value, "is_own": is_own })
    });
    marked.collect()
}

fn channel(contract: &Contract, channel: &Channel, signatures: Option<&ChannelSignatures>) -> Value {
    let of = |list: Option<&Vec<String>>, number: usize| list.and_then(|list| list.get(number).cloned());
    let events = channel.events.iter().enumerate();
    let events = events.map(|(number, it)| event(contract, it, of(signatures.map(|it| &it.events), number)));
    let pushes = channel.pushes.iter().enumerate();
    let pushes = pushes.map(|(number, it)| push(contract, it, of(signatures.map(|it| &it.pushes), number)));
    let parameters = channel.parameters.iter().map(
        |it| json!({ "name": it.name, "schema": it.schema, "example": example(&it.schema, &contract.schemas) }),
    );
    json!({
        "name": channel.name,
        "class": signatures.map(|it| &it.class),
        "server": channel.server,
        "address": channel.address,
        "docs": channel.docs,
        "parameters": parameters.collect::<Vec<_>>(),
        "query": channel.query.as_ref().map(|it| payload(contract, it)),
        "headers": channel.headers.iter().map(|it| json!({ "name": it.name, "is_required": it.is_required })).collect::<Vec<_>>(),
        "subprotocols": channel.subprotocols,
        "security": channel.security.iter().map(security).collect::<Vec<_>>(),
        "is_typed": channel.is_typed,
        "events": events.collect::<Vec<_>>(),
        "pushes": pushes.collect::<Vec<_>>(),
    })
}

fn payload(contract: &Contract, payload: &Payload) -> Value {
    let Payload { schema, is_required } = payload;
    json!({ "schema": schema, "is_required": is_required, "example": example(schema, &contract.schemas) })
}

fn event(contract: &Contract, event: &ClientEvent, signature: Option<String>) -> Value {
    let form = match event.form {
        ReplyForm::None => "none",
        ReplyForm::One => "one",
        ReplyForm::Optional => "optional",
        ReplyForm::Many => "many",
    };
    let reply = event.reply.as_ref().map(|reply| {
        let example = example(&reply.schema, &contract.schemas);
        json!({ "name": reply.name, "docs": reply.docs, "schema": reply.schema, "example": example })
    });
    json!({
        "name": event.name,
        "docs": event.docs,
        "data": event.data.as_ref().map(|it| payload(contract, it)),
        "form": form,
        "reply": reply,
        "codes": event.codes.iter().map(code).collect::<Vec<_>>(),
        "signature": signature,
    })
}

fn push(contract: &Contract, event: &ServerEvent, signature: Option<String>) -> Value {
    let of = |schema: &Value| json!({ "schema": schema, "example": example(schema, &contract.schemas) });
    json!({
        "name": event.name,
        "docs": event.docs,
        "data": of(&event.schema),
        "answer": event.answer.as_ref().map(of),
        "signature": signature,
    })
}

fn code(code: &Code) -> Value {
    json!([code.code, code.description])
}

fn security(security: &Security) -> Value {
    match security {
        Security::Bearer => json!({ "kind": "bearer" }),
        Security::Subprotocol => json!({ "kind": "subprotocol" }),
        Security::Cookie(name) => json!({ "kind": "cookie", "name": name }),
        Security::Query(name) => json!({ "kind": "query", "name": name }),
    }
}

fn gap(gap: &Gap) -> Value {
    json!({ "what": gap.what, "location": gap.location.to_string() })
}

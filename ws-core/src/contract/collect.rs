//! Collects the model from the routes of an application and from the link-time registry.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use self::used::{resolve, retain_used};
use super::model::{
    Channel, ClientEvent, Code, Contract, Gap, Payload, ReplyForm, ReplyMessage, Security, Server,
    ServerEvent,
};
use crate::{
    app::App,
    config::{Config, ServerConfig},
    envelope::{DeclaredReply, EventInfo, EventTypes},
    handlers::ReplyName,
    handshake::Route,
    place::Location,
    registry::{HandlersEntry, Registry},
    request::{self, HandlerCallback, HandlerInfo, HandlerTypes, ParamSource, ParamTypes},
    schema::{Direction, Schemas, TypeSchema},
};

mod opening;
mod used;

impl App {
    /// Returns the contract of the application: its routes, their events and the types of these.
    ///
    /// It reads the registered controllers and the routes given by hand. The servers are those of
    /// [`App::config`], or of the default configuration if it is not set.
    ///
    /// ```standalone_crate
    /// use ws_core::prelude::*;
    ///
    /// #[ws_controller(path = "/greetings")]
    /// struct Greetings;
    ///
    /// #[ws_handlers]
    /// impl Greetings {
    ///     /// Greets a user.
    ///     #[on_event("greet")]
    ///     async fn greet(&self, Data(name): Data<String>) -> Data<String> {
    ///         Data(format!("hello, {name}"))
    ///     }
    /// }
    ///
    /// # fn main() {
    /// let contract = App::new().contract();
    /// assert_eq!(contract.channels[0].events[0].name, "greet");
    /// # }
    /// ```
    pub fn contract(&self) -> Contract {
        Collector::default().collect(self)
    }
}

/// The state of a collection.
#[derive(Default)]
struct Collector {
    schemas: Schemas,
    gaps: Vec<Gap>,
}

impl Collector {
    fn collect(mut self, app: &App) -> Contract {
        let registry = Registry::linked();
        let mut routes: Vec<&Route> = app.registered_routes().iter().collect();
        routes.sort_by(|a, b| a.spec.sort_key().cmp(&b.spec.sort_key()));
        let mut channels: Vec<Channel> =
            routes.iter().map(|route| self.channel(app, route, &registry)).collect();
        name_channels(&mut channels);
        let mut components = self.schemas.finish();
        channels.iter_mut().for_each(|channel| resolve(channel, &components));
        retain_used(&mut components.schemas, &mut channels);
        let default = Config::default();
        let config = app.given_config().unwrap_or(&default);
        let (title, version) =
            app.description().cloned().unwrap_or_else(|| (title(&routes), "0.0.0".to_owned()));
        self.gaps.sort_by(|a, b| (a.location, &a.what).cmp(&(b.location, &b.what)));
        Contract {
            title,
            version,
            servers: config.servers.iter().filter_map(|server| used(server, &channels)).collect(),
            channels,
            schemas: components.schemas,
            gaps: self.gaps,
        }
    }

    fn channel(&mut self, app: &App, route: &Route, registry: &Registry) -> Channel {
        let spec = &route.spec;
        let controller = (spec.controller)();
        let block = registry.handlers.iter().find(|entry| (entry.controller)() == controller);
        if block.is_none() {
            self.gap(
                format!("the messages of `{}`, which has no `#[ws_handlers]`", spec.name),
                spec.location,
            );
        }
        let handlers = block.map(|entry| self.handlers(entry)).unwrap_or_default();
        let security: BTreeSet<Security> = app.security_of(route).into_iter().map(Security::from).collect();
        Channel {
            name: spec.name.to_owned(),
            server: spec.server.to_string(),
            address: spec.path.to_string(),
            docs: spec.docs.to_owned(),
            parameters: self.parameters(&spec.path, &handlers),
            query: self.query(&handlers),
            headers: opening::headers(&handlers),
            subprotocols: spec.subprotocols.iter().map(|name| (*name).to_owned()).collect(),
            security: security.into_iter().collect(),
            is_typed: block.is_some(),
            events: self.events(&handlers),
            pushes: self.pushes(route, &handlers),
        }
    }

    fn handlers(&mut self, entry: &HandlersEntry) -> Vec<Described> {
        let describe = |handler: &HandlerInfo| Described {
            info: *handler,
            types: handler.describe.map(|describe| describe(&mut self.schemas)),
            location: Location { line: handler.line, ..entry.location },
        };
        entry.handlers.iter().map(describe).collect()
    }

    fn events(&mut self, handlers: &[Described]) -> Vec<ClientEvent> {
        let mut events = Vec::new();
        for handler in handlers {
            for name in handler.info.facts.events() {
                events.push(self.event(name, handler));
            }
            if is_undescribed(handler) {
                self.gap(format!("the messages that `{}` handles", handler.info.method), handler.location);
            }
        }
        events.sort_by(|a, b| a.name.cmp(&b.name));
        events
    }

    fn event(&mut self, name: &str, handler: &Described) -> ClientEvent {
        let info = &handler.info;
        let data = self.data(name, handler);
        let (form, reply) = self.reply(name, handler);
        let codes = info.errors.iter().copied().chain([(info.reply_errors)()]).flatten();
        let codes: BTreeMap<&str, &str> = codes.copied().collect();
        let docs = match info.facts.event_type() {
            Some(event) if info.docs.is_empty() => event.docs,
            _ => info.docs,
        };
        ClientEvent {
            name: name.to_owned(),
            docs: docs.to_owned(),
            data,
            form,
            reply,
            codes: codes
                .into_iter()
                .map(|(code, text)| Code { code: code.into(), description: text.into() })
                .collect(),
        }
    }

    /// Returns the data of an event. At most one parameter reads it.
    fn data(&mut self, name: &str, handler: &Described) -> Option<Payload> {
        let param = handler.params().find(|param| param.source == ParamSource::Data)?;
        let schema = self.known(&param.value, &format!("in `{name}`"), handler.location);
        Some(Payload { schema, is_required: !param.is_optional })
    }

    /// Returns the reply that the event declares, or else the one that the handler returns.
    fn reply(&mut self, call: &str, handler: &Described) -> (ReplyForm, Option<ReplyMessage>) {
        let Described { info, location, .. } = handler;
        let returned = info.facts.reply;
        let is_deferred = handler.params().any(|param| param.source == ParamSource::Reply);
        let of_event = info.facts.event_type().and_then(|event| event.describe);
        let declared = of_event.and_then(|describe| describe(&mut self.schemas, Direction::Received).reply);
        if let Some(DeclaredReply { is_stream, event, data }) = declared {
            let form = match (is_stream, returned.form) {
                (true, _) => ReplyForm::Many,
                (false, ReplyForm::Optional) => ReplyForm::Optional,
                (false, _) => ReplyForm::One,
            };
            let schema = self.known(&data, &format!("in the reply to `{call}`"), *location);
            // A type that is an event may also be returned as `Data<T>`, under the name of the
            // call.
            let event = event.filter(|_| is_deferred || returned.name != ReplyName::Same);
            let name = Some(event.map_or(call, |event| event.name).to_owned());
            let docs = event.map_or("", |event| event.docs).to_owned();
            return (form, Some(ReplyMessage { name, docs, schema }));
        }
        if is_deferred {
            self.gap(format!("the reply to `{call}`, which the handler sends later"), *location);
            let message = ReplyMessage { name: None, docs: String::new(), schema: Value::Bool(true) };
            return (ReplyForm::Many, Some(message));
        }
        if returned.form == ReplyForm::None {
            return (ReplyForm::None, None);
        }
        let name = match returned.name {
            ReplyName::Same => Some(call.to_owned()),
            ReplyName::Own(name) => Some(name.to_owned()),
            ReplyName::AtRunTime => {
                self.gap(format!("the name of the reply to `{call}`"), *location);
                None
            }
            ReplyName::Raw => {
                self.gap(format!("the reply to `{call}`, which is not an envelope"), *location);
                return (returned.form, None);
            }
        };
        let schema = self.known(&handler.reply(), &format!("in the reply to `{call}`"), *location);
        let docs = handler.docs_of_reply(returned.name);
        (returned.form, Some(ReplyMessage { name, docs, schema }))
    }

    /// Returns the events of `emits(..)`, and those that are returned where no event is answered.
    fn pushes(&mut self, route: &Route, handlers: &[Described]) -> Vec<ServerEvent> {
        let mut pushes: BTreeMap<&str, ServerEvent> = BTreeMap::new();
        for event in route.spec.emits.iter() {
            pushes.insert(event.name, self.push(*event, route.spec.location));
        }
        for handler in handlers.iter().filter(|handler| handler.info.facts.events().is_empty()) {
            let returned = handler.info.facts.reply;
            match returned.name {
                _ if returned.form == ReplyForm::None => {}
                ReplyName::Own(name) => {
                    let schema = self.known(&handler.reply(), &format!("in `{name}`"), handler.location);
                    let docs = handler.docs_of_reply(returned.name);
                    let event = ServerEvent { name: name.to_owned(), docs, schema, answer: None };
                    pushes.entry(name).or_insert(event);
                }
                // `events` has a gap for the handler.
                _ if is_undescribed(handler) => {}
                _ => {
                    self.gap(format!("the message that `{}` returns", handler.info.method), handler.location)
                }
            }
        }
        pushes.into_values().collect()
    }

    fn push(&mut self, event: EventInfo, location: Location) -> ServerEvent {
        let EventInfo { name, docs, describe, .. } = event;
        let types = describe.map(|describe| describe(&mut self.schemas, Direction::Sent));
        let (schema, answer) = match types {
            Some(EventTypes { data, answer, .. }) => {
                let schema = self.known(&data, &format!("in `{name}`"), location);
                let answer =
                    answer.map(|answer| self.known(&answer, &format!("in the answer to `{name}`"), location));
                (schema, answer)
            }
            None => {
                self.gap(format!("the types of `{name}`, which does not derive `WsEvent`"), location);
                (Value::Bool(true), event.is_ask.then_some(Value::Bool(true)))
            }
        };
        ServerEvent { name: name.to_owned(), docs: docs.to_owned(), schema, answer }
    }

    /// Returns the schema of a type, or the schema of any value and a gap.
    fn known(&mut self, ty: &TypeSchema, place: &str, location: Location) -> Value {
        ty.schema.clone().unwrap_or_else(|| {
            self.gap(format!("the schema of `{}` {place}; derive `JsonSchema`", ty.type_name), location);
            Value::Bool(true)
        })
    }

    fn gap(&mut self, what: String, location: Location) {
        let gap = Gap { what, location };
        if !self.gaps.contains(&gap) {
            self.gaps.push(gap);
        }
    }
}

/// A handler with the description of its types.
struct Described {
    info: HandlerInfo,
    types: Option<HandlerTypes>,
    location: Location,
}

impl Described {
    fn params(&self) -> impl Iterator<Item = &ParamTypes> {
        self.types.iter().flat_map(|types| &types.params)
    }

    /// Returns the type of the reply's data.
    fn reply(&self) -> TypeSchema {
        let unknown = || TypeSchema { schema: None, type_name: self.info.returns };
        self.types.as_ref().map_or_else(unknown, |types| types.reply.clone())
    }

    /// Returns the doc comment of the reply's event type, if the reply has its name.
    fn docs_of_reply(&self, name: ReplyName) -> String {
        let event = self.types.as_ref().and_then(|types| types.reply_event);
        match name {
            ReplyName::Own(_) => event.map_or("", |event| event.docs).to_owned(),
            _ => String::new(),
        }
    }
}

/// Returns whether the messages of a handler are not events, so that documents cannot describe
/// them.
fn is_undescribed(handler: &Described) -> bool {
    matches!(
        handler.info.facts.on,
        HandlerCallback::Binary | HandlerCallback::Message | HandlerCallback::Text
    )
}

/// Gives the channels of one controller different names.
fn name_channels(channels: &mut [Channel]) {
    let mut taken = BTreeSet::new();
    for channel in channels {
        let name = channel.name.clone();
        let mut number = 2;
        while !taken.insert(channel.name.clone()) {
            channel.name = format!("{name}{number}");
            number += 1;
        }
    }
}

/// Returns a server of the configuration if a channel is on it.
fn used(server: &ServerConfig, channels: &[Channel]) -> Option<Server> {
    channels.iter().any(|channel| channel.server == server.name).then(|| Server {
        name: server.name.clone(),
        host: authority(&server.host, server.port),
        is_tls: server.tls.is_some(),
    })
}

/// Returns the host and the port as in a URL, with brackets around an IPv6 address.
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// Returns the name of the crate that registers the first route.
fn title(routes: &[&Route]) -> String {
    let module = routes.iter().map(|route| route.spec.location.module).find(|module| !module.is_empty());
    let name = module.and_then(|module| module.split("::").next());
    name.unwrap_or("websocket").to_owned()
}

impl From<request::Security> for Security {
    fn from(security: request::Security) -> Self {
        match security {
            request::Security::Bearer => Self::Bearer,
            request::Security::Subprotocol => Self::Subprotocol,
            request::Security::Cookie(name) => Self::Cookie(name.to_owned()),
            request::Security::Query(name) => Self::Query(name.to_owned()),
        }
    }
}

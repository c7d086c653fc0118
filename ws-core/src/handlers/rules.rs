//! The rules for handlers that only rustc can check, because only rustc knows the types.
//!
//! Each rule is a trait that `&Is<true>` implements. A broken rule is a trait bound that does not
//! hold, and rustc reports it at the user's type with the message of the trait. A const assertion
//! would print "evaluation panicked" and the path of its evaluation. The reference keeps the report
//! short: rustc would also show where a plain type is defined.

use super::{Takes, model::ReplyShape};
use crate::{
    envelope::{EventInfo, ReplyForm, ReplyName},
    place::parameters,
};

/// The result of a rule's condition: `<&Is<{ condition }> as Rule>::HOLDS` compiles if it is true.
#[derive(Debug)]
pub struct Is<const HOLDS: bool>;

/// Defines rules.
macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident { message: $message:tt, label: $label:tt })*) => {$(
        $(#[$doc])*
        #[diagnostic::on_unimplemented(message = $message, label = $label)]
        pub trait $name {
            /// Checks the rule.
            const HOLDS: () = ();
        }

        #[diagnostic::do_not_recommend]
        impl $name for &Is<true> {}
    )*};
}

rules! {
    /// A parameter that takes the data of an event is used in a callback of an event.
    HasEventData {
        message: "this callback has no event, so it has no `Data<T>`; \
                  take it in `#[on_event]` or `#[on_unknown]`, or take the whole message as `Json<T>`",
        label: "not available in this callback"
    }

    /// A parameter that takes the name of an event is used in a callback of an event.
    HasEventName {
        message: "this callback has no event, so it has no `EventName`; \
                  take it in `#[on_event]` or `#[on_unknown]`",
        label: "not available in this callback"
    }

    /// A parameter that takes the message is used in a callback that has one.
    HasMessage {
        message: "`#[on_open]` and `#[on_close]` have no message; remove this parameter",
        label: "not available in this callback"
    }

    /// A parameter that takes text is not used in a callback with a binary message.
    HasText {
        message: "`#[on_binary]`, `#[on_ping]` and `#[on_pong]` have no text; take `Bytes`",
        label: "not available in this callback"
    }

    /// A `Reply` is used in a callback of an event.
    HasReply {
        message: "this callback has no event to reply to; \
                  take `Reply` in `#[on_event]` or `#[on_unknown]`",
        label: "not available in this callback"
    }

    /// A parameter that takes the reason of the close is used in `on_close`.
    HasCloseReason {
        message: "the connection is still open in this callback; take `CloseReason` in `#[on_close]`",
        label: "not available in this callback"
    }

    /// At most one parameter takes the message.
    TakesOneMessage {
        message: "two parameters take the message; keep one",
        label: "a parameter before this one takes the message"
    }

    /// Only a guard of an event takes the message.
    GuardTakesNoMessage {
        message: "this guard takes the message, and only the guard of an event may do so; \
                  take it in the handler",
        label: "not available to a guard of this callback"
    }

    /// At most one parameter of a guard takes the message.
    GuardTakesOneMessage {
        message: "two parameters take the message; keep one",
        label: "two parameters of this guard take the message"
    }

    /// At most one parameter is the `Reply`.
    TakesOneReply {
        message: "two parameters are the `Reply`; keep one",
        label: "a parameter before this one is the `Reply`"
    }

    /// A parameter that is parsed from the handshake does not borrow from it.
    OwnsItsData {
        message: "a parameter from the handshake is kept with the connection, so it cannot borrow; \
                  write `String` for `&str`, such as `&Path<String>`",
        label: "this type borrows"
    }

    /// A route has path parameters if a handler takes one.
    HasPathParameters {
        message: "the path of this controller has no parameters for `Path<T>`; \
                  write one, such as `path = \"/rooms/{{room}}\"`",
        label: "no parameter in the path"
    }

    /// An event has one handler in a block.
    IsHandledOnce {
        message: "this event has two handlers in this block; keep one",
        label: "another attribute has the same name"
    }

    /// A reply to an event is returned from a callback of an event.
    AnswersAnEvent {
        message: "`Data<T>` replies to an event, and this callback has none; \
                  return `Event<T>`, `Json<T>` or a message",
        label: "no event in this callback"
    }

    /// A handler that takes `Reply` returns no reply.
    LeavesTheReply {
        message: "this handler takes `Reply`, so it cannot return a reply; \
                  return `()` or `Result`, and send the reply with `reply.send(..)`",
        label: "the `Reply` sends the reply"
    }

    /// A text without an envelope does not answer an event.
    AnswersInAnEnvelope {
        message: "this text would be sent without an envelope and without the `ref` of the call; \
                  write `Data(..)`, or return a `Message` to send it as it is",
        label: "not in an envelope"
    }

    /// An event type is taken by the handler of its event.
    IsOfThisEvent {
        message: "the event of this data has another name than `#[on_event(..)]`; \
                  write the same name at the type and at the handler",
        label: "an event of another name"
    }

    /// An event does not have the name of an event of the server.
    HasFreeName {
        message: "this cannot be the name of an event: it is empty, or the server itself sends this event \
                  (`error`, `end`, `pong`, `sync`); choose another name",
        label: "empty or reserved"
    }

    /// No reply is returned by `on_close`.
    SendsNothing {
        message: "`#[on_close]` cannot send a reply; return `()` or `Result`",
        label: "the connection is closed"
    }
}

/// Implemented for the controller of each block of handlers. A second block conflicts with the
/// first, and rustc prints the name of this trait.
pub trait OneBlockOfHandlersPerController {}

/// The callbacks that a handler can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `on_open`.
    Open,
    /// `on_event` and `on_unknown`.
    Event,
    /// `on_text`.
    Text,
    /// `on_binary`, `on_ping`, `on_pong`.
    Binary,
    /// `on_message`.
    Message,
    /// `on_close`.
    Close,
}

/// The conditions of the rules.
impl Place {
    /// See [`HasEventData`].
    pub const fn has_event_data(self, takes: Takes) -> bool {
        matches!(self, Self::Event) || !matches!(takes, Takes::Data)
    }

    /// See [`HasEventName`].
    pub const fn has_event_name(self, takes: Takes) -> bool {
        matches!(self, Self::Event) || !matches!(takes, Takes::EventName)
    }

    /// See [`HasMessage`].
    pub const fn has_message(self, takes: Takes) -> bool {
        !matches!(self, Self::Open | Self::Close) || !matches!(takes, Takes::Message | Takes::Text)
    }

    /// See [`HasText`].
    pub const fn has_text(self, takes: Takes) -> bool {
        !matches!(self, Self::Binary) || !matches!(takes, Takes::Text)
    }

    /// See [`HasReply`].
    pub const fn has_reply(self, takes: Takes) -> bool {
        matches!(self, Self::Event) || !matches!(takes, Takes::Reply)
    }

    /// See [`HasCloseReason`].
    pub const fn has_close_reason(self, takes: Takes) -> bool {
        matches!(self, Self::Close) || !matches!(takes, Takes::CloseReason)
    }

    /// See [`GuardTakesNoMessage`].
    pub const fn guard_takes_no_message(self, takes: &[Takes]) -> bool {
        let mut rest = takes;
        while let [first, more @ ..] = rest {
            match first {
                Takes::Nothing => {}
                Takes::CloseReason | Takes::Reply => return false,
                Takes::Data | Takes::EventName | Takes::Message | Takes::Text => {
                    if !matches!(self, Self::Event) {
                        return false;
                    }
                }
            }
            rest = more;
        }
        true
    }

    /// See [`AnswersAnEvent`].
    pub const fn answers_an_event(self, shape: ReplyShape) -> bool {
        matches!(self, Self::Event | Self::Close) || !matches!(shape.name, ReplyName::Same)
    }

    /// See [`AnswersInAnEnvelope`].
    pub const fn answers_in_an_envelope(self, shape: ReplyShape) -> bool {
        !matches!(self, Self::Event) || shape.may_answer
    }

    /// See [`SendsNothing`].
    pub const fn sends_nothing(self, shape: ReplyShape) -> bool {
        !matches!(self, Self::Close) || matches!(shape.form, ReplyForm::None)
    }
}

/// The condition of [`TakesOneMessage`], given the input of the parameters before this one.
pub const fn takes_one_message(before: &[Takes], takes: Takes) -> bool {
    let mut rest = before;
    while let [first, more @ ..] = rest {
        if is_message(*first) && is_message(takes) {
            return false;
        }
        rest = more;
    }
    true
}

/// The condition of [`GuardTakesOneMessage`].
pub const fn guard_takes_one_message(takes: &[Takes]) -> bool {
    let mut rest = takes;
    while let [first, more @ ..] = rest {
        if !takes_one_message(more, *first) {
            return false;
        }
        rest = more;
    }
    true
}

/// The condition of [`TakesOneReply`], given the input of the parameters before this one.
pub const fn takes_one_reply(before: &[Takes], takes: Takes) -> bool {
    !(matches!(takes, Takes::Reply) && take_reply(before))
}

/// The condition of [`LeavesTheReply`], given the input of the parameters.
pub const fn leaves_the_reply(params: &[Takes], shape: ReplyShape) -> bool {
    matches!(shape.form, ReplyForm::None) || !take_reply(params)
}

/// Returns whether one of the parameters is the `Reply`, so that the handler does not return it.
pub const fn take_reply(params: &[Takes]) -> bool {
    let mut rest = params;
    while let [first, more @ ..] = rest {
        if matches!(first, Takes::Reply) {
            return true;
        }
        rest = more;
    }
    false
}

const fn is_message(takes: Takes) -> bool {
    matches!(takes, Takes::Data | Takes::Message | Takes::Text)
}

/// The condition of [`HasPathParameters`]. A path that is known only at run time is not checked.
pub const fn has_path_parameters(route: Option<&'static str>, needs_path: bool) -> bool {
    match route {
        Some(path) => !needs_path || parameters(path) > 0,
        None => true,
    }
}

/// Returns whether a name is in the list.
pub const fn is_among(names: &[&str], name: &str) -> bool {
    let mut rest = names;
    while let [first, more @ ..] = rest {
        if is_same(first, name) {
            return true;
        }
        rest = more;
    }
    false
}

/// The condition of [`IsHandledOnce`]. Names are compared only if their hashes are equal, because
/// comparing all of hundreds of names takes seconds.
pub const fn is_handled_once(names: &[&str], hashes: &[u64], name: &str) -> bool {
    let hash = hash(name);
    let (mut rest, mut count) = (names, 0);
    let mut hashes = hashes;
    while let ([first, more @ ..], [first_hash, more_hashes @ ..]) = (rest, hashes) {
        if *first_hash == hash && is_same(first, name) {
            count += 1;
        }
        (rest, hashes) = (more, more_hashes);
    }
    count == 1
}

/// Returns the hash of each name.
pub const fn hashes<const COUNT: usize>(names: &[&str]) -> [u64; COUNT] {
    let mut hashes = [0; COUNT];
    let (mut rest, mut slots) = (names, hashes.as_mut_slice());
    while let ([name, more @ ..], [slot, more_slots @ ..]) = (rest, slots) {
        *slot = hash(name);
        (rest, slots) = (more, more_slots);
    }
    hashes
}

/// Returns the FNV-1a hash of a name.
const fn hash(name: &str) -> u64 {
    let (mut rest, mut hash) = (name.as_bytes(), 0xcbf2_9ce4_8422_2325_u64);
    while let [byte, more @ ..] = rest {
        hash = (hash ^ *byte as u64).wrapping_mul(0x0100_0000_01b3);
        rest = more;
    }
    hash
}

/// The condition of [`IsOfThisEvent`], for a handler of these events.
pub const fn is_of_this_event(names: &[&str], event: Option<EventInfo>) -> bool {
    match event {
        Some(event) => is_among(names, event.name),
        None => true,
    }
}

/// The condition of [`HasFreeName`].
pub const fn has_free_name(name: &str) -> bool {
    !name.is_empty() && !is_among(RESERVED, name)
}

/// The events of the server itself.
const RESERVED: &[&str] = &["error", "end", "pong", "sync"];

const fn is_same(left: &str, right: &str) -> bool {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    loop {
        match (left, right) {
            ([], []) => return true,
            ([a, rest_a @ ..], [b, rest_b @ ..]) if *a == *b => (left, right) = (rest_a, rest_b),
            _ => return false,
        }
    }
}

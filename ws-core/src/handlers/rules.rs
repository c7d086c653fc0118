//! The rules for handlers that only rustc can check, because only rustc knows the types.
//!
//! Generated code calls a constant function for each parameter and return type, at the user's type.
//! The function panics with the message of the first rule that is broken, and rustc reports the
//! message there. A trait bound for each rule had the same report and took several times as long to
//! compile. Only [`OwnsItsData`] is a bound: rustc does not report lifetime errors in a body with
//! an error of types.

pub use crate::request::{HandlerCallback, HandlerFacts};
use crate::{
    envelope::{ReplyForm, ReplyName},
    place::parameters,
    request::{ParamFacts, Takes},
};

/// Fails to compile with the message of a rule that is broken.
///
/// # Panics
/// If a rule is broken. Only the compiler calls it.
#[track_caller]
#[expect(clippy::panic, reason = "the compiler reports the panic")]
pub const fn check(broken: Option<&'static str>) {
    if let Some(message) = broken {
        panic!("{}", message);
    }
}

/// Checks the parameter of this index.
///
/// # Panics
/// See [`check`].
#[track_caller]
pub const fn param(facts: &HandlerFacts, index: usize) {
    check(facts.of_param(index));
}

/// Checks the return type.
///
/// # Panics
/// See [`check`].
#[track_caller]
pub const fn reply(facts: &HandlerFacts) {
    check(facts.of_reply());
}

/// Checks the parameters of a guard.
///
/// # Panics
/// See [`check`].
#[track_caller]
pub const fn guard(facts: &HandlerFacts, takes: &[Takes], needs_path: bool) {
    check(facts.of_guard(takes));
    check(has_path_parameters(facts.route, needs_path));
}

/// A parameter that takes the data of an event is used in a callback of an event.
const HAS_EVENT_DATA: &str = "this callback has no event, so it has no `Data<T>`; take it in `#[on_event]` or \
    `#[on_unknown]`, or take the whole message as `Json<T>`";

/// A parameter that takes the name of an event is used in a callback of an event.
const HAS_EVENT_NAME: &str = "this callback has no event, so it has no `EventName`; take it in `#[on_event]` or \
    `#[on_unknown]`";

/// A parameter that takes the message is used in a callback that has one.
const HAS_MESSAGE: &str = "`#[on_open]` and `#[on_close]` have no message; remove this parameter";

/// A parameter that takes text is not used in a callback with a binary message.
const HAS_TEXT: &str = "`#[on_binary]`, `#[on_ping]` and `#[on_pong]` have no text; take `Bytes`";

/// A `Reply` is used in a callback of an event.
const HAS_REPLY: &str =
    "this callback has no event to reply to; take `Reply` in `#[on_event]` or `#[on_unknown]`";

/// A parameter that takes the reason of the close is used in `on_close`.
const HAS_CLOSE_REASON: &str =
    "the connection is still open in this callback; take `CloseReason` in `#[on_close]`";

/// At most one parameter of a handler or of a guard takes the message.
const TAKES_ONE_MESSAGE: &str = "two parameters take the message; keep one";

/// Only a guard of an event takes the message.
const GUARD_TAKES_NO_MESSAGE: &str = "this guard takes the message, and only the guard of an event may do so; take it in the \
    handler";

/// At most one parameter is the `Reply`.
const TAKES_ONE_REPLY: &str = "two parameters are the `Reply`; keep one";

/// A route has path parameters if a handler takes one.
const HAS_PATH_PARAMETERS: &str = "the path of this controller has no parameters for `Path<T>`; write one, such as `path = \
    \"/rooms/{room}\"`";

/// An event has one handler in a block.
const IS_HANDLED_ONCE: &str = "this event has two handlers in this block; keep one";

/// A reply to an event is returned from a callback of an event.
const ANSWERS_AN_EVENT: &str = "`Data<T>` replies to an event, and this callback has none; return `Event<T>`, `Json<T>` or \
    a message";

/// A handler that takes `Reply` returns no reply.
const LEAVES_THE_REPLY: &str = "this handler takes `Reply`, so it cannot return a reply; return `()` or `Result`, and send \
    the reply with `reply.send(..)`";

/// The reply that an event declares is returned, or sent by `Reply`.
const RETURNS_THE_REPLY: &str = "the handler does not return the reply that `#[ws_event(..)]` of its event declares; for \
    `reply = T`, return `T` if it is an event, else `Data<T>`; for `stream = T`, return a \
    `Stream` of these";

/// A text without an envelope does not answer an event.
const ANSWERS_IN_AN_ENVELOPE: &str = "this text would be sent without an envelope and without the `ref` of the call; write \
    `Data(..)`, or return a `Message` to send it as it is";

/// An event type is taken by the handler of its event.
const IS_OF_THIS_EVENT: &str = "the event of this data has another name than `#[on_event(..)]`; write the same name at the \
    type and at the handler";

/// An event does not have the name of an event of the server.
const HAS_FREE_NAME: &str = "this cannot be the name of an event: it is empty, or the server itself sends this event \
    (`error`, `end`, `pong`, `sync`); choose another name";

/// No reply is returned by `on_close`.
const SENDS_NOTHING: &str = "`#[on_close]` cannot send a reply; return `()` or `Result`";

/// The result of a condition: `<&Is<{ condition }> as OwnsItsData>::HOLDS` compiles if it is true.
/// The reference keeps the report short: rustc would also show where a plain type is defined.
#[derive(Debug)]
pub struct Is<const HOLDS: bool>;

/// A parameter that is parsed from the handshake does not borrow from it.
#[diagnostic::on_unimplemented(
    message = "a parameter from the handshake is kept with the connection, so it cannot borrow; \
               write `String` for `&str`, such as `&Path<String>`",
    label = "this type borrows"
)]
pub trait OwnsItsData {
    /// Checks the rule.
    const HOLDS: () = ();
}

#[diagnostic::do_not_recommend]
impl OwnsItsData for &Is<true> {}

/// Implemented for the controller of each block of handlers. A second block conflicts with the
/// first, and rustc prints the name of this trait.
pub trait OneBlockOfHandlersPerController {}

/// Returns the message of a rule if its condition is false.
const fn unless(is_kept: bool, message: &'static str) -> Option<&'static str> {
    if is_kept { None } else { Some(message) }
}

impl HandlerFacts {
    /// Returns the message of the first rule that the parameter of this index breaks.
    const fn of_param(&self, index: usize) -> Option<&'static str> {
        let (mut rest, mut position) = (self.params, 0);
        let (mut has_message, mut has_reply) = (false, false);
        while let [param, more @ ..] = rest {
            if position == index {
                return match param.takes {
                    takes if has_message && is_message(takes) => Some(TAKES_ONE_MESSAGE),
                    Takes::Reply if has_reply => Some(TAKES_ONE_REPLY),
                    _ => self.of_one(param),
                };
            }
            has_message = has_message || is_message(param.takes);
            has_reply = has_reply || matches!(param.takes, Takes::Reply);
            (rest, position) = (more, position + 1);
        }
        None
    }

    /// Returns the message of the first rule that a parameter breaks, without the other parameters.
    const fn of_one(&self, param: &ParamFacts) -> Option<&'static str> {
        let broken = self.on.check_takes(param.takes);
        if broken.is_some() {
            return broken;
        }
        let broken = has_path_parameters(self.route, param.needs_path);
        if broken.is_some() {
            return broken;
        }
        match param.event {
            Some(event) => unless(is_among(self.events(), event.name), IS_OF_THIS_EVENT),
            None => None,
        }
    }

    /// Returns the message of the first rule that the return type breaks. The trait
    /// [`AnswerTo`](super::support::AnswerTo) checks that it is the reply that the event declares,
    /// unless nothing is returned.
    const fn of_reply(&self) -> Option<&'static str> {
        let is_none = matches!(self.reply.form, ReplyForm::None);
        if !self.on.is_event() {
            return match self.on {
                HandlerCallback::Close => unless(is_none, SENDS_NOTHING),
                _ => unless(!matches!(self.reply.name, ReplyName::Same), ANSWERS_AN_EVENT),
            };
        }
        if !self.reply.may_answer {
            return Some(ANSWERS_IN_AN_ENVELOPE);
        }
        let mut rest = self.params;
        while let [param, more @ ..] = rest {
            if matches!(param.takes, Takes::Reply) {
                return unless(is_none, LEAVES_THE_REPLY);
            }
            rest = more;
        }
        match self.event_type() {
            Some(event) => unless(!is_none || !event.declares_reply, RETURNS_THE_REPLY),
            None => None,
        }
    }

    /// Returns the message of the first rule that the parameters of a guard break.
    const fn of_guard(&self, takes: &[Takes]) -> Option<&'static str> {
        let (mut rest, mut has_message) = (takes, false);
        while let [first, more @ ..] = rest {
            let is_available = match first {
                Takes::Nothing => true,
                Takes::CloseReason | Takes::Reply => false,
                Takes::Data | Takes::EventName | Takes::Message | Takes::Text => self.on.is_event(),
            };
            if !is_available {
                return Some(GUARD_TAKES_NO_MESSAGE);
            }
            if has_message && is_message(*first) {
                return Some(TAKES_ONE_MESSAGE);
            }
            has_message = has_message || is_message(*first);
            rest = more;
        }
        None
    }
}

impl HandlerCallback {
    const fn is_event(&self) -> bool {
        matches!(self, Self::Event(_) | Self::Unknown)
    }

    /// Returns the message if the callback lacks the part of the input that a parameter takes.
    const fn check_takes(&self, takes: Takes) -> Option<&'static str> {
        match takes {
            Takes::Nothing => None,
            Takes::Data => unless(self.is_event(), HAS_EVENT_DATA),
            Takes::EventName => unless(self.is_event(), HAS_EVENT_NAME),
            Takes::Reply => unless(self.is_event(), HAS_REPLY),
            Takes::CloseReason => unless(matches!(self, Self::Close), HAS_CLOSE_REASON),
            Takes::Text if matches!(self, Self::Binary | Self::Ping | Self::Pong) => Some(HAS_TEXT),
            Takes::Message | Takes::Text => unless(!matches!(self, Self::Open | Self::Close), HAS_MESSAGE),
        }
    }
}

const fn is_message(takes: Takes) -> bool {
    matches!(takes, Takes::Data | Takes::Message | Takes::Text)
}

/// Checks the path of a parameter that needs one. A path that is known only at run time is not
/// checked.
const fn has_path_parameters(route: Option<&'static str>, needs_path: bool) -> Option<&'static str> {
    match route {
        Some(path) => unless(!needs_path || parameters(path) > 0, HAS_PATH_PARAMETERS),
        None => None,
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

/// Checks that an event has one handler. Names are compared only if their hashes are equal, because
/// comparing all of hundreds of names takes seconds.
pub const fn is_handled_once(names: &[&str], hashes: &[u64], name: &str) -> Option<&'static str> {
    let hash = hash(name);
    let (mut rest, mut count) = (names, 0);
    let mut hashes = hashes;
    while let ([first, more @ ..], [first_hash, more_hashes @ ..]) = (rest, hashes) {
        if *first_hash == hash && is_same(first, name) {
            count += 1;
        }
        (rest, hashes) = (more, more_hashes);
    }
    unless(count == 1, IS_HANDLED_ONCE)
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

/// Checks the name of an event.
pub const fn has_free_name(name: &str) -> Option<&'static str> {
    unless(!name.is_empty() && !is_among(RESERVED, name), HAS_FREE_NAME)
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

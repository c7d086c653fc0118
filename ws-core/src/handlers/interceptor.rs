//! Interceptors: functions around the calls of controllers, as middleware is around the handshake.
//!
//! [`intercepted`] is the one place that runs them. Without any it is the call itself: nothing is boxed.

use std::{
    any::TypeId,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use crate::{
    connection::Connection,
    error::Result,
    registry::{InterceptorFuture, Location, Scope},
    state::{StateKey, States},
};

/// What became of a call: an `Err` is what its handler failed with, or what an interceptor refused it with.
pub type Outcome = Result<()>;

/// A call that is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'a> {
    conn: &'a Connection,
    kind: CallKind<'a>,
}

/// Which of a controller's callbacks is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallKind<'a> {
    /// `on_open`.
    Open,
    /// `on_message`, or `on_text`, `on_binary` of typed handlers.
    Message,
    /// A ping or pong.
    Control,
    /// An event of typed handlers; `on_unknown` under the name that was asked for.
    Event(&'a str),
    /// `on_close`.
    Close,
}

impl<'a> Invocation<'a> {
    pub(crate) fn new(conn: &'a Connection, kind: CallKind<'a>) -> Self {
        Self { conn, kind }
    }

    /// The connection that is served.
    pub fn connection(&self) -> &'a Connection {
        self.conn
    }

    /// Which callback it is.
    pub fn kind(&self) -> CallKind<'a> {
        self.kind
    }
}

/// The rest of a call: the interceptors that are still to run, then the handler.
pub struct NextCall<'a> {
    chain: &'a [Arc<Interceptor>],
    states: &'a States,
    handler: InterceptorFuture<'a>,
}

impl<'a> NextCall<'a> {
    /// Makes the call. Not calling it means that the handler is not run.
    ///
    /// # Errors
    /// What the handler failed with. Passing it on leaves it to the error handlers.
    pub async fn run(self, call: Invocation<'a>) -> Outcome {
        match self.chain.split_first() {
            Some((interceptor, rest)) => {
                (interceptor.call)(call, NextCall { chain: rest, ..self }, self.states).await
            }
            None => self.handler.await,
        }
    }
}

impl std::fmt::Debug for NextCall<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.chain.iter().map(|interceptor| interceptor.name)).finish()
    }
}

/// One interceptor, from the registry.
pub(crate) struct Interceptor {
    pub(crate) name: &'static str,
    pub(crate) location: Location,
    pub(crate) id: TypeId,
    pub(crate) scope: Scope,
    pub(crate) state: Vec<StateKey>,
    pub(crate) call: for<'a> fn(Invocation<'a>, NextCall<'a>, &'a States) -> InterceptorFuture<'a>,
}

pin_project! {
    /// A call, inside the interceptors of its route if there are any.
    #[project = Projected]
    pub enum Intercepted<'a, F> {
        /// There are none: the handler itself.
        None { #[pin] handler: F },
        /// There are some.
        Some { call: InterceptorFuture<'a> },
    }
}

impl<F> Intercepted<'_, F> {
    /// The handler itself.
    pub fn none(handler: F) -> Self {
        Self::None { handler }
    }
}

impl<F: Future<Output = Outcome>> Future for Intercepted<'_, F> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        match self.project() {
            Projected::None { handler } => handler.poll(cx),
            Projected::Some { call } => call.as_mut().poll(cx),
        }
    }
}

/// Makes a call inside the interceptors of its route.
pub fn intercepted<'a, F>(call: Invocation<'a>, handler: F) -> Intercepted<'a, F>
where
    F: Future<Output = Outcome> + Send + 'a,
{
    match call.conn.handshake().found_route() {
        Some(route) if !route.interceptors.is_empty() => {
            let next =
                NextCall { chain: &route.interceptors, states: &route.states, handler: Box::pin(handler) };
            Intercepted::Some { call: Box::pin(next.run(call)) }
        }
        _ => Intercepted::None { handler },
    }
}

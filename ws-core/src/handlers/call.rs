//! The call of a handler: its parameters are made, the method is called, and its output is sent.
//!
//! Generated code names the types of the signature as arguments of [`run_0`] to [`run_4`], and
//! rustc reports a type that does not fit at the user's type. There is a function for each number
//! of parameters: this costs less time to compile than the operator `?` in generated code, and less
//! than a trait for all numbers. No macro writes them, because rustc shows them in its errors. The
//! types of the kept values are arguments as well: with `P1::Kept` in their place, rustc would
//! report a wrong parameter three times.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::{
    Input, IntoReply, Param, Replier, interceptor::InterceptorFuture, sending::Sending, support::make_param,
};
use crate::error::Result;

/// Boxes the future of a handler; it sends the output as the reply.
///
/// # Errors
/// The error of a parameter.
pub fn boxed<'a, R, F>(handler: Result<F>, input: &Input<'a>) -> Result<InterceptorFuture<'a>>
where
    R: IntoReply + 'a,
    F: Future<Output = R> + Send + 'a,
{
    Ok(Box::pin(reply_future(handler, input)?))
}

/// Returns the future of a handler; it sends the output as the reply.
///
/// # Errors
/// The error of a parameter.
pub fn reply_future<'a, R: IntoReply, F: Future<Output = R>>(
    handler: Result<F>,
    input: &Input<'a>,
) -> Result<ReplyFuture<'a, F>> {
    Ok(ReplyFuture { handler: handler?, to: input.replier(), sending: None })
}

/// Calls a method without parameters, and boxes its future, which sends the output as the reply.
///
/// # Errors
/// None; the result has the type of the other functions.
pub fn run_0<'a, R, C, F>(
    method: impl FnOnce(&'a C) -> F,
    controller: &'a C,
    input: &mut Input<'a>,
) -> Result<InterceptorFuture<'a>>
where
    R: IntoReply + 'a,
    F: Future<Output = R> + Send + 'a,
{
    boxed(Ok(method(controller)), input)
}

/// Makes one parameter and calls the method, as [`run_0`] does.
///
/// # Errors
/// The error of a parameter.
pub fn run_1<'a, P1, R, K1, C, F>(
    method: impl FnOnce(&'a C, P1) -> F,
    controller: &'a C,
    kept_1: &'a K1,
    input: &mut Input<'a>,
) -> Result<InterceptorFuture<'a>>
where
    P1: Param<'a, Kept = K1>,
    R: IntoReply + 'a,
    F: Future<Output = R> + Send + 'a,
{
    boxed(Ok(method(controller, make_param::<P1>(kept_1, input)?)), input)
}

/// Makes two parameters and calls the method, as [`run_0`] does.
///
/// # Errors
/// The error of a parameter.
pub fn run_2<'a, P1, P2, R, K1, K2, C, F>(
    method: impl FnOnce(&'a C, P1, P2) -> F,
    controller: &'a C,
    kept_1: &'a K1,
    kept_2: &'a K2,
    input: &mut Input<'a>,
) -> Result<InterceptorFuture<'a>>
where
    P1: Param<'a, Kept = K1>,
    P2: Param<'a, Kept = K2>,
    R: IntoReply + 'a,
    F: Future<Output = R> + Send + 'a,
{
    boxed(Ok(method(controller, make_param::<P1>(kept_1, input)?, make_param::<P2>(kept_2, input)?)), input)
}

/// Makes three parameters and calls the method, as [`run_0`] does.
///
/// # Errors
/// The error of a parameter.
#[allow(clippy::too_many_arguments, reason = "each parameter has a kept value")]
pub fn run_3<'a, P1, P2, P3, R, K1, K2, K3, C, F>(
    method: impl FnOnce(&'a C, P1, P2, P3) -> F,
    controller: &'a C,
    kept_1: &'a K1,
    kept_2: &'a K2,
    kept_3: &'a K3,
    input: &mut Input<'a>,
) -> Result<InterceptorFuture<'a>>
where
    P1: Param<'a, Kept = K1>,
    P2: Param<'a, Kept = K2>,
    P3: Param<'a, Kept = K3>,
    R: IntoReply + 'a,
    F: Future<Output = R> + Send + 'a,
{
    boxed(
        Ok(method(
            controller,
            make_param::<P1>(kept_1, input)?,
            make_param::<P2>(kept_2, input)?,
            make_param::<P3>(kept_3, input)?,
        )),
        input,
    )
}

/// Makes four parameters and calls the method, as [`run_0`] does.
///
/// # Errors
/// The error of a parameter.
#[allow(clippy::too_many_arguments, reason = "each parameter has a kept value")]
pub fn run_4<'a, P1, P2, P3, P4, R, K1, K2, K3, K4, C, F>(
    method: impl FnOnce(&'a C, P1, P2, P3, P4) -> F,
    controller: &'a C,
    kept_1: &'a K1,
    kept_2: &'a K2,
    kept_3: &'a K3,
    kept_4: &'a K4,
    input: &mut Input<'a>,
) -> Result<InterceptorFuture<'a>>
where
    P1: Param<'a, Kept = K1>,
    P2: Param<'a, Kept = K2>,
    P3: Param<'a, Kept = K3>,
    P4: Param<'a, Kept = K4>,
    R: IntoReply + 'a,
    F: Future<Output = R> + Send + 'a,
{
    boxed(
        Ok(method(
            controller,
            make_param::<P1>(kept_1, input)?,
            make_param::<P2>(kept_2, input)?,
            make_param::<P3>(kept_3, input)?,
            make_param::<P4>(kept_4, input)?,
        )),
        input,
    )
}

pin_project! {
    /// The future of a handler and of its reply. It is not an `async` block, which would contain
    /// the handler's future twice.
    pub struct ReplyFuture<'a, F> {
        #[pin]
        handler: F,
        to: &'a Replier<'a>,
        sending: Option<Sending<'a>>,
    }
}

impl<'a, F: Future<Output: IntoReply> + 'a> Future for ReplyFuture<'a, F> {
    type Output = Result;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result> {
        let this = self.project();
        let sending = match this.sending {
            Some(sending) => sending,
            None => this.sending.insert(ready!(this.handler.poll(cx)).start(this.to)),
        };
        Pin::new(sending).poll(cx)
    }
}

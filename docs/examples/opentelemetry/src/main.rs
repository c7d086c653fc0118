//! Traces of ws-core through OpenTelemetry.
//!
//! The span of a handshake continues the trace of its header `traceparent`. The span of an event
//! begins a trace of its own and links to the handshake, because a connection is open for hours.
//! The span of the connection is for logs only and is not exported. Replace the exporter by that
//! of `opentelemetry-otlp`.

use std::collections::HashMap;

use opentelemetry::{
    propagation::TextMapPropagator as _,
    trace::{SpanContext, TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};
use ws_core::{
    handlers::{Callback, CallbackKind, NextHandler},
    prelude::*,
};

/// The span of the handshake, which the spans of events link to.
#[derive(Clone)]
struct Opened(SpanContext);

/// Continues the trace of the client. It runs inside the span of the handshake.
#[ws_middleware(server = "ws", order = -100)]
async fn continue_trace(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    let header = |name: &str| handshake.header(name).map(|value| (name.to_owned(), value.to_owned()));
    let headers: HashMap<String, String> =
        ["traceparent", "tracestate"].into_iter().filter_map(header).collect();
    let span = Span::current();
    // Fails if the span is not exported.
    let _ = span.set_parent(TraceContextPropagator::new().extract(&headers));
    handshake.context().set(Opened(span.context().span().span_context().clone()));
    next.run(handshake).await
}

/// Links the span of an event to the handshake. It runs inside the span of the event.
#[ws_interceptor(server = "ws", order = -100)]
async fn link_events(callback: Callback<'_>, next: NextHandler<'_>) -> Result {
    if let (CallbackKind::Event(_), Some(Opened(opened))) =
        (callback.kind(), callback.connection().context().get())
    {
        Span::current().add_link(opened);
    }
    next.run(callback).await
}

#[ws_controller(path = "/echo")]
struct Echo;

#[ws_handlers]
impl Echo {
    #[on_event("echo")]
    async fn echo(&self, text: Data<String>) -> Data<String> {
        text
    }
}

#[tokio::main]
async fn main() -> Result<(), StartError> {
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(opentelemetry_stdout::SpanExporter::default())
        .build();
    // The spans of events have the level DEBUG; those of connections are left out.
    let exported = EnvFilter::new("info,ws_core::event=debug,ws_core::connection=off");
    let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer("ws")).with_filter(exported);
    let log = tracing_subscriber::fmt::layer().with_filter(EnvFilter::new("info"));
    tracing_subscriber::registry().with(traces).with(log).init();
    let result = App::new().run().await;
    // Exports the spans that wait.
    let _ = provider.shutdown();
    result
}

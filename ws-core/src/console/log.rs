//! The last lines of the log: a layer for the user's subscriber, and its bounded list.
//!
//! A process has one subscriber, so it has one list. A connection's span gives its id to the lines
//! inside it.

use std::{
    collections::VecDeque,
    fmt::{self, Write as _},
    sync::atomic::{AtomicBool, Ordering},
    time::SystemTime,
};

use serde_json::{Value, json};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id},
};
use tracing_subscriber::{
    layer::{Context, Layer},
    registry::LookupSpan,
};

use super::live::millis;
use crate::{hub::Hub, sync::Mutex};

/// The number of lines that are kept.
const LINES: usize = 1000;
/// The longest message and the longest field, in bytes; the rest is cut.
const MESSAGE_BYTES: usize = 1 << 10;
const FIELD_BYTES: usize = 256;
/// The number of fields of a line.
const FIELDS: usize = 16;

/// Whether a layer was made.
static IS_USED: AtomicBool = AtomicBool::new(false);
static LOG: Mutex<Log> = Mutex::new(Log { lines: VecDeque::new(), next: 0 });

struct Log {
    lines: VecDeque<Line>,
    next: u64,
}

#[derive(Clone, Debug)]
struct Line {
    number: u64,
    at: SystemTime,
    level: tracing::Level,
    target: &'static str,
    message: String,
    fields: Vec<(&'static str, String)>,
    /// The connection whose span the line is in.
    connection: Option<String>,
}

/// Keeps the last 1000 lines of the log for the page "Log" of the console. Made by [`log_layer`].
///
/// ```
/// use tracing_subscriber::layer::SubscriberExt as _;
/// use ws_core::console::{LogLayer, log_layer};
///
/// let layer: LogLayer = log_layer();
/// let subscriber = tracing_subscriber::registry().with(layer);
/// ```
#[derive(Debug)]
pub struct LogLayer(());

/// Returns a layer that keeps the last 1000 lines of the log for the console. Add it to the
/// subscriber of the program; it sees what the filters of the subscriber let pass.
///
/// Messages are cut after 1 KiB, fields after 256 bytes.
///
/// ```
/// use tracing_subscriber::layer::SubscriberExt as _;
///
/// let subscriber = tracing_subscriber::registry().with(ws_core::console::log_layer());
/// ```
pub fn log_layer() -> LogLayer {
    IS_USED.store(true, Ordering::Relaxed);
    LogLayer(())
}

/// The id of a connection, kept with its span.
struct OfConnection(String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let metadata = attributes.metadata();
        if metadata.name() != "connection" || !metadata.target().starts_with("ws_core") {
            return;
        }
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let connection = fields.others.into_iter().find(|(name, _)| *name == "id");
        if let (Some(span), Some((_, connection))) = (context.span(id), connection) {
            span.extensions_mut().insert(OfConnection(connection));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let connection = context.event_scope(event).and_then(|mut scope| {
            scope.find_map(|span| span.extensions().get::<OfConnection>().map(|it| it.0.clone()))
        });
        let metadata = event.metadata();
        let mut log = LOG.lock();
        let number = log.next;
        log.next += 1;
        if log.lines.len() >= LINES {
            log.lines.pop_front();
        }
        log.lines.push_back(Line {
            number,
            at: SystemTime::now(),
            level: *metadata.level(),
            target: metadata.target(),
            message: fields.message,
            fields: fields.others,
            connection,
        });
    }
}

/// The fields of a line.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = Short::of(format_args!("{value:?}"), MESSAGE_BYTES);
        } else if self.others.len() < FIELDS {
            self.others.push((field.name(), Short::of(format_args!("{value:?}"), FIELD_BYTES)));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// A text that takes no more than this many bytes and ignores the rest.
struct Short {
    text: String,
    most: usize,
}

impl Short {
    fn of(text: fmt::Arguments<'_>, most: usize) -> String {
        let mut short = Self { text: String::new(), most };
        // Fails if the text was cut, or if a value of the user fails.
        let _ = short.write_fmt(text);
        short.text
    }
}

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.most.saturating_sub(self.text.len());
        if text.len() <= room {
            self.text.push_str(text);
            return Ok(());
        }
        let end = text.floor_char_boundary(room);
        self.text.push_str(text.get(..end).unwrap_or_default());
        self.text.push('…');
        Err(fmt::Error)
    }
}

/// Reads the lines that are new.
#[derive(Debug, Default)]
pub(super) struct Reader {
    next: u64,
    has_begun: bool,
}

impl Reader {
    /// Returns the lines since the last call; `None` if there are none.
    pub(super) fn next(&mut self, hub: &Hub) -> Option<Value> {
        let lines = since(self.next);
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        if lines.is_empty() && !is_first {
            return None;
        }
        let missed = lines.first().map_or(0, |first| first.number.saturating_sub(self.next));
        self.next = lines.last().map_or(self.next, |last| last.number + 1);
        Some(json!({
            "count": hub.count_local(),
            "has_layer": IS_USED.load(Ordering::Relaxed),
            "missed": missed,
            "lines": lines.iter().map(line).collect::<Vec<_>>(),
        }))
    }
}

fn since(number: u64) -> Vec<Line> {
    let log = LOG.lock();
    let known = log.lines.partition_point(|line| line.number < number);
    log.lines.range(known..).cloned().collect()
}

fn line(line: &Line) -> Value {
    json!({
        "number": line.number,
        "at": millis(line.at),
        "level": line.level.as_str(),
        "target": line.target,
        "message": line.message,
        "fields": line.fields,
        "connection": line.connection,
    })
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn lines_are_kept_with_their_connection_and_are_bounded() {
        let subscriber = tracing_subscriber::registry().with(log_layer());
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("connection", id = %"00c0ffee-2a", route = "/x");
            span.in_scope(|| tracing::warn!(size = 3, text = "a b", "a {} message", "long"));
            tracing::info!("{}", "é".repeat(2000));
        });
        let lines = since(0);
        let warned = lines.iter().find(|line| line.message == "a long message").unwrap();
        assert_eq!(warned.connection.as_deref(), Some("00c0ffee-2a"));
        assert_eq!(warned.fields, [("size", "3".to_owned()), ("text", "a b".to_owned())]);
        let long = lines.iter().find(|line| line.message.starts_with('é')).unwrap();
        assert_eq!((long.message.len(), long.connection.as_ref()), (MESSAGE_BYTES + "…".len(), None));
        let subscriber = tracing_subscriber::registry().with(log_layer());
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..LINES + 10 {
                tracing::info!(number);
            }
        });
        assert_eq!(since(0).len(), LINES);
    }
}

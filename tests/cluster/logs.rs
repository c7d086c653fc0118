//! The log of one test.

use std::{cell::RefCell, sync::Once};

thread_local! {
    static LOGGED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// The log of this thread from now on. The runtime of a test has no other thread.
///
/// One subscriber serves all tests, because the callsites remember the levels of all subscribers.
pub(crate) struct Logs;

impl Logs {
    pub(crate) fn start() -> Self {
        struct Writer;
        impl std::io::Write for Writer {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                LOGGED.with_borrow_mut(|logged| logged.iter_mut().for_each(|logged| logged.extend(bytes)));
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            let level = tracing::Level::TRACE;
            tracing_subscriber::fmt().with_ansi(false).with_max_level(level).with_writer(|| Writer).init();
        });
        LOGGED.set(Some(Vec::new()));
        Self
    }

    /// The whole text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(LOGGED.with_borrow(|it| it.clone().unwrap_or_default())).unwrap()
    }

    /// Whether a line has all these texts.
    pub(crate) fn have(&self, texts: &[&str]) -> bool {
        self.text().lines().any(|line| texts.iter().all(|text| line.contains(text)))
    }
}

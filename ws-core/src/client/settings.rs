//! [`Settings`]: the values that a connection is made with, and their defaults.
//!
//! `builder` fills it, `request` checks it before anything is sent. It must not name another file
//! of the client but `attempt` and `error`.

use std::{pin::Pin, sync::Arc, time::Duration};

#[cfg(feature = "client-tls")]
use tokio_rustls::rustls::ClientConfig;

use super::{attempt::Attempt, error::ConnectError};
#[cfg(feature = "deflate")]
use crate::config::Compression;

/// All that [`ClientBuilder`](super::ClientBuilder) sets.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) uri: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) subprotocols: Vec<String>,
    pub(super) connect_deadline: Duration,
    pub(super) send_deadline: Duration,
    pub(super) close_deadline: Duration,
    pub(super) call_deadline: Duration,
    pub(super) dead_after: Option<Duration>,
    pub(super) message_limit: usize,
    pub(super) frame_limit: Option<usize>,
    #[cfg(feature = "deflate")]
    pub(super) compression: Compression,
    /// Whether a ping follows each sent message, so that its pong confirms the message.
    pub(super) confirms: bool,
    #[cfg(feature = "client-tls")]
    pub(super) tls: TlsSettings,
    /// Changes the settings before each attempt.
    pub(super) before_attempt: Option<Arc<dyn BeforeAttempt>>,
}

/// The user's function that changes the settings before an attempt. It gets the settings without
/// the changes of earlier attempts.
pub(super) trait BeforeAttempt: Send + Sync {
    fn change(
        &self,
        settings: Settings,
        attempt: Attempt,
    ) -> Pin<Box<dyn Future<Output = Result<Settings, ConnectError>> + Send>>;
}

/// The server certificates that are trusted.
#[cfg(feature = "client-tls")]
#[derive(Clone, Default)]
pub(super) struct TlsSettings {
    /// Certificates in PEM that are trusted besides the list.
    pub(super) root_certificates: Vec<Vec<u8>>,
    /// Whether the list is the system's and not Mozilla's.
    #[cfg(feature = "client-native-roots")]
    pub(super) has_native_roots: bool,
    /// A configuration in place of all of the above.
    pub(super) config: Option<Arc<ClientConfig>>,
}

impl Settings {
    pub(super) fn new(uri: String) -> Self {
        Self {
            uri,
            query: Vec::new(),
            headers: Vec::new(),
            subprotocols: Vec::new(),
            connect_deadline: Duration::from_secs(10),
            send_deadline: Duration::from_secs(30),
            close_deadline: Duration::from_secs(5),
            call_deadline: Duration::from_secs(10),
            dead_after: None,
            message_limit: 1 << 20,
            frame_limit: None,
            #[cfg(feature = "deflate")]
            compression: Compression::default(),
            confirms: false,
            #[cfg(feature = "client-tls")]
            tls: TlsSettings::default(),
            before_attempt: None,
        }
    }
}

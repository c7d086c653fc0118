//! Reads `ws.toml`, and checks what types alone cannot.

use std::{collections::HashSet, io, path::Path, time::Duration};

use super::{Config, Heartbeat, Limits, ServerConfig, env};

/// The least that hyper reads a head into.
const LEAST_HEAD_BYTES: usize = 8 << 10;

/// What is wrong with the configuration, and where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is there but cannot be read.
    #[error("{file}: {error}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// A wrong key or value; the text names the line and what is accepted.
    #[error("{file}: {message}")]
    Toml {
        /// The file.
        file: String,
        /// The line and the column, the line itself, and what is accepted.
        message: String,
    },
    /// A wrong environment variable.
    #[error("environment variable {variable}: {message}")]
    Env {
        /// Its name.
        variable: String,
        /// What is accepted.
        message: String,
    },
    /// Values that do not go together.
    #[error("{0}")]
    Invalid(String),
}

impl Config {
    /// Reads `ws.toml` of the working directory, if there is one, then the environment.
    ///
    /// # Errors
    /// When the file cannot be read, or something in it or in the environment is wrong.
    pub fn load() -> Result<Self, ConfigError> {
        let file = Path::new("ws.toml");
        if file.exists() { Self::from_file(file)?.with_env() } else { Self::default().with_env() }
    }

    /// Reads this file.
    ///
    /// # Errors
    /// When it cannot be read, or something in it is wrong.
    pub fn from_file(file: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let file = file.as_ref();
        let name = file.display().to_string();
        match std::fs::read_to_string(file) {
            Ok(text) => Self::from_toml_str(&text, &name),
            Err(error) => Err(ConfigError::Read { file: name, error }),
        }
    }

    /// Reads this text; `file` is what errors call it.
    ///
    /// # Errors
    /// When something in it is wrong.
    pub fn from_toml_str(text: &str, file: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text)
            .map_err(|error| ConfigError::Toml { file: file.to_owned(), message: error.to_string() })?;
        config.check().map_err(|message| ConfigError::Toml { file: file.to_owned(), message })?;
        Ok(config)
    }

    /// Puts the environment on top: `WS__SERVERS__WS__PORT=9502`, `WS__SERVERS__WS__LIMITS__MESSAGE=64KiB`,
    /// `WS__DRAIN__TIMEOUT=10s`. Servers go by their names, in upper case, with `_` for every other sign.
    ///
    /// # Errors
    /// When a variable that starts with `WS__` names nothing that there is, or has a value that is not accepted.
    pub fn with_env(self) -> Result<Self, ConfigError> {
        let config = env::apply(self, std::env::vars_os())?;
        config.check().map_err(ConfigError::Invalid)?;
        Ok(config)
    }

    /// What the types cannot say.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut names = HashSet::new();
        for server in &self.servers {
            if server.name.is_empty() {
                return Err("a server has no name; write `name = \"ws\"`".into());
            }
            if !names.insert(&*server.name) {
                return Err(format!("two servers are named `{}`; names are unique", server.name));
            }
            server
                .limits
                .check()
                .and_then(|()| server.origin.check().map_err(str::to_owned))
                .and_then(|()| check_edge(server))
                .and_then(|()| server.heartbeat.check())
                .map_err(|message| format!("server `{}`: {message}", server.name))?;
        }
        if self.drain.batch == 0 {
            return Err("`drain.batch` must be at least 1".to_owned());
        }
        check_times(&[
            ("drain.grace", Some(self.drain.grace)),
            ("drain.interval", Some(self.drain.interval)),
            ("drain.timeout", Some(self.drain.timeout)),
        ])
    }
}

/// Deadlines are counted from now on: beyond this, a clock might not reach them.
const LONGEST_TIME: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

fn check_times(times: &[(&str, Option<Duration>)]) -> Result<(), String> {
    match times.iter().find(|(_, time)| time.is_some_and(|time| time > LONGEST_TIME)) {
        Some((key, _)) => Err(format!("`{key}` is longer than ten years")),
        None => Ok(()),
    }
}

impl Heartbeat {
    fn check(&self) -> Result<(), String> {
        check_times(&[
            ("heartbeat.interval", self.interval),
            ("heartbeat.timeout", Some(self.timeout)),
            ("heartbeat.idle", self.idle),
        ])
    }
}

impl Limits {
    /// What the types cannot say of values that were set in code.
    pub(crate) fn check(&self) -> Result<(), String> {
        let at_least_one = [
            ("connections", self.connections),
            ("pending_handshakes", self.pending_handshakes),
            ("headers", self.headers),
            ("outbox_messages", self.outbox_messages),
            ("fragments", self.fragments),
            ("messages_per_second", self.messages_per_second.unwrap_or(1)),
            ("message_burst", self.message_burst.unwrap_or(1)),
        ];
        if let Some((key, _)) = at_least_one.into_iter().find(|(_, value)| *value == 0) {
            return Err(format!("`limits.{key}` must be at least 1"));
        }
        if self.head < LEAST_HEAD_BYTES {
            return Err("`limits.head` must be at least \"8KiB\"".to_owned());
        }
        check_times(&[
            ("limits.handshake_timeout", Some(self.handshake_timeout)),
            ("limits.close_timeout", Some(self.close_timeout)),
            ("limits.handler_timeout", self.handler_timeout),
        ])
    }
}

/// TLS needs both files; a proxy is trusted for something, and whoever is believed is named.
fn check_edge(server: &ServerConfig) -> Result<(), String> {
    if let Some(tls) = &server.tls {
        let files = [("certificate", &tls.certificate), ("key", &tls.key)];
        if let Some((key, _)) = files.into_iter().find(|(_, file)| file.as_os_str().is_empty()) {
            return Err(format!("`tls.{key}` is missing; write the path of a PEM file"));
        }
    }
    match (server.proxy.trusted.is_empty(), server.proxy.is_off()) {
        (true, false) => {
            Err("`proxy.trusted` is empty, so that no proxy would be believed; write the addresses of \
                              yours, such as `trusted = [\"10.0.0.0/8\"]`"
                .to_owned())
        }
        (false, true) => {
            Err("`proxy.trusted` has no effect by itself; write `header = \"x-forwarded-for\"`, \
                              `header = \"forwarded\"` or `protocol = \"v1_or_v2\"`"
                .to_owned())
        }
        _ => Ok(()),
    }
}

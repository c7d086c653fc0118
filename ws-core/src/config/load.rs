//! Reads `ws.toml` and the environment, and checks the rules that the types do not express. All
//! checks run before a server binds; this module never corrects a value silently.

use std::{collections::HashSet, ffi::OsString, io, path::Path, time::Duration};

use super::{
    Cluster, Config, Console, Drain, Heartbeat, Limits, ServerConfig, cluster::without_addresses, env,
};

use crate::fixed;

/// The file that is read by default, in the working directory.
const FILE: &str = "ws.toml";
/// The smallest buffer that hyper accepts for a head.
const LEAST_HEAD_BYTES: usize = 8 << 10;
/// A header map panics beyond three quarters of 32 768 entries, and this crate adds some to the
/// received ones.
const MOST_HEADERS: usize = 16 << 10;
/// The largest message. A larger allocation could fail, which aborts the process.
const MOST_MESSAGE_BYTES: usize = 1 << 30;

/// The lengths in the format between nodes have 32 bits, and a Redis accepts at most 512 MiB.
const MOST_CLUSTER_MESSAGE_BYTES: usize = 256 << 20;

/// Why a configuration is invalid, and where.
///
/// ```
/// use ws_core::{Config, config::ConfigError};
///
/// let error = Config::from_toml_str("[[servers]]\nport = \"high\"", "ws.toml").unwrap_err();
/// assert!(matches!(error, ConfigError::Toml { .. }));
/// assert!(error.to_string().contains("line 2"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file exists but cannot be read.
    #[error("{file}: {error}")]
    Read {
        /// The file.
        file: String,
        /// The cause.
        #[source]
        error: io::Error,
    },
    /// An invalid key or value; the text has the line and the accepted values.
    #[error("{file}: {message}")]
    Toml {
        /// The file.
        file: String,
        /// The position, the line itself, and the accepted values.
        message: String,
    },
    /// An invalid environment variable.
    #[error("environment variable {variable}: {message}")]
    Env {
        /// The name of the variable.
        variable: String,
        /// The fault and the accepted values.
        message: String,
    },
    /// A value or a combination of values that is not accepted.
    #[error("{0}")]
    Invalid(String),
}

impl Config {
    /// Reads `ws.toml` in the working directory, if it exists, then the environment.
    ///
    /// # Errors
    /// If the file cannot be read, or if the file or the environment is invalid.
    pub fn load() -> Result<Self, ConfigError> {
        let file = Path::new(FILE);
        if file.exists() { Self::from_file(file)?.with_env() } else { Self::default().with_env() }
    }

    /// Reads this file.
    ///
    /// # Errors
    /// If the file cannot be read or is invalid.
    pub fn from_file(file: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let file = file.as_ref();
        let name = file.display().to_string();
        match std::fs::read_to_string(file) {
            Ok(text) => Self::from_toml_str(&text, &name),
            Err(error) => Err(ConfigError::Read { file: name, error }),
        }
    }

    /// Reads this text; errors name it `file`.
    ///
    /// # Errors
    /// If the text is invalid.
    pub fn from_toml_str(text: &str, file: &str) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text)
            // The message quotes the line, which may have a password.
            .map_err(|error| ConfigError::Toml {
                file: file.to_owned(),
                message: without_addresses(&error.to_string()),
            })?;
        config.check().map_err(|message| ConfigError::Toml { file: file.to_owned(), message })?;
        config.sources.file = true;
        Ok(config)
    }

    /// Overrides settings from the environment: `WS__SERVERS__WS__PORT=9502`,
    /// `WS__SERVERS__WS__LIMITS__MESSAGE=64KiB`, `WS__DRAIN__TIMEOUT=10s`. A server is named in
    /// upper case, with `_` for every other character.
    ///
    /// # Errors
    /// If a variable that starts with `WS__` names an unknown setting or has a value that is not
    /// accepted.
    pub fn with_env(self) -> Result<Self, ConfigError> {
        self.with_variables(std::env::vars_os())
    }

    fn with_variables(
        self,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut sources = self.sources;
        sources.environment = true;
        let config = Self { sources, ..env::apply(self, variables)? };
        config.check().map_err(ConfigError::Invalid)?;
        Ok(config)
    }

    /// Logs the variables and the file that exist and were not read for this configuration. Without
    /// `App::config` both are read.
    pub(crate) fn warn_of_unread(&self) {
        let unread = self.unread(std::env::vars_os(), Path::new(FILE).exists());
        if !unread.variables.is_empty() {
            tracing::warn!(
                variables = unread.variables.join(", "),
                "these variables are set and not read, because `App::config` was given a configuration without the \
                 environment; write `.with_env()?` behind it, or unset them",
            );
        }
        if unread.file {
            tracing::warn!(
                "`{FILE}` exists and is not read, because `App::config` was given a configuration that was made \
                 without a file; write `Config::load()?`, or rename it",
            );
        }
    }

    fn unread(&self, variables: impl Iterator<Item = (OsString, OsString)>, has_file: bool) -> Unread {
        let variables = if self.sources.environment { Vec::new() } else { env::names(variables) };
        Unread { variables, file: has_file && !self.sources.file }
    }

    /// Checks the rules that the types do not express.
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
                .and_then(|()| server.compression.check())
                .map_err(|message| format!("server `{}`: {message}", server.name))?;
        }
        self.drain.check()?;
        self.compression.check()?;
        self.console.check()?;
        self.cluster.as_ref().map_or(Ok(()), Cluster::check)
    }
}

/// The sources that exist and that a configuration was not read from.
#[derive(Debug, PartialEq, Eq)]
struct Unread {
    /// The names of the variables.
    variables: Vec<String>,
    file: bool,
}

/// The longest accepted time. A deadline is the current time plus this; beyond it, the clock might
/// overflow.
const LONGEST_TIME: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Checks that no time is zero, because a deadline of zero passes before the work begins.
fn check_times(times: &[(&str, Option<Duration>)]) -> Result<(), String> {
    for (key, time) in times {
        match time {
            Some(Duration::ZERO) => return Err(format!("`{key}` must be longer than 0 s")),
            Some(time) if *time > LONGEST_TIME => return Err(format!("`{key}` is longer than ten years")),
            _ => {}
        }
    }
    Ok(())
}

fn check_counts(counts: &[(&str, Option<usize>)]) -> Result<(), String> {
    match counts.iter().find(|(_, count)| *count == Some(0)) {
        Some((key, _)) => Err(format!("`{key}` must be at least 1")),
        None => Ok(()),
    }
}

impl Drain {
    fn check(&self) -> Result<(), String> {
        check_counts(&[("drain.batch", Some(self.batch))])?;
        check_times(&[
            ("drain.grace", Some(self.grace).filter(|grace| !grace.is_zero())),
            ("drain.interval", Some(self.interval)),
            ("drain.timeout", Some(self.timeout)),
        ])
    }
}

impl Console {
    fn check(&self) -> Result<(), String> {
        if self.host.is_loopback() {
            return Ok(());
        }
        Err(format!(
            "`console.host` must be a loopback address such as \"127.0.0.1\", not \"{}\": the console shows the data of \
             all clients; reach it from another machine by `ssh -L {port}:127.0.0.1:{port}`",
            self.host,
            port = self.port
        ))
    }
}

impl Cluster {
    fn check(&self) -> Result<(), String> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !(1..=64).contains(&self.prefix.len()) || !self.prefix.bytes().all(is_allowed) {
            return Err("`cluster.prefix` must be 1 to 64 of `A-Z a-z 0-9 _ -`".to_owned());
        }
        if self.name.as_ref().is_some_and(|name| name.is_empty() || name.len() > fixed::NAME_BYTES) {
            return Err(format!("`cluster.name` must have 1 to {} bytes", fixed::NAME_BYTES));
        }
        check_times(&[
            ("cluster.heartbeat", Some(self.heartbeat)),
            ("cluster.node_timeout", Some(self.node_timeout)),
        ])?;
        if self.node_timeout < self.heartbeat * 3 {
            return Err("`cluster.node_timeout` must be at least three times `cluster.heartbeat`".to_owned());
        }
        check_counts(&[("cluster.message", Some(self.message)), ("cluster.queue", Some(self.queue))])?;
        if self.message > MOST_CLUSTER_MESSAGE_BYTES {
            return Err("`cluster.message` must be at most \"256MiB\"".to_owned());
        }
        if self.queue < self.message {
            return Err("`cluster.queue` must be at least `cluster.message`".to_owned());
        }
        Ok(())
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
    /// Checks the rules that the types do not express, for values that were set in code.
    pub(crate) fn check(&self) -> Result<(), String> {
        check_counts(&[
            ("limits.connections", Some(self.connections)),
            ("limits.connections_per_ip", self.connections_per_ip),
            ("limits.pending_handshakes", Some(self.pending_handshakes)),
            ("limits.message", Some(self.message)),
            ("limits.frame", self.frame),
            ("limits.fragments", Some(self.fragments)),
            ("limits.messages_per_second", self.messages_per_second),
            ("limits.message_burst", self.message_burst),
            ("limits.headers", Some(self.headers)),
            ("limits.path", Some(self.path)),
            ("limits.query", Some(self.query)),
            ("limits.outbox_messages", Some(self.outbox_messages)),
            ("limits.outbox_bytes", Some(self.outbox_bytes)),
            ("limits.tasks", Some(self.tasks)),
            ("limits.inbox_messages", Some(self.inbox_messages)),
            ("limits.inbox_bytes", Some(self.inbox_bytes)),
        ])?;
        if self.message > MOST_MESSAGE_BYTES {
            return Err("`limits.message` must be at most \"1GiB\"".to_owned());
        }
        if self.head < LEAST_HEAD_BYTES {
            return Err("`limits.head` must be at least \"8KiB\"".to_owned());
        }
        if self.headers > MOST_HEADERS {
            return Err(format!("`limits.headers` must be at most {MOST_HEADERS}"));
        }
        check_times(&[
            ("limits.handshake_timeout", Some(self.handshake_timeout)),
            ("limits.keep_alive", Some(self.keep_alive)),
            ("limits.close_timeout", Some(self.close_timeout)),
            ("limits.handler_timeout", self.handler_timeout),
            ("limits.lifetime", self.lifetime),
        ])
    }
}

/// Checks TLS and proxy settings: TLS needs both files; trusted proxies and the form in which they
/// name clients need each other.
fn check_edge(server: &ServerConfig) -> Result<(), String> {
    if let Some(tls) = &server.tls {
        let files = [("certificate", &tls.certificate), ("key", &tls.key)];
        if let Some((key, _)) = files.into_iter().find(|(_, file)| file.as_os_str().is_empty()) {
            return Err(format!("`tls.{key}` is missing; write the path of a PEM file"));
        }
    }
    match (server.proxy.trusted.is_empty(), server.proxy.is_off()) {
        (true, false) => {
            Err("`proxy.trusted` is empty, so that no proxy is trusted; write the addresses of \
                              your proxies, such as `trusted = [\"10.0.0.0/8\"]`"
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

#[cfg(test)]
mod tests;

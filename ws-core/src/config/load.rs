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
/// The buffer of a frame is allocated when its length is announced. A larger allocation could fail,
/// which aborts the process.
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
mod tests {
    use super::*;

    /// An invalid value: the key, the text in the file and in the environment, and the assignment
    /// in code.
    type Case = (&'static str, &'static str, fn(&mut Config));

    const BROKEN: &[Case] = &[
        ("name", "", |it| it.servers[0].name.clear()),
        ("limits.connections", "0", |it| it.servers[0].limits.connections = 0),
        ("limits.connections_per_ip", "0", |it| it.servers[0].limits.connections_per_ip = Some(0)),
        ("limits.pending_handshakes", "0", |it| it.servers[0].limits.pending_handshakes = 0),
        ("limits.message", "0", |it| it.servers[0].limits.message = 0),
        ("limits.message", "1025MiB", |it| it.servers[0].limits.message = 1025 << 20),
        ("limits.frame", "0", |it| it.servers[0].limits.frame = Some(0)),
        ("limits.fragments", "0", |it| it.servers[0].limits.fragments = 0),
        ("limits.messages_per_second", "0", |it| it.servers[0].limits.messages_per_second = Some(0)),
        ("limits.message_burst", "0", |it| it.servers[0].limits.message_burst = Some(0)),
        ("limits.handshake_timeout", "0s", |it| it.servers[0].limits.handshake_timeout = Duration::ZERO),
        ("limits.handshake_timeout", "11y", |it| it.servers[0].limits.handshake_timeout = AGE),
        ("limits.keep_alive", "0s", |it| it.servers[0].limits.keep_alive = Duration::ZERO),
        ("limits.keep_alive", "11y", |it| it.servers[0].limits.keep_alive = AGE),
        ("limits.head", "8191", |it| it.servers[0].limits.head = 8191),
        ("limits.headers", "0", |it| it.servers[0].limits.headers = 0),
        ("limits.headers", "16385", |it| it.servers[0].limits.headers = 16_385),
        ("limits.path", "0", |it| it.servers[0].limits.path = 0),
        ("limits.query", "0", |it| it.servers[0].limits.query = 0),
        ("limits.outbox_messages", "0", |it| it.servers[0].limits.outbox_messages = 0),
        ("limits.outbox_bytes", "0", |it| it.servers[0].limits.outbox_bytes = 0),
        ("limits.tasks", "0", |it| it.servers[0].limits.tasks = 0),
        ("limits.inbox_messages", "0", |it| it.servers[0].limits.inbox_messages = 0),
        ("limits.inbox_bytes", "0", |it| it.servers[0].limits.inbox_bytes = 0),
        ("limits.close_timeout", "0s", |it| it.servers[0].limits.close_timeout = Duration::ZERO),
        ("limits.close_timeout", "11y", |it| it.servers[0].limits.close_timeout = AGE),
        ("limits.handler_timeout", "0s", |it| it.servers[0].limits.handler_timeout = Some(Duration::ZERO)),
        ("limits.handler_timeout", "11y", |it| it.servers[0].limits.handler_timeout = Some(AGE)),
        ("limits.lifetime", "0s", |it| it.servers[0].limits.lifetime = Some(Duration::ZERO)),
        ("limits.lifetime", "11y", |it| it.servers[0].limits.lifetime = Some(AGE)),
        ("heartbeat.interval", "0s", |it| it.servers[0].heartbeat.interval = Some(Duration::ZERO)),
        ("heartbeat.interval", "11y", |it| it.servers[0].heartbeat.interval = Some(AGE)),
        ("heartbeat.timeout", "0s", |it| it.servers[0].heartbeat.timeout = Duration::ZERO),
        ("heartbeat.timeout", "11y", |it| it.servers[0].heartbeat.timeout = AGE),
        ("heartbeat.idle", "0s", |it| it.servers[0].heartbeat.idle = Some(Duration::ZERO)),
        ("heartbeat.idle", "11y", |it| it.servers[0].heartbeat.idle = Some(AGE)),
        ("compression.threshold", "0", |it| it.servers[0].compression.threshold = Some(0)),
        ("compression.level", "0", |it| it.servers[0].compression.level = 0),
        ("compression.level", "10", |it| it.servers[0].compression.level = 10),
        ("compression.window", "0", |it| it.servers[0].compression.window = 0),
        ("compression.window", "256", |it| it.servers[0].compression.window = 256),
        ("compression.window", "5000", |it| it.servers[0].compression.window = 5000),
        ("compression.window", "64KiB", |it| it.servers[0].compression.window = 64 << 10),
        ("compression.memory", "0", |it| it.compression.memory = 0),
        ("drain.grace", "11y", |it| it.drain.grace = AGE),
        ("drain.batch", "0", |it| it.drain.batch = 0),
        ("drain.interval", "0s", |it| it.drain.interval = Duration::ZERO),
        ("drain.interval", "11y", |it| it.drain.interval = AGE),
        ("drain.timeout", "0s", |it| it.drain.timeout = Duration::ZERO),
        ("drain.timeout", "11y", |it| it.drain.timeout = AGE),
        ("cluster.prefix", "", |it| cluster(it).prefix.clear()),
        ("cluster.prefix", "a:b", |it| cluster(it).prefix = "a:b".into()),
        ("cluster.prefix", "章", |it| cluster(it).prefix = "章".into()),
        ("cluster.prefix", LONG, |it| cluster(it).prefix = LONG.into()),
        ("cluster.name", "", |it| cluster(it).name = Some(String::new())),
        ("cluster.name", LONG, |it| cluster(it).name = Some(LONG.into())),
        ("cluster.heartbeat", "0s", |it| cluster(it).heartbeat = Duration::ZERO),
        ("cluster.heartbeat", "4s", |it| cluster(it).heartbeat = Duration::from_secs(4)),
        ("cluster.heartbeat", "11y", |it| cluster(it).heartbeat = AGE),
        ("cluster.node_timeout", "0s", |it| cluster(it).node_timeout = Duration::ZERO),
        ("cluster.node_timeout", "5s", |it| cluster(it).node_timeout = Duration::from_secs(5)),
        ("cluster.node_timeout", "11y", |it| cluster(it).node_timeout = AGE),
        ("cluster.message", "0", |it| cluster(it).message = 0),
        ("cluster.message", "257MiB", |it| cluster(it).message = 257 << 20),
        ("cluster.message", "17MiB", |it| cluster(it).message = 17 << 20),
        ("cluster.queue", "0", |it| cluster(it).queue = 0),
        ("cluster.queue", "1023KiB", |it| cluster(it).queue = 1023 << 10),
    ];

    /// The section of a configuration, with its defaults if there is none.
    fn cluster(config: &mut Config) -> &mut Cluster {
        config.cluster.get_or_insert_default()
    }

    /// 257 bytes, more than any name may have.
    const LONG: &str = match std::str::from_utf8(&[b'n'; 257]) {
        Ok(text) => text,
        Err(_) => "",
    };

    const AGE: Duration = Duration::from_secs(11 * 366 * 24 * 60 * 60);

    /// Settings for which every number is valid: a port, and rooms, which may be zero.
    const FREE: &[&str] = &["port", "limits.rooms"];

    fn in_file(key: &str, text: &str) -> String {
        let value = text.parse().map_or_else(|_| format!("{text:?}"), |number: u64| number.to_string());
        match key.split_once('.') {
            Some((section @ ("drain" | "cluster"), key) | (section @ "compression", key @ "memory")) => {
                format!("[{section}]\n{key} = {value}")
            }
            _ => format!("[[servers]]\n{key} = {value}"),
        }
    }

    fn in_environment(key: &str, text: &str) -> Result<Config, ConfigError> {
        let is_section =
            key.starts_with("drain.") || key.starts_with("cluster.") || key == "compression.memory";
        let server = if is_section { "" } else { "SERVERS__WS__" };
        let variable = format!("WS__{server}{}", key.to_uppercase().replace('.', "__"));
        Config::default().with_variables([(OsString::from(variable), OsString::from(text))].into_iter())
    }

    #[test]
    fn a_value_that_breaks_is_refused_wherever_it_is_written() {
        for (key, text, in_code) in BROKEN {
            let of_file = Config::from_toml_str(&in_file(key, text), "ws.toml").unwrap_err();
            let of_environment = in_environment(key, text).unwrap_err();
            let mut config = Config::default();
            in_code(&mut config);
            let of_code = config.check().unwrap_err();
            let last = key.rsplit('.').next().unwrap();
            for told in [of_file.to_string(), of_environment.to_string().to_lowercase(), of_code] {
                assert!(told.contains(last), "{key} = {text}: {told}");
            }
        }
    }

    #[test]
    fn what_was_not_read_is_named_and_what_was_read_is_not() {
        let variables = || {
            let names = ["WS__DRAIN__TIMEOUT", "HOME", "WS__SERVERS__WS__PORT", "WS_OTHER"];
            names.into_iter().map(|name| (OsString::from(name), OsString::from("1s")))
        };
        let read =
            || [("WS__DRAIN__TIMEOUT", "1s")].into_iter().map(|(name, text)| (name.into(), text.into()));
        let of_text = || Config::from_toml_str("", "ws.toml").unwrap();
        let names = || vec!["WS__DRAIN__TIMEOUT".to_owned(), "WS__SERVERS__WS__PORT".to_owned()];
        let cases = [
            ("by code", Config::default(), names(), true),
            ("from a file", of_text(), names(), false),
            ("with the environment", Config::default().with_variables(read()).unwrap(), vec![], true),
            ("from both", of_text().with_variables(read()).unwrap(), vec![], false),
        ];
        for (name, config, variables_left, file) in cases {
            let unread = config.unread(variables(), true);
            assert_eq!(unread, Unread { variables: variables_left, file }, "{name}");
            assert!(!config.unread(variables(), false).file, "{name}: the file does not exist");
        }
        assert_eq!(Config::default().with_variables([].into_iter()).unwrap(), Config::default());
    }

    /// The names of all counts, sizes and times.
    fn numbers(within: &str, value: &serde_json::Value) -> Vec<String> {
        let serde_json::Value::Object(map) = value else { return vec![within.to_owned()] };
        let words = [
            "kind",
            "host",
            "mode",
            "tls",
            "origin",
            "proxy",
            "over_rate",
            "overflow",
            "trailing_slash",
            "url",
            "start",
            "on_gap",
        ];
        let numbers_in = |(key, value): (&String, &serde_json::Value)| {
            let key = if within.is_empty() { key.clone() } else { format!("{within}.{key}") };
            numbers(&key, value)
        };
        map.iter().filter(|(key, _)| !words.contains(&key.as_str())).flat_map(numbers_in).collect()
    }

    #[test]
    fn no_setting_is_forgotten() {
        let config = Config::default();
        let of_servers = numbers("", &serde_json::to_value(&config.servers[0]).unwrap());
        let of_drain = numbers("drain", &serde_json::to_value(&config.drain).unwrap());
        let of_cluster = numbers("cluster", &serde_json::to_value(Cluster::default()).unwrap());
        let of_compression = numbers("compression", &serde_json::to_value(&config.compression).unwrap());
        for key in of_servers.iter().chain(&of_drain).chain(&of_cluster).chain(&of_compression) {
            let is_known = FREE.contains(&&**key) || BROKEN.iter().any(|(broken, ..)| broken == key);
            assert!(is_known, "which value of `{key}` would break?");
        }
    }

    #[test]
    fn a_password_in_a_line_with_a_mistake_is_not_printed() {
        for line in [
            "url = redis://user:hunter2@host",
            "url = \"redis://user:hunter2@host",
            "url = \"redis://user:hun\"hunter2@host\"",
            "url = 'redis://user:hunter2@host' 1",
            "uri = \"redis://user:hunter2@host\"",
            "url = [\"redis://user:hunter2@host\"]",
        ] {
            let error = Config::from_toml_str(&format!("[cluster]\n{line}\n"), "ws.toml").unwrap_err();
            for told in [error.to_string(), format!("{error:?}")] {
                assert!(told.contains("ws.toml") && !told.contains("hunter2"), "{line}: {told}");
            }
        }
        let config = Config::from_toml_str("[cluster]\nurl = \"redis://:hunter2@host\"", "ws.toml").unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}

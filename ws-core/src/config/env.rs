//! Environment variables such as `WS__SERVERS__WS__PORT=9502`, which override a configuration.
//!
//! Every field has its type once, in `config`. A variable is inserted at its path into the TOML
//! form of the configuration, and the result is parsed again. Names and values thus have the same
//! rules as in the file.

use std::ffi::OsString;

use toml::{Table, Value};

use super::{Config, ConfigError};

const PREFIX: &str = "WS__";

pub(super) fn apply(
    mut config: Config,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Config, ConfigError> {
    // Sorted, so that the result does not depend on the order of the variables.
    let mut ours: Vec<(String, String)> = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    ours.sort();
    for (variable, text) in ours {
        config = set(&config, &variable, &text).map_err(|message| ConfigError::Env { variable, message })?;
    }
    Ok(config)
}

/// Returns the names of the variables that begin with `WS__`, sorted.
pub(super) fn names(variables: impl Iterator<Item = (OsString, OsString)>) -> Vec<String> {
    let names = variables.filter_map(|(name, _)| name.into_string().ok());
    let mut ours: Vec<String> = names.filter(|name| name.starts_with(PREFIX)).collect();
    ours.sort();
    ours
}

/// Returns the configuration with one variable applied.
fn set(config: &Config, variable: &str, text: &str) -> Result<Config, String> {
    let value = value(text);
    set_value(config, variable, &value).or_else(|error| match value {
        Value::String(_) => Err(error),
        // A name or a prefix may look like a number.
        _ => set_value(config, variable, &Value::String(text.to_owned())).map_err(|_| error),
    })
}

fn set_value(config: &Config, variable: &str, value: &Value) -> Result<Config, String> {
    let mut table = Table::try_from(config).map_err(|error| error.to_string())?;
    let path = variable.strip_prefix(PREFIX).unwrap_or(variable);
    let path: Vec<String> = path.split("__").map(str::to_lowercase).collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let (parent, keys) = match path.as_slice() {
        ["servers", name, keys @ ..] if !keys.is_empty() => (server(&mut table, name)?, keys),
        keys => (&mut table, keys),
    };
    put(parent, keys, value.clone());
    table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())
}

/// Returns the server whose name, as written in an environment variable, is `wanted`.
fn server<'t>(table: &'t mut Table, wanted: &str) -> Result<&'t mut Table, String> {
    let servers = table.get_mut("servers").and_then(Value::as_array_mut).ok_or("no server is configured")?;
    let names: Vec<String> = servers
        .iter()
        .filter_map(|server| server.get("name").and_then(Value::as_str))
        .map(str::to_owned)
        .collect();
    let position = names
        .iter()
        .position(|name| {
            name.to_lowercase().replace(|sign: char| !sign.is_ascii_alphanumeric(), "_") == wanted
        })
        .ok_or_else(|| format!("no server is named `{wanted}`; there are `{}`", names.join("`, `")))?;
    servers.get_mut(position).and_then(Value::as_table_mut).ok_or_else(|| "not a table".to_owned())
}

/// Inserts a value at a path. The path is checked when the table is parsed again.
fn put(table: &mut Table, path: &[&str], value: Value) {
    match path {
        [] => {}
        [key] => {
            table.insert((*key).to_owned(), value);
        }
        [key, rest @ ..] => {
            let child = table.entry(*key).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(child) = child {
                put(child, rest, value);
            } else {
                *child = Value::Table(Table::new());
                if let Value::Table(child) = child {
                    put(child, rest, value);
                }
            }
        }
    }
}

/// Converts a text: a whole number or a boolean becomes such a value, anything else a string.
fn value(text: &str) -> Value {
    if let Ok(number) = text.parse() {
        return Value::Integer(number);
    }
    match text {
        "true" => Value::Boolean(true),
        "false" => Value::Boolean(false),
        text => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{BrokerKind, Cluster};

    fn with(variables: &[(&str, &str)]) -> Result<Config, String> {
        let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        apply(Config::default(), variables).map_err(|error| error.to_string())
    }

    #[test]
    fn a_variable_sets_what_the_file_would_set() {
        let config = with(&[
            ("WS__SERVERS__WS__PORT", "0"),
            ("WS__SERVERS__WS__HOST", "0.0.0.0"),
            ("WS__SERVERS__WS__LIMITS__MESSAGE", "64KiB"),
            ("WS__SERVERS__WS__LIMITS__FRAME", "4096"),
            ("WS__SERVERS__WS__HEARTBEAT__INTERVAL", "off"),
            ("WS__DRAIN__TIMEOUT", "2m"),
            ("WS__CLUSTER__PREFIX", "2026"),
            ("WS__CLUSTER__NAME", "7"),
            ("WS__SERVERS__WS__ORIGIN__POLICY", "listed"),
            ("WS__SERVERS__WS__ORIGIN__ALLOW", "https://a.example, http://localhost:*"),
            ("UNRELATED", "x"),
        ])
        .unwrap();
        let server = &config.servers[0];
        assert_eq!((server.port, &*server.host), (0, "0.0.0.0"));
        assert_eq!((server.limits.message, server.limits.frame), (65_536, Some(4096)));
        assert_eq!(server.heartbeat.interval, None);
        assert_eq!(config.drain.timeout, Duration::from_secs(120));
        let cluster = config.cluster.unwrap();
        assert_eq!((&*cluster.prefix, cluster.name.as_deref()), ("2026", Some("7")));
        let allow: Vec<String> = server.origin.allow.iter().map(ToString::to_string).collect();
        assert_eq!(allow, ["https://a.example", "http://localhost:*"]);
    }

    #[cfg(feature = "deflate")]
    #[test]
    fn a_variable_sets_each_key_of_the_compression() {
        let config = with(&[
            ("WS__COMPRESSION__MEMORY", "1MiB"),
            ("WS__SERVERS__WS__COMPRESSION__MODE", "window"),
            ("WS__SERVERS__WS__COMPRESSION__THRESHOLD", "256"),
            ("WS__SERVERS__WS__COMPRESSION__LEVEL", "6"),
            ("WS__SERVERS__WS__COMPRESSION__WINDOW", "8KiB"),
        ])
        .unwrap();
        assert_eq!(config.compression.memory, 1 << 20);
        let mut expected = crate::config::Compression::window();
        (expected.threshold, expected.level, expected.window) = (Some(256), 6, 8 << 10);
        assert_eq!(config.servers[0].compression, expected);
        let error = with(&[("WS__SERVERS__WS__COMPRESSION__MODE", "fast")]).unwrap_err();
        assert!(error.contains("expected one of `off`, `per_message`, `window`"), "{error}");
    }

    #[test]
    fn a_wrong_variable_names_itself_and_what_is_accepted() {
        let cases = [
            ("WS__SERVERS__ADMIN__PORT", "1", "no server is named `admin`; there are `ws`"),
            ("WS__SERVERS__WS__PRT", "1", "unknown field `prt`, expected one of `name`, `kind`"),
            ("WS__SERVERS__WS__PORT", "70000", "expected u16"),
            ("WS__SERVERS__WS__KIND", "udp", "expected `websocket` or `http`"),
            ("WS__SERVERS__WS__LIMITS__MESSAGE", "many", "expected a size of at least one byte"),
            ("WS__DRAIN__TIMEOUT", "soon", "expected a time with its unit"),
            ("WS__DRAINS", "1", "unknown field `drains`, expected one of `servers`, `drain`, `cluster`"),
            (
                "WS__WS__DRAIN__BATCH",
                "1",
                "unknown field `ws`, expected one of `servers`, `drain`, `cluster`",
            ),
        ];
        for (variable, value, expected) in cases {
            let error = with(&[(variable, value)]).unwrap_err();
            assert!(error.contains(variable) && error.contains(expected), "{variable}: {error}");
        }
    }

    #[test]
    fn a_variable_creates_the_section_of_the_cluster() {
        let config = with(&[
            ("WS__CLUSTER__KIND", "redis"),
            ("WS__CLUSTER__URL", "rediss://:hunter2@host:1"),
            ("WS__CLUSTER__NODE_TIMEOUT", "30s"),
            ("WS__CLUSTER__TLS__CA", "ca.pem"),
        ])
        .unwrap();
        let mut expected = Cluster::new(BrokerKind::Redis, "rediss://:hunter2@host:1");
        expected.node_timeout = Duration::from_secs(30);
        expected.tls.ca = Some("ca.pem".into());
        assert_eq!(config.cluster, Some(expected));
        assert_eq!(with(&[("WS__CLUSTER__KIND", "redis")]).unwrap().cluster, Some(Cluster::default()));
        let error = with(&[("WS__CLUSTER__KIND", "kafka")]).unwrap_err();
        assert!(error.contains("WS__CLUSTER__KIND") && error.contains("`redis`"), "{error}");
        let error = with(&[("WS__CLUSTER__URI", "redis://:hunter2@host")]).unwrap_err();
        assert!(error.contains("WS__CLUSTER__URI") && !error.contains("hunter2"), "{error}");
    }
}

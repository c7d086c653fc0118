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
    let is_section = key.starts_with("drain.") || key.starts_with("cluster.") || key == "compression.memory";
    let server = if is_section { "" } else { "SERVERS__WS__" };
    let variable = format!("WS__{server}{}", key.to_uppercase().replace('.', "__"));
    Config::default().with_variables([(OsString::from(variable), OsString::from(text))].into_iter())
}

#[test]
fn an_invalid_value_is_refused_wherever_it_is_written() {
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
fn only_sources_that_were_not_read_are_named() {
    let variables = || {
        let names = ["WS__DRAIN__TIMEOUT", "HOME", "WS__SERVERS__WS__PORT", "WS_OTHER"];
        names.into_iter().map(|name| (OsString::from(name), OsString::from("1s")))
    };
    let read = || [("WS__DRAIN__TIMEOUT", "1s")].into_iter().map(|(name, text)| (name.into(), text.into()));
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
        assert!(is_known, "`{key}` is missing in the list of invalid values");
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

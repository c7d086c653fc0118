//! The configuration: its defaults, and the errors for invalid files.

use std::time::Duration;

use ws_core::{
    App, Config, Connection, Controller, Message, Result,
    config::{Cluster, ConfigError, OverRate, Overflow},
};

use crate::{
    process::{ON_ANY_PORT, Process},
    support::{config, next_text, send, start_with},
};

const SECOND: Duration = Duration::from_secs(1);

/// Checks that the configuration is refused, with all of these parts in the error.
fn check(name: &str, toml: &str, parts: &[&str]) {
    let error = Config::from_toml_str(toml, "conf/ws.toml").unwrap_err();
    assert!(matches!(error, ConfigError::Toml { .. }), "{name}: {error:?}");
    let text = error.to_string();
    assert!(text.starts_with("conf/ws.toml: "), "{name}: names the file: {text}");
    for part in parts {
        assert!(text.contains(part), "{name}: {part:?} in: {text}");
    }
}

#[test]
fn p27_a_wrong_key_or_value_names_the_file_the_line_and_what_is_accepted() {
    let server = "[[servers]]\nname = \"ws\"\n";
    let limits = format!("{server}[servers.limits]\n");
    let compression = format!("{server}[servers.compression]\n");
    let cases = [
        (
            "key of a server",
            format!("{server}prt = 1"),
            ["line 3", "prt = 1", "unknown field `prt`", "`port`"],
        ),
        (
            "key at the top",
            "drains = 1".into(),
            ["line 1", "drains = 1", "unknown field `drains`", "`drain`"],
        ),
        (
            "key of a table",
            format!("{limits}messages = 1"),
            ["line 4", "messages", "unknown field", "`message`"],
        ),
        (
            "kind",
            format!("{server}kind = \"udp\""),
            ["line 3", "udp", "unknown variant", "`websocket` or `http`"],
        ),
        ("port", format!("{server}port = 70000"), ["line 3", "70000", "invalid value", "u16"]),
        ("type", format!("{server}port = \"9502\""), ["line 3", "9502", "invalid type: string", "u16"]),
        (
            "size",
            format!("{limits}message = \"64 Kilo\""),
            ["line 4", "64 Kilo", "a size of at least one byte", "\"64KiB\""],
        ),
        (
            "count",
            format!("{limits}connections_per_ip = 0"),
            [
                "line 4",
                "connections_per_ip = 0",
                "invalid value: integer `0`",
                "a whole number of at least 1",
            ],
        ),
        (
            "no fragments",
            format!("{limits}fragments = 0"),
            ["line 4", "fragments = 0", "invalid value: integer `0`", "a whole number of at least 1"],
        ),
        (
            "no rate",
            format!("{limits}messages_per_second = 0"),
            ["line 4", "messages_per_second = 0", "a whole number of at least 1", "or \"off\""],
        ),
        (
            "no burst",
            format!("{limits}message_burst = 0"),
            ["line 4", "message_burst = 0", "a whole number of at least 1", "or \"off\""],
        ),
        (
            "rate",
            format!("{limits}messages_per_second = \"fast\""),
            ["line 4", "fast", "a whole number of at least 1", "or \"off\""],
        ),
        (
            "over the rate",
            format!("{limits}over_rate = \"ignore\""),
            ["line 4", "ignore", "unknown variant", "`close` or `refuse`"],
        ),
        (
            "idleness",
            format!("{server}[servers.heartbeat]\nidle = 60"),
            ["line 4", "idle = 60", "a time with its unit", "or \"off\""],
        ),
        (
            "network",
            format!("{server}[servers.proxy]\ntrusted = [\"10.0.0.0/33\"]"),
            ["line 4", "`10.0.0.0/33`", "an address or a network", "\"10.0.0.0/8\""],
        ),
        (
            "proxy's header",
            format!("{server}[servers.proxy]\nheader = \"x-real-ip\""),
            ["line 4", "x-real-ip", "unknown variant", "`x-forwarded-for`"],
        ),
        (
            "proxy's protocol",
            format!("{server}[servers.proxy]\nprotocol = \"v3\""),
            ["line 4", "v3", "unknown variant", "`off` or `v1_or_v2`"],
        ),
        (
            "trusting no proxy",
            format!("{server}[servers.proxy]\nheader = \"forwarded\""),
            ["server `ws`", "`proxy.trusted` is empty", "trusted = [", "10.0.0.0/8"],
        ),
        (
            "trust without proxies",
            format!("{server}[servers.proxy]\ntrusted = [\"10.0.0.1\"]"),
            [
                "server `ws`",
                "`proxy.trusted` has no effect",
                "header = \"forwarded\"",
                "protocol = \"v1_or_v2\"",
            ],
        ),
        (
            "half a certificate",
            format!("{server}[servers.tls]\ncertificate = \"c.pem\""),
            ["server `ws`", "`tls.key` is missing", "the path", "PEM"],
        ),
        (
            "no size",
            format!("{limits}message = 0"),
            ["line 4", "message = 0", "a size of at least one byte", "4096"],
        ),
        (
            "a negative size",
            format!("{limits}frame = -1"),
            ["line 4", "frame = -1", "a size of at least one byte", "4096"],
        ),
        (
            "time",
            format!("{limits}handshake_timeout = \"10\""),
            ["line 4", "\"10\"", "a time with its unit", "\"30s\""],
        ),
        (
            "no unit",
            format!("{limits}close_timeout = 5"),
            ["line 4", "close_timeout = 5", "a time with its unit", "\"2m\""],
        ),
        (
            "no time",
            "[drain]\ntimeout = \"0s\"".into(),
            ["line 2", "\"0s\"", "a time with its unit", "\"500ms\""],
        ),
        ("no number", "[drain]\nbatch = \"all\"".into(), ["line 2", "\"all\"", "invalid type", "usize"]),
        (
            "a time that may be zero",
            "[drain]\ngrace = \"off\"".into(),
            ["line 2", "\"off\"", "a time with its unit", "\"0s\""],
        ),
        (
            "overflow",
            format!("{limits}overflow = \"wait\""),
            ["line 4", "wait", "unknown variant", "disconnect"],
        ),
        (
            "mode of compression",
            format!("{compression}mode = \"fast\""),
            ["line 4", "fast", "unknown variant", "`off`, `per_message`, `window`"],
        ),
        (
            "key of compression",
            format!("{compression}bits = 12"),
            ["line 4", "bits = 12", "unknown field `bits`", "`mode`, `threshold`, `level`, `window`"],
        ),
        (
            "threshold",
            format!("{compression}threshold = 0"),
            ["line 4", "threshold = 0", "a size of at least one byte", "\"64KiB\""],
        ),
        (
            "level as text",
            format!("{compression}level = \"fast\""),
            ["line 4", "fast", "invalid type: string", "u32"],
        ),
        (
            "negative level",
            format!("{compression}level = -1"),
            ["line 4", "level = -1", "invalid value: integer `-1`", "u32"],
        ),
        (
            "window in bits",
            format!("{compression}window = \"12 bits\""),
            ["line 4", "12 bits", "a size of at least one byte", "\"64KiB\""],
        ),
        (
            "memory of all windows",
            "[compression]\nmemory = 0".into(),
            ["line 2", "memory = 0", "a size of at least one byte", "\"64KiB\""],
        ),
        (
            "mode of the process",
            "[compression]\nmode = \"window\"".into(),
            ["line 2", "mode", "unknown field `mode`", "`memory`"],
        ),
        ("syntax", format!("{server}port 9502"), ["line 3", "port 9502", "expected", "="]),
    ];
    for (name, toml, parts) in cases {
        check(name, &toml, &parts);
    }
}

#[test]
fn contradicting_values_are_refused() {
    let two = |a: &str, b: &str| format!("[[servers]]\nname = \"{a}\"\n[[servers]]\nname = \"{b}\"\n");
    let limit = |limit: &str| format!("[[servers]]\nname = \"chat\"\n[servers.limits]\n{limit}\n");
    let compression = |key: &str| format!("[[servers]]\nname = \"chat\"\n[servers.compression]\n{key}\n");
    let cases = [
        ("twins", two("chat", "chat"), "two servers are named `chat`; names are unique"),
        ("two default names", "[[servers]]\n[[servers]]".into(), "two servers are named `ws`"),
        ("no name", two("chat", ""), "a server has no name; write `name = \"ws\"`"),
        ("connections", limit("connections = 0"), "server `chat`: `limits.connections` must be at least 1"),
        ("headers", limit("headers = 0"), "server `chat`: `limits.headers` must be at least 1"),
        (
            "outbox",
            limit("outbox_messages = 0"),
            "server `chat`: `limits.outbox_messages` must be at least 1",
        ),
        ("batch", "[drain]\nbatch = 0".into(), "`drain.batch` must be at least 1"),
        ("an age", "[drain]\ngrace = \"11y\"".into(), "`drain.grace` is longer than ten years"),
        (
            "an age of silence",
            "[[servers]]\n[servers.heartbeat]\nidle = \"500y\"".into(),
            "server `ws`: `heartbeat.idle` is longer than ten years",
        ),
        (
            "an age of a callback",
            limit("handler_timeout = \"11y\""),
            "server `chat`: `limits.handler_timeout` is longer than ten years",
        ),
        ("level", compression("level = 0"), "server `chat`: `compression.level` must be from 1 to 9"),
        ("high level", compression("level = 10"), "server `chat`: `compression.level` must be from 1 to 9"),
        (
            "window",
            compression("window = \"5000B\""),
            "server `chat`: `compression.window` must be a power of two from \"512B\" to \"32KiB\"",
        ),
        (
            "large window",
            compression("window = \"64KiB\""),
            "server `chat`: `compression.window` must be a power of two from \"512B\" to \"32KiB\"",
        ),
        ("head", limit("head = \"4KiB\""), "server `chat`: `limits.head` must be at least \"8KiB\""),
    ];
    for (name, toml, text) in cases {
        check(name, &toml, &[text]);
    }
}

#[tokio::test]
async fn the_largest_values_break_nothing() {
    struct Echo;
    impl Controller for Echo {
        async fn on_message(&self, conn: &Connection, message: Message) -> Result {
            Ok(conn.push(message)?)
        }
    }
    const AGES: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
    let mut config = config();
    let server = &mut config.servers[0];
    let limits = &mut server.limits;
    for count in [
        &mut limits.connections,
        &mut limits.pending_handshakes,
        &mut limits.fragments,
        &mut limits.head,
        &mut limits.path,
        &mut limits.query,
        &mut limits.rooms,
        &mut limits.tasks,
        &mut limits.outbox_messages,
        &mut limits.outbox_bytes,
        &mut limits.inbox_messages,
        &mut limits.inbox_bytes,
        &mut config.drain.batch,
    ] {
        *count = usize::MAX;
    }
    limits.connections_per_ip = Some(usize::MAX);
    limits.messages_per_second = Some(usize::MAX);
    limits.message_burst = Some(usize::MAX);
    limits.headers = 16_384;
    limits.message = 1 << 30;
    limits.frame = Some(1 << 30);
    (limits.handshake_timeout, limits.close_timeout, limits.handler_timeout) = (AGES, AGES, Some(AGES));
    limits.keep_alive = AGES;
    let heartbeat = &mut server.heartbeat;
    (heartbeat.interval, heartbeat.timeout, heartbeat.idle) = (Some(AGES), AGES, Some(AGES));
    (config.drain.interval, config.drain.timeout) = (AGES, AGES);
    let server = start_with(App::without_registry().controller("/", Echo), config).await;
    let mut client = server.connect("/").await;
    for text in ["one", "two"] {
        send(&mut client, text).await;
        assert_eq!(next_text(&mut client).await, text);
    }
    drop(client);
    let report = crate::support::within("shutdown", server.running.shutdown()).await;
    assert_eq!(report.cut, 0);
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = Config::default();
    assert_eq!(config.servers.len(), 1);
    let server = &config.servers[0];
    assert_eq!((&*server.name, server.kind.to_string()), ("ws", "websocket".to_owned()));
    assert_eq!((&*server.host, server.port), ("127.0.0.1", 9502));
    assert_eq!(server.limits.connections, 100_000);
    assert_eq!((server.limits.message, server.limits.frame), (1 << 20, None));
    assert_eq!(server.limits.fragments, 16_384);
    assert_eq!((server.limits.messages_per_second, server.limits.message_burst), (None, None));
    assert_eq!(server.limits.over_rate, OverRate::Close);
    assert_eq!((server.limits.head, server.limits.headers), (16 << 10, 64));
    assert_eq!((server.limits.outbox_messages, server.limits.outbox_bytes), (256, 1 << 20));
    assert_eq!(server.limits.overflow, Overflow::Disconnect);
    assert_eq!(server.limits.handshake_timeout, Duration::from_secs(10));
    assert_eq!(server.limits.close_timeout, Duration::from_secs(5));
    assert_eq!(server.limits.handler_timeout, None);
    assert_eq!(server.heartbeat.interval, Some(Duration::from_secs(25)));
    assert_eq!(server.heartbeat.timeout, Duration::from_secs(20));
    assert_eq!(server.heartbeat.idle, None);
    assert_eq!((config.drain.grace, config.drain.timeout), (Duration::ZERO, Duration::from_secs(30)));
    assert_eq!((config.drain.batch, config.drain.interval), (1000, Duration::from_millis(100)));
    assert_eq!(Config::from_toml_str("", "ws.toml").unwrap(), config, "an empty file changes nothing");
    assert_eq!(
        Config::from_toml_str("[[servers]]", "ws.toml").unwrap(),
        config,
        "an empty table changes nothing"
    );
}

#[test]
fn p1_p27_the_file_can_have_every_setting() {
    let text = r#"
        [drain]
        grace = "15s"
        batch = 50
        interval = "1s"
        timeout = "1m 30s"

        [[servers]]
        name = "http"
        kind = "http"
        host = "0.0.0.0"
        port = 9501

        [[servers]]
        name = "ws"
        kind = "websocket"
        port = 9503
        [servers.limits]
        connections = 10
        message = "64KiB"
        frame = 4096
        fragments = 100
        messages_per_second = 20
        message_burst = 50
        over_rate = "refuse"
        handshake_timeout = "500ms"
        head = "8KiB"
        headers = 32
        outbox_messages = 8
        outbox_bytes = "1MiB"
        overflow = "disconnect"
        close_timeout = "1s"
        handler_timeout = "2m"
        [servers.heartbeat]
        interval = "off"
        timeout = "3s"
        idle = "10m"
    "#;
    let config = Config::from_toml_str(text, "ws.toml").unwrap();
    assert_eq!((config.drain.grace, config.drain.timeout), (15 * SECOND, 90 * SECOND));
    assert_eq!((config.drain.batch, config.drain.interval), (50, SECOND));
    let [http, ws] = &config.servers[..] else { panic!("{config:?}") };
    assert_eq!((&*http.name, http.kind.to_string()), ("http", "http".to_owned()));
    assert_eq!((&*http.host, http.port), ("0.0.0.0", 9501));
    assert_eq!((&*ws.name, &*ws.host, ws.port), ("ws", "127.0.0.1", 9503));
    assert_eq!((ws.limits.connections, ws.limits.headers, ws.limits.outbox_messages), (10, 32, 8));
    assert_eq!((ws.limits.message, ws.limits.frame), (65_536, Some(4096)));
    assert_eq!((ws.limits.fragments, ws.limits.over_rate), (100, OverRate::Refuse));
    assert_eq!((ws.limits.messages_per_second, ws.limits.message_burst), (Some(20), Some(50)));
    assert_eq!((ws.limits.head, ws.limits.outbox_bytes), (8192, 1 << 20));
    assert_eq!(ws.limits.handshake_timeout, Duration::from_millis(500));
    assert_eq!(ws.limits.close_timeout, Duration::from_secs(1));
    assert_eq!(ws.limits.handler_timeout, Some(Duration::from_secs(120)));
    assert_eq!((ws.heartbeat.interval, ws.heartbeat.timeout), (None, Duration::from_secs(3)));
    assert_eq!(ws.heartbeat.idle, Some(Duration::from_secs(600)));
}

#[test]
fn a_file_is_read_and_a_missing_one_is_named() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join("config-that-is-there.toml");
    std::fs::write(&file, "[[servers]]\nport = 1\nprt = 2\n").unwrap();
    let error = Config::from_file(&file).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: ", file.display())) && error.contains("line 3"), "{error}");
    std::fs::write(&file, "[[servers]]\nport = 1\n").unwrap();
    assert_eq!(Config::from_file(&file).unwrap().servers[0].port, 1);

    let missing = folder.join("config-that-is-not-there.toml");
    let error = Config::from_file(&missing).unwrap_err();
    assert!(matches!(error, ConfigError::Read { .. }), "{error:?}");
    assert!(error.to_string().starts_with(&format!("{}: ", missing.display())), "{error}");
}

/// The names of all settings.
fn keys(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::Object(map) => {
            map.iter().flat_map(|(key, value)| std::iter::once(key.clone()).chain(keys(value))).collect()
        }
        serde_json::Value::Array(items) => items.iter().flat_map(keys).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_page_on_configuration_lists_every_setting_with_its_default() {
    lists_every_setting(include_str!("../../docs/configuration.md"), "[[servers]]", &Config::default());
}

#[test]
fn the_guide_to_the_cluster_lists_every_setting_with_its_default() {
    let mut config = Config::default();
    config.cluster = Some(Cluster::default());
    lists_every_setting(include_str!("../../docs/cluster.md"), "[cluster.tls]", &config);
}

/// Checks that the block of a document with this text results in this configuration, and that it
/// has all keys.
fn lists_every_setting(document: &str, text: &str, config: &Config) {
    let mut blocks = document.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let listed = blocks.find(|block| block.contains(text)).unwrap();
    assert_eq!(Config::from_toml_str(listed, "the list").unwrap(), *config);
    let keys = match &config.cluster {
        Some(cluster) => keys(&serde_json::to_value(cluster).unwrap()),
        None => keys(&serde_json::to_value(config).unwrap()),
    };
    for key in keys {
        let is_listed = [format!("{key} = "), format!("{key}]")].iter().any(|form| listed.contains(form));
        assert!(is_listed, "`{key}` is not in the list:\n{listed}");
    }
}

#[tokio::test]
async fn variables_that_are_set_and_not_read_are_named_at_start() {
    let shell = "export WS__DRAIN__TIMEOUT=hush WS__SERVERS__WS__PORT=hush;";
    let process = Process::start(ON_ANY_PORT, shell).await;
    let said = process.said.join("\n");
    for part in ["WARN", "WS__DRAIN__TIMEOUT, WS__SERVERS__WS__PORT", "`.with_env()?`"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("hush"), "{said}");

    let process = Process::start(ON_ANY_PORT, "").await;
    assert!(!process.said.join("\n").contains("not read"), "{:?}", process.said);
}

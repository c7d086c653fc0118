//! Where compression is set: for a server, for a route by hand and by its attribute.

use ws_core::{
    App, Config, Controller, Route,
    app::Problem,
    config::{Compression, CompressionMode},
    ws_controller,
};

use super::{OFFER, offer, per_message, serve};
use crate::support::{config, registry_config, start_with};

#[ws_controller(
    path = "/by-message",
    server = "compressed",
    compression(mode = "per_message", threshold = "256B")
)]
struct ByMessage;

impl Controller for ByMessage {}

#[ws_controller(
    path = "/with-a-window",
    server = "compressed",
    compression(mode = "window", level = 9, window = "512B")
)]
struct WithWindow;

impl Controller for WithWindow {}

#[ws_controller(path = "/uncompressed", server = "compressed", compression(mode = "off"))]
struct Uncompressed;

impl Controller for Uncompressed {}

#[ws_controller(path = "/as-the-server", server = "compressed")]
struct AsTheServer;

impl Controller for AsTheServer {}

const BY_MESSAGE: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

#[tokio::test]
async fn an_attribute_changes_the_compression_of_its_server() {
    for (of_server, as_the_server) in [(Compression::default(), None), (per_message(), Some(BY_MESSAGE))] {
        let mut config = registry_config();
        for server in &mut config.servers {
            server.compression = of_server.clone();
        }
        let mut server = start_with(crate::registry::app(), config).await;
        server.addr = server.running.local_addr("compressed").unwrap();
        for (path, expected) in [
            ("/by-message", Some(BY_MESSAGE)),
            (
                "/with-a-window",
                Some("permessage-deflate; server_max_window_bits=9; client_max_window_bits=9"),
            ),
            ("/uncompressed", None),
            ("/as-the-server", as_the_server),
        ] {
            assert_eq!(offer(&server, path, OFFER).await.1.as_deref(), expected, "{path}");
        }
    }
}

#[tokio::test]
async fn a_route_by_hand_changes_it_as_well_and_the_last_change_counts() {
    let app = App::without_registry()
        .route(Route::new("/on", ByMessage).compression(|it| *it = Compression::window()))
        .route(
            Route::new("/off", ByMessage)
                .compression(|it| it.window = 512)
                .compression(|it| it.mode = CompressionMode::Off),
        );
    let server = serve(app, per_message()).await;
    assert!(offer(&server, "/on", OFFER).await.1.unwrap().contains("server_max_window_bits=12"));
    assert_eq!(offer(&server, "/off", OFFER).await.1, None);
}

#[tokio::test]
async fn a_route_with_faulty_settings_keeps_the_application_from_starting() {
    for (change, text) in [
        ((|it| it.level = 10) as fn(&mut Compression), "`compression.level` must be from 1 to 9"),
        (|it| it.level = 0, "`compression.level` must be from 1 to 9"),
        (|it| it.window = 1000, "`compression.window` must be a power of two from \"512B\" to \"32KiB\""),
        (|it| it.window = 256, "`compression.window` must be a power of two from \"512B\" to \"32KiB\""),
        (|it| it.window = 0, "`compression.window` must be a power of two from \"512B\" to \"32KiB\""),
        (|it| it.window = 64 << 10, "`compression.window` must be a power of two from \"512B\" to \"32KiB\""),
    ] {
        let route = Route::new("/", ByMessage).compression(change);
        let location = format!("{}:{}", file!(), line!() - 1);
        let Err(error) = App::without_registry().route(route).config(config()).start().await else {
            panic!("it starts: {text}")
        };
        let [problem @ Problem::Compression { .. }] = error.problems() else { panic!("{error}") };
        assert_eq!(
            problem.to_string(),
            format!("the compression of ByMessage at {location} does not work: {text}")
        );
    }
}

#[test]
fn every_key_is_read_from_the_file() {
    let text = r#"
        [compression]
        memory = "16MiB"

        [[servers]]
        name = "ws"
        [servers.compression]
        mode = "window"
        threshold = "128B"
        level = 6
        window = "16KiB"

        [[servers]]
        name = "second"
        [servers.compression]
        mode = "per_message"
        threshold = 4096
    "#;
    let config = Config::from_toml_str(text, "ws.toml").unwrap();
    assert_eq!(config.compression.memory, 16 << 20);
    let [first, second] = &config.servers[..] else { panic!("{config:?}") };
    let first = &first.compression;
    assert_eq!(
        (first.mode, first.threshold, first.level, first.window),
        (CompressionMode::Window, Some(128), 6, 16 << 10)
    );
    let second = &second.compression;
    assert_eq!((second.mode, second.threshold()), (CompressionMode::PerMessage, 4096));
    assert_eq!((second.level, second.window), (1, 4 << 10));
    let defaults = Config::default();
    assert_eq!(defaults.compression.memory, 64 << 20);
    assert_eq!(defaults.servers[0].compression, Compression::default());
    assert_eq!(Compression::default().mode, CompressionMode::Off);
    assert_eq!([Compression::per_message(), Compression::window()].map(|it| it.threshold()), [1024, 64]);
}

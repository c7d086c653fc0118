//! Paths that end with `/`: by attribute and by hand, exact or either.

use ws_core::{
    App, Config, Connection, Controller, Result, Route, StartError,
    config::{ServerConfig, ServerKind, TrailingSlash},
    testing::TestApp,
    ws_controller,
};

use crate::{registry::app as annotated, support::registry_config};

/// Sends the route and its parameters.
struct Tell;

impl Controller for Tell {
    async fn on_open(&self, conn: &Connection) -> Result {
        let params: Vec<_> = conn.handshake().path_params().map(|(_, value)| value).collect();
        Ok(conn.push(format!("{} {}", conn.route(), params.join(",")).trim_end())?)
    }
}

#[ws_controller(path = "/slash/exact/", server = "slash")]
struct Exact;

impl Controller for Exact {}

#[ws_controller(path = "/slash/either/", server = "slash", trailing_slash = "either")]
struct Either;

impl Controller for Either {}

/// Checks the text at each path; `None` if no route has it.
async fn check(app: &TestApp, cases: &[(&str, Option<&str>)]) {
    for (path, expected) in cases {
        match expected {
            None => drop(app.connect(*path).expect_status(404).await),
            Some(expected) => {
                let mut client = app.connect(*path).await.unwrap_or_else(|error| panic!("{path}: {error}"));
                assert_eq!(client.next_text().await.unwrap(), *expected, "{path}");
            }
        }
    }
}

fn either() -> Config {
    Config::from_toml_str("[[servers]]\ntrailing_slash = \"either\"", "ws.toml").unwrap()
}

#[tokio::test]
async fn a_path_that_ends_with_a_slash_is_another_path_by_default() {
    let app = App::without_registry()
        .controller("/", Tell)
        .controller("/a", Tell)
        .controller("/a/", Tell)
        .controller("/ws/chat/", Tell)
        .controller("/rooms/{room}/", Tell);
    let app = TestApp::start(app).await;
    let cases = [
        ("/", Some("/")),
        ("/a", Some("/a")),
        ("/a/", Some("/a/")),
        ("/a//", None),
        ("/ws/chat/", Some("/ws/chat/")),
        ("/ws/chat", None),
        ("/rooms/1/", Some("/rooms/{room}/ 1")),
        ("/rooms/1", None),
    ];
    check(&app, &cases).await;
}

#[tokio::test]
async fn either_finds_a_route_with_and_without_the_slash_at_the_end() {
    let app = App::without_registry()
        .config(either())
        .controller("/", Tell)
        .controller("/a", Tell)
        .controller("/b/", Tell)
        .controller("/rooms/{room}", Tell)
        .controller("/files/{*rest}", Tell)
        .route(Route::new("/exact", Tell).trailing_slash(TrailingSlash::Exact));
    let app = TestApp::start(app).await;
    let cases = [
        ("/", Some("/")),
        ("/a", Some("/a")),
        ("/a/", Some("/a")),
        ("/a//", None),
        ("/b", Some("/b/")),
        ("/b/", Some("/b/")),
        ("/rooms/1", Some("/rooms/{room} 1")),
        ("/rooms/1/", Some("/rooms/{room} 1")),
        ("/rooms//", None),
        ("/files/x", Some("/files/{*rest} x")),
        ("/files/x/", Some("/files/{*rest} x/")),
        ("/files/", None),
        ("/exact", Some("/exact")),
        ("/exact/", None),
    ];
    check(&app, &cases).await;
}

#[tokio::test]
async fn one_route_may_be_either_on_a_server_that_is_exact() {
    let route = Route::new("/a", Tell).trailing_slash(TrailingSlash::Either);
    let app = TestApp::start(App::without_registry().route(route).controller("/b", Tell)).await;
    check(&app, &[("/a", Some("/a")), ("/a/", Some("/a")), ("/b", Some("/b")), ("/b/", None)]).await;
}

#[tokio::test]
async fn the_attribute_accepts_a_trailing_slash_and_its_meaning() {
    let app = TestApp::start(annotated().config(registry_config())).await;
    for (path, expected) in
        [("/slash/exact/", 101), ("/slash/exact", 404), ("/slash/either/", 101), ("/slash/either", 101)]
    {
        match (app.connect_to("slash", path), expected) {
            (client, 101) => drop(client.await.unwrap()),
            (client, status) => drop(client.expect_status(status).await),
        }
    }
}

#[tokio::test]
async fn two_spellings_of_one_path_are_a_start_error_that_names_both() {
    let error = async |app: App| -> String {
        let error: StartError = TestApp::try_start(app).await.err().unwrap();
        assert_eq!(error.problems().len(), 1, "{error}");
        error.to_string()
    };
    let app = || App::without_registry().config(either());
    let because = "because of `trailing_slash = \"either\"`";
    for (first, second) in [("/a", "/a/"), ("/{a}", "/{b}/"), ("/x/{a}", "/x/{a}/")] {
        for (first, second) in [(first, second), (second, first)] {
            let text = error(app().controller(first, Tell).controller(second, Tell)).await;
            for part in [&format!("`{first}` of Tell"), &format!("`{second}` of Tell"), because] {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
    }
    let one = Route::new("/a/", Tell).trailing_slash(TrailingSlash::Either);
    let text = error(App::without_registry().route(one).controller("/a", Tell)).await;
    assert!(
        text.contains("`/a/` of Tell") && text.contains("`/a` of Tell") && text.contains(because),
        "{text}"
    );

    let same = error(app().controller("/a", Tell).controller("/a", Tell)).await;
    assert!(!same.contains(because), "they are equal anyway: {same}");
    let exact = app().controller("/a", Tell);
    let exact = exact.route(Route::new("/a/", Tell).server("other"));
    let mut config = either();
    config.servers.push(ServerConfig::new("other", ServerKind::WebSocket, 0));
    TestApp::start(exact.config(config)).await;
}

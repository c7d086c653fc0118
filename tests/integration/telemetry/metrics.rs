//! The pages of `App::ops`. The recorder is global to the process, so each test has a route of its
//! own.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;
use ws_core::{Route, prelude::*, testing::TestApp};

use super::eventually;
use crate::support::{Echo, config};

struct Metered;

#[ws_handlers]
impl Metered {
    #[on_event("say")]
    async fn say(&self, conn: &Connection, Data(text): Data<String>) -> Result<Data<usize>> {
        conn.join(&text)?;
        if text == "fail" { Err(Error::new("failed")) } else { Ok(Data(text.len())) }
    }
    #[on_event("ask")]
    async fn ask(&self, conn: &Connection) -> Data<bool> {
        Data(conn.ask_event::<bool>("sure?", &()).timeout(Duration::from_secs(1)).await.is_ok())
    }
}

/// The samples whose labels contain this text: the name and the sorted labels, and the value.
async fn samples(app: &TestApp, with: &str) -> BTreeMap<String, f64> {
    let response = app.http("ops").get("/metrics").send().await.unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = response.text();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#') && line.contains(with));
    let parsed = lines.map(|line| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let mut labels: Vec<_> = labels.trim_end_matches('}').split("\",").collect();
        labels.iter_mut().for_each(|label| *label = label.trim_end_matches('"'));
        labels.sort_unstable();
        (format!("{name} {}", labels.join(" ").replace('"', "")), value.parse().unwrap())
    });
    parsed.collect()
}

#[tokio::test(start_paused = true)]
async fn every_metric_has_its_labels_and_value() {
    let app = App::without_registry().route(Route::new("/metered/{id}", Metered).name("Metered")).ops("ops");
    let app = TestApp::start(app).await;
    let mut client = app.connect("/metered/1").await.unwrap();
    for (event, data) in [("say", "one"), ("say", "fail"), ("not declared", ""), ("say", "two")] {
        client.send_json(&json!({"event": event, "data": data, "ref": 1})).await;
        client.next().await.unwrap();
    }
    client.send_json(&json!({"event": "ask", "ref": 1})).await;
    client.next().await.unwrap();
    client.next().await.unwrap();
    app.connect("/metered/2").await.unwrap().close(1000, "").await;
    eventually("it has ended", || app.running().stats().servers[0].routes[0].connections == 1).await;
    let all = samples(&app, "/metered/{id}").await;
    for (series, value) in [
        ("ws_connections route=R server=ws", 1.),
        ("ws_handshakes_total route=R server=ws status=101", 2.),
        ("ws_handshake_duration_seconds_count route=R server=ws status=101", 2.),
        ("ws_handshake_duration_seconds_bucket le=10 route=R server=ws status=101", 2.),
        ("ws_closed_total cause=peer close_code=1000 route=R server=ws", 1.),
        ("ws_connection_duration_seconds_count route=R server=ws", 1.),
        ("ws_connection_duration_seconds_bucket le=86400 route=R server=ws", 1.),
        ("ws_messages_total direction=in kind=text route=R server=ws", 5.),
        ("ws_messages_total direction=out kind=text route=R server=ws", 6.),
        ("ws_messages_total direction=in kind=binary route=R server=ws", 0.),
        ("ws_events_total event=say outcome=ok route=R", 2.),
        ("ws_events_total event=say outcome=error route=R", 1.),
        ("ws_events_total event=say outcome=panic route=R", 0.),
        ("ws_events_total event=unknown outcome=error route=R", 1.),
        ("ws_event_errors_total code=internal event=say route=R", 1.),
        ("ws_event_errors_total code=unknown_event event=unknown route=R", 1.),
        ("ws_event_duration_seconds_count event=say route=R", 1.),
        ("ws_event_duration_seconds_bucket event=say le=0.0001 route=R", 1.),
        ("ws_asks_total event=unknown outcome=timeout route=R", 1.),
        ("ws_outbox_full_total policy=disconnect route=R server=ws", 0.),
        ("ws_rate_limited_total route=R server=ws", 0.),
        ("ws_heartbeat_lost_total route=R server=ws", 0.),
    ] {
        let series = series.replace("route=R", "route=/metered/{id}");
        assert_eq!(all.get(&series), Some(&value), "{series} in {all:#?}");
    }
    assert!(all["ws_message_bytes_total direction=in kind=text route=/metered/{id} server=ws"] > 100.);
    let rooms = samples(&app, "controller=\"Metered\"").await;
    assert_eq!(rooms["ws_rooms controller=Metered"], 3.);
    assert_eq!(rooms["ws_room_joins_total controller=Metered"], 3.);
    let of_process = samples(&app, "").await;
    assert!(of_process.contains_key("ws_ready ") && of_process.contains_key("ws_draining "));
    let unmatched = samples(&app, "unmatched").await;
    assert!(unmatched.keys().all(|series| series.contains("route=unmatched server=")), "{unmatched:#?}");
}

#[tokio::test(start_paused = true)]
async fn one_of_sixteen_events_of_a_connection_is_measured() {
    let app = App::without_registry().route(Route::new("/sampled", Metered)).ops("ops");
    let app = TestApp::start(app).await;
    let mut client = app.connect("/sampled").await.unwrap();
    for _ in 0..33 {
        client.send_json(&json!({"event": "say", "data": "x", "ref": 1})).await;
        client.next().await.unwrap();
    }
    let all = samples(&app, "/sampled").await;
    assert_eq!(all["ws_event_duration_seconds_count event=say route=/sampled"], 3.);
    assert_eq!(all["ws_events_total event=say outcome=ok route=/sampled"], 33.);
}

#[tokio::test(start_paused = true)]
async fn the_counters_are_published_without_a_scrape() {
    let app = App::without_registry().route(Route::new("/published", Echo)).ops("ops");
    let other = TestApp::start(App::without_registry().ops("ops")).await;
    let app = TestApp::start(app).await;
    app.connect("/published").await.unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    let series = "ws_handshakes_total route=/published server=ws status=101";
    assert_eq!(samples(&other, "/published").await.get(series), Some(&1.));
}

#[tokio::test]
async fn paths_rooms_and_events_leave_the_number_of_series_unchanged() {
    let app = App::without_registry().route(Route::new("/bounded/{id}", Metered)).ops("ops");
    let app = TestApp::start(app).await;
    let mut sizes = Vec::new();
    for count in [2, 500] {
        for number in 0..count {
            let mut client = app.connect(format!("/bounded/{number}?id={number}")).await.unwrap();
            for event in ["say".to_owned(), format!("event {number}")] {
                client.send_json(&json!({"event": event, "data": number.to_string(), "ref": 1})).await;
                client.next().await.unwrap();
            }
            client.close(1000, "").await;
        }
        let ended = || app.running().stats().servers[0].routes[0].connections == 0;
        crate::support::until("all have ended", ended).await;
        sizes.push(samples(&app, "/bounded").await.len());
    }
    assert!(sizes[0] > 20 && sizes[0] == sizes[1], "{sizes:?}");
}

#[tokio::test]
async fn the_pages_answer_get_and_head_only() {
    let app = TestApp::start(App::without_registry().controller("/", Echo).ops("ops")).await;
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/", 404)] {
        assert_eq!(app.http("ops").get(path).send().await.unwrap().status, status, "{path}");
        assert_eq!(app.http("ops").post(path).send().await.unwrap().status, 405, "{path}");
    }
}

#[tokio::test]
async fn an_unknown_server_is_a_start_error_with_a_suggestion() {
    let app = App::without_registry().config(config()).controller("/", Echo).ops("admin");
    let error = app.start().await.unwrap_err();
    assert_eq!(error.problems().len(), 1, "{error}");
    let error = error.to_string();
    assert!(error.contains("telemetry/metrics.rs"), "{error}");
    assert!(error.contains("`[[servers]]` with `name = \"admin\"`, `kind = \"http\"`"), "{error}");
}

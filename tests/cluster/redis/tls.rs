//! TLS to the broker.

use std::path::Path;

use ws_core::{
    config::{Cluster, ClusterTls},
    hub::{ClusterState, Remote},
    testing::TestApp,
};

use crate::{
    brokers::{Redis, config, eventually},
    certificates::Files,
    logs::Logs,
    nodes::{app, connect, expect, hub, know_each_other},
};

/// Starts a server with TLS that accepts clients with this certificate, or any.
fn serve(server: &Files, clients: Option<&Files>) -> Option<Redis> {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (certificate, key) = (text(&server.certificate), text(&server.key));
    let ca = text(&clients.unwrap_or(server).certificate);
    let auth = if clients.is_some() { "yes" } else { "no" };
    Redis::start(&[
        "--port",
        "0",
        "--tls-port",
        "{port}",
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        auth,
    ])
}

fn settings(redis: &Redis, name: &str, ca: &Files, own: Option<&Files>) -> Cluster {
    let mut tls = ClusterTls::default();
    tls.ca = Some(ca.certificate.clone());
    tls.certificate = own.map(|own| own.certificate.clone());
    tls.key = own.map(|own| own.key.clone());
    let mut settings = redis.settings_of(&format!("rediss://127.0.0.1:{}", redis.port));
    settings.name = Some(name.to_owned());
    settings.tls = tls;
    settings
}

async fn start(settings: Cluster) -> TestApp {
    TestApp::start(app().config(config(settings))).await
}

async fn pushes_arrive(a: Cluster, b: Cluster) {
    let (a, b) = (start(a).await, start(b).await);
    for node in [&a, &b] {
        let cluster = hub(node).cluster();
        eventually("the node joins", || cluster.state() == ClusterState::Up).await;
    }
    know_each_other(&[&a, &b]).await;
    let (mut client, _) = connect(&b, "tom", "lobby").await;
    let large = "x".repeat(100_000);
    assert_eq!(hub(&a).user("tom").in_turns().push(&*large).await.remote, Remote::Accepted);
    expect(&mut client, &large).await;
}

/// Checks that a node does not join, and logs a warning with this text.
async fn is_not_joined(settings: Cluster, error: &str) {
    let logs = Logs::start();
    let node = start(settings).await;
    let logged = || logs.have(&["WARN", "no link to the other nodes", error]);
    eventually("the error is logged", || logged() || logs.have(&["no link"])).await;
    assert!(logged(), "{}", logs.text());
    assert_eq!(hub(&node).cluster().state(), ClusterState::Joining);
}

#[tokio::test]
async fn nodes_join_over_tls_with_the_certificate_of_the_server() {
    let files = Files::new();
    let Some(redis) = serve(&files, None) else { return };
    pushes_arrive(settings(&redis, "a", &files, None), settings(&redis, "b", &files, None)).await;
    let mut by_name = settings(&redis, "c", &files, None);
    by_name.url = format!("rediss://localhost:{}", redis.port).into();
    pushes_arrive(by_name, settings(&redis, "d", &files, None)).await;
}

#[tokio::test]
async fn nodes_join_over_tls_with_a_certificate_of_their_own() {
    let (files, own) = (Files::new(), Files::new());
    let Some(redis) = serve(&files, Some(&own)) else { return };
    let of = |name| settings(&redis, name, &files, Some(&own));
    pushes_arrive(of("a"), of("b")).await;
    is_not_joined(settings(&redis, "c", &files, None), "").await;
    is_not_joined(settings(&redis, "d", &files, Some(&Files::new())), "").await;
}

#[tokio::test]
async fn a_server_with_another_certificate_is_not_trusted() {
    let files = Files::new();
    let Some(redis) = serve(&files, None) else { return };
    is_not_joined(settings(&redis, "a", &Files::new(), None), "invalid peer certificate").await;
    let mut with_roots = settings(&redis, "b", &files, None);
    with_roots.tls = ClusterTls::default();
    is_not_joined(with_roots, "invalid peer certificate").await;
}

#[tokio::test]
async fn a_server_without_tls_is_an_error_that_is_logged() {
    let Some(redis) = Redis::start(&[]) else { return };
    is_not_joined(settings(&redis, "a", &Files::new(), None), "").await;
}

#[tokio::test]
async fn certificates_are_read_at_the_start() {
    let files = Files::new();
    let none = Files { certificate: "no-such-file.pem".into(), key: "no-such-file.pem".into() };
    let mixed = Files { certificate: files.certificate.clone(), key: Files::new().key };
    let mut settings = Cluster::default();
    settings.url = "rediss://localhost".into();
    for (ca, own, key) in [
        (&none, None, "cluster.tls.ca"),
        (&files, Some(&none), "cluster.tls.key"),
        (&files, Some(&mixed), "cluster.tls.certificate"),
    ] {
        settings.tls.ca = Some(ca.certificate.clone());
        settings.tls.certificate = own.map(|own| own.certificate.clone());
        settings.tls.key = own.map(|own| own.key.clone());
        let error = TestApp::try_start(app().config(config(settings.clone()))).await.unwrap_err();
        assert!(error.to_string().contains(key), "{key}: {error}");
    }
    settings.tls.certificate = None;
    let error = TestApp::try_start(app().config(config(settings.clone()))).await.unwrap_err();
    assert!(error.to_string().contains("need each other"), "{error}");
    settings.url = "redis://localhost".into();
    let error = TestApp::try_start(app().config(config(settings))).await.unwrap_err();
    assert!(error.to_string().contains("`cluster.tls` has no effect"), "{error}");
}

//! TLS to the server.

use ws_core::{
    config::{Cluster, ClusterTls},
    hub::{ClusterState, Remote},
    testing::TestApp,
};

use super::{joined, start};
use crate::{
    brokers::{Nats, config, eventually},
    certificates::Files,
    logs::Logs,
    nodes::{app, connect, expect, hub, know_each_other},
};

/// Starts a server with TLS that accepts clients with this certificate, or any.
fn serve(server: &Files, clients: Option<&Files>) -> Option<Nats> {
    let ca = clients.unwrap_or(server).certificate.display();
    let (certificate, key, verify) = (server.certificate.display(), server.key.display(), clients.is_some());
    Nats::start(&format!(
        "tls {{ cert_file: \"{certificate}\", key_file: \"{key}\", ca_file: \"{ca}\", verify: {verify} }}"
    ))
}

fn settings(nats: &Nats, name: &str, ca: &Files, own: Option<&Files>) -> Cluster {
    let mut tls = ClusterTls::default();
    tls.ca = Some(ca.certificate.clone());
    tls.certificate = own.map(|own| own.certificate.clone());
    tls.key = own.map(|own| own.key.clone());
    let mut settings = nats.settings_of(&format!("tls://127.0.0.1:{}", nats.port));
    settings.name = Some(name.to_owned());
    settings.tls = tls;
    settings
}

async fn pushes_arrive(a: Cluster, b: Cluster) {
    let (a, b) = (joined(a).await, joined(b).await);
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
    let Some(nats) = serve(&files, None) else { return };
    pushes_arrive(settings(&nats, "a", &files, None), settings(&nats, "b", &files, None)).await;
    let mut by_name = settings(&nats, "c", &files, None);
    by_name.url = format!("tls://localhost:{}", nats.port).into();
    pushes_arrive(by_name, settings(&nats, "d", &files, None)).await;
}

#[tokio::test]
async fn nodes_join_over_tls_with_a_certificate_of_their_own() {
    let (files, own) = (Files::new(), Files::new());
    let Some(nats) = serve(&files, Some(&own)) else { return };
    let of = |name| settings(&nats, name, &files, Some(&own));
    pushes_arrive(of("a"), of("b")).await;
    is_not_joined(settings(&nats, "c", &files, None), "").await;
    is_not_joined(settings(&nats, "d", &files, Some(&Files::new())), "").await;
}

#[tokio::test]
async fn a_server_with_another_certificate_is_not_trusted() {
    let files = Files::new();
    let Some(nats) = serve(&files, None) else { return };
    is_not_joined(settings(&nats, "a", &Files::new(), None), "invalid peer certificate").await;
    let mut with_roots = settings(&nats, "b", &files, None);
    with_roots.tls = ClusterTls::default();
    is_not_joined(with_roots, "invalid peer certificate").await;
}

#[tokio::test]
async fn a_server_without_tls_is_an_error_that_is_logged() {
    let Some(nats) = Nats::start("") else { return };
    is_not_joined(settings(&nats, "a", &Files::new(), None), "").await;
}

#[tokio::test]
async fn certificates_without_tls_are_a_start_error() {
    let mut settings = Cluster::new(ws_core::config::BrokerKind::Nats, "nats://localhost");
    settings.tls.ca = Some("ca.pem".into());
    let error = TestApp::try_start(app().config(config(settings))).await.unwrap_err();
    assert!(error.to_string().contains("`cluster.tls` has no effect"), "{error}");
}

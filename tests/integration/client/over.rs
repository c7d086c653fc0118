//! A connection over a stream that the test has opened.

use std::sync::Arc;

use tokio::net::UnixStream;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::{accept_hdr_async, tungstenite::handshake::server};
use ws_core::{
    Message,
    client::{Client, ConnectError},
};

use super::{certificate, echo_one, next_message, within};

#[tokio::test]
async fn a_connection_over_a_given_stream_has_the_path_and_the_host_of_its_uri() {
    let (near, far) = tokio::io::duplex(4096);
    let server = tokio::spawn(async move {
        let mut seen = String::new();
        #[allow(clippy::result_large_err)]
        let look = |request: &server::Request, response| {
            seen = format!("{} {}", request.headers()["host"].to_str().unwrap(), request.uri());
            Ok(response)
        };
        let socket = accept_hdr_async(far, look).await.unwrap();
        echo_one(socket).await;
        seen
    });
    let connecting = Client::builder("ws://nowhere.invalid:7/chat").query("a", "1").connect_over(near);
    let mut client = within("connect", connecting).await.unwrap();
    client.send("hi").await.unwrap();
    assert_eq!(next_message(&mut client).await, Message::text("hi"));
    assert_eq!(client.close(1000, "").await.unwrap().code(), 1000);
    assert_eq!(server.await.unwrap(), "nowhere.invalid:7 /chat?a=1");
}

#[tokio::test]
async fn a_unix_socket_carries_a_connection() {
    let (near, far) = UnixStream::pair().unwrap();
    tokio::spawn(async { echo_one(tokio_tungstenite::accept_async(far).await.unwrap()).await });
    let mut client = within("connect", Client::builder("ws://localhost/").connect_over(near)).await.unwrap();
    client.send("hi").await.unwrap();
    assert_eq!(next_message(&mut client).await, Message::text("hi"));
}

#[tokio::test]
async fn wss_is_tls_over_the_given_stream() {
    let (pem, tls) = certificate();
    let serve = |far| {
        let acceptor = TlsAcceptor::from(Arc::clone(&tls));
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(far).await else { return };
            echo_one(tokio_tungstenite::accept_async(stream).await.unwrap()).await;
        });
    };
    let builder = Client::builder("wss://localhost/").root_certificates_pem(pem);
    let (near, far) = tokio::io::duplex(4096);
    serve(far);
    let mut client = within("connect", builder.connect_over(near)).await.unwrap();
    client.send("hi").await.unwrap();
    assert_eq!(next_message(&mut client).await, Message::text("hi"));

    let (near, far) = tokio::io::duplex(4096);
    serve(far);
    let error = within("distrust", Client::builder("wss://localhost/").connect_over(near)).await.unwrap_err();
    assert!(matches!(error, ConnectError::Tls(_)), "{error:?}");
}

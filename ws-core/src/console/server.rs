//! The listener of the console: accepts, and lets hyper speak HTTP/1.1.
//!
//! It is not one of the application's servers: it has limits of its own, and it ends with the
//! application.

use std::{convert::Infallible, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use super::{Known, access::Token, answers::Console, cluster, feed::Feeds, model};
use crate::{
    app::Launched,
    config,
    hub::Hub,
    server::{Lifecycle, Stage},
};

/// The number of open streams. A browser opens at most six for one page.
const STREAMS: usize = 32;
/// The largest request head, in bytes.
const HEAD_BYTES: usize = 16 << 10;
/// The largest number of headers of a request.
const HEADERS: usize = 64;
/// The time for a request head.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The pause after a failed accept.
const PAUSE: Duration = Duration::from_millis(100);

/// Starts the console, and returns its address with the token. If it cannot start, a warning is
/// logged.
pub(super) async fn start(settings: config::Console, known: Known, launched: Launched) -> Option<String> {
    let config::Console { host, port, .. } = settings;
    let bound = TcpListener::bind((host, port)).await.and_then(|it| it.local_addr().map(|local| (it, local)));
    let (listener, address) = match bound {
        Ok(bound) => bound,
        Err(error) => {
            tracing::warn!(
                %host, port, %error,
                "the console cannot listen, so it does not run; another program may have its port: `[console] port = ..`"
            );
            return None;
        }
    };
    let token = match Token::new() {
        Ok(token) => token,
        Err(error) => {
            tracing::warn!(%error, "the system has no random numbers for the token, so the console does not run");
            return None;
        }
    };
    let url = format!("http://{address}/#token={}", token.as_str());
    let model = model::of(&known.contract, &launched, address.port());
    let Launched { live, lifecycle, .. } = launched;
    let (hub, changes) = (Hub::new(&live), cluster::Changes::default());
    let console = Arc::new(Console {
        token,
        port: address.port(),
        known,
        model: model.to_string().into(),
        hub: hub.clone(),
        changes: changes.clone(),
        feeds: Feeds::default(),
    });
    let stopped = lifecycle.clone();
    live.spawn(async move {
        tokio::select! {
            () = changes.follow(&hub) => {}
            () = stopped.reached(Stage::Closing) => {}
        }
    });
    live.spawn(accept(listener, console, lifecycle));
    tracing::info!(%url, "the console is ready: open this address in a browser");
    Some(url)
}

/// Accepts until the application closes.
async fn accept(listener: TcpListener, console: Arc<Console>, lifecycle: Lifecycle) {
    let places = Arc::new(Semaphore::new(STREAMS));
    let streams = async {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let (console, lifecycle) = (Arc::clone(&console), lifecycle.clone());
                    console.hub().live().clone().spawn(async move {
                        tokio::select! {
                            () = serve(stream, console) => {}
                            () = lifecycle.reached(Stage::Closing) => {}
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "the console cannot accept");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = streams => {}
        () = lifecycle.reached(Stage::Closing) => {}
    }
}

/// Answers the requests of one stream.
async fn serve(stream: TcpStream, console: Arc<Console>) {
    let service = service_fn(|request| {
        let console = Arc::clone(&console);
        async move { Ok::<_, Infallible>(console.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::trace!(%error, "a stream of the console ended");
    }
}

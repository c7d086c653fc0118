//! actix-ws in actix-web with one worker, and one middleware by `from_fn`. Its limit of 64 KiB for
//! a frame is raised.

use std::net::{Ipv4Addr, TcpListener};

use actix_web::{
    App, Error, HttpRequest, HttpResponse, HttpServer,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
    middleware::{Next, from_fn},
    rt,
    web::{self, Payload, ServiceConfig},
};
use actix_ws::{Message, MessageStream, Session};
use futures_util::StreamExt as _;

const FRAME_BYTES: usize = 2 << 20;

pub(super) fn echo() -> anyhow::Result<()> {
    serve(|config| {
        config.route(super::PATH, web::get().to(upgrade));
    })
}

pub(super) fn echo_behind_middleware() -> anyhow::Result<()> {
    serve(|config| {
        config.route(super::PATH, web::get().to(upgrade).wrap(from_fn(stamp)));
    })
}

fn serve(routes: impl Fn(&mut ServiceConfig) + Copy + Send + 'static) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    rt::System::new().block_on(async {
        let server = HttpServer::new(move || App::new().configure(routes))
            .tcp_nodelay(true)
            .disable_signals()
            .workers(1)
            .listen(listener)?
            .run();
        super::announce(address)?;
        Ok(server.await?)
    })
}

async fn upgrade(request: HttpRequest, payload: Payload) -> Result<HttpResponse, Error> {
    let (response, session, messages) = actix_ws::handle(&request, payload)?;
    rt::spawn(serve_echo(session, messages.max_frame_size(FRAME_BYTES)));
    Ok(response)
}

async fn stamp(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    let value = HeaderValue::from_static("bench");
    response.headers_mut().insert(HeaderName::from_static("x-served-by"), value);
    Ok(response)
}

async fn serve_echo(mut session: Session, mut messages: MessageStream) -> anyhow::Result<()> {
    while let Some(message) = messages.next().await {
        match message? {
            Message::Text(text) => session.text(text).await?,
            Message::Binary(bytes) => session.binary(bytes).await?,
            Message::Ping(payload) => session.pong(&payload).await?,
            Message::Close(reason) => {
                session.close(reason).await?;
                break;
            }
            _ => {}
        }
    }
    Ok(())
}

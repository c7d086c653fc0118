//! The worker model: one multi-thread runtime, compared with a runtime and a listener for every
//! core.
//!
//! The toolkit has no setting for the latter, so both are built by hand around its tower service.
//! `default_runtime` is the toolkit's own start, without that service.

use std::{
    net::{Ipv4Addr, SocketAddr},
    thread,
};

use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use socket2::{Domain, Socket, Type};
use tokio::{net::TcpListener, runtime::Builder};
use ws_core::{App, app::WsService};

use super::{SERVER, announce, config};
use crate::machine;

/// The number of connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

pub(super) fn default_runtime(server: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    Builder::new_multi_thread().worker_threads(core_count()?).enable_all().build()?.block_on(server)
}

pub(super) fn shared_runtime(app: App) -> anyhow::Result<()> {
    default_runtime(async {
        let (service, _running) = app.config(config()).into_service(SERVER).await?;
        let listener = TcpListener::from_std(listen(0)?)?;
        announce(listener.local_addr()?)?;
        accept(listener, service).await
    })
}

pub(super) fn runtime_per_core(app: App) -> anyhow::Result<()> {
    let runtime = || Builder::new_current_thread().enable_all().build();
    let first = runtime()?;
    let (service, _running) = first.block_on(app.config(config()).into_service(SERVER))?;
    let listener = listen(0)?;
    let address = listener.local_addr()?;
    for _ in 1..core_count()? {
        let (listener, runtime, service) = (listen(address.port())?, runtime()?, service.clone());
        thread::spawn(move || {
            runtime.block_on(async { accept(TcpListener::from_std(listener)?, service).await })
        });
    }
    announce(address)?;
    first.block_on(async { accept(TcpListener::from_std(listener)?, service).await })
}

/// A listener on a port that other listeners of this process may share. The system distributes
/// connections among them.
fn listen(port: u16) -> anyhow::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

async fn accept(listener: TcpListener, service: WsService) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let http = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service.clone()))
            .with_upgrades();
        // The result of a connection is ignored.
        tokio::spawn(async { drop(http.await) });
    }
}

fn core_count() -> anyhow::Result<usize> {
    Ok(machine::allowed_cores()?.len())
}

//! The runtime is shut down while connections are open: nothing hangs or panics, and remaining
//! handles report the end.

use std::{sync::mpsc, thread, time::Duration};

use ws_core::{App, Connection, Controller, Message, Result, Running, error::SendError};

use super::settle_in;
use crate::support::{Raw, config, handshake, within};

struct Settled(mpsc::Sender<Connection>);

impl Controller for Settled {
    async fn on_open(&self, conn: &Connection) -> Result {
        settle_in(conn)?;
        Ok(self.0.send(conn.clone())?)
    }

    async fn on_message(&self, _: &Connection, _: Message) -> Result {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_runtime_that_is_shut_down_takes_its_connections_with_it() {
    type End = fn(tokio::runtime::Runtime);
    let ends: [(&str, End); 3] = [
        ("shutdown_background", |runtime| runtime.shutdown_background()),
        ("shutdown_timeout", |runtime| runtime.shutdown_timeout(Duration::from_secs(10))),
        ("drop", |runtime| drop(runtime)),
    ];
    for (name, end) in ends {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (opened, connections) = mpsc::channel();
        let app = App::without_registry().config(config()).controller("/", Settled(opened));
        // A runtime can be neither started nor dropped inside another one.
        let starting = tokio::task::spawn_blocking(move || {
            let running: Running = runtime.block_on(app.start()).unwrap();
            (runtime, running)
        });
        let (runtime, running) = starting.await.unwrap();
        let addr = running.local_addr("ws").unwrap();
        // One connection is idle, one in a callback, one in its handshake.
        let mut raws = [Raw::connect(addr).await, Raw::connect(addr).await, Raw::connect(addr).await];
        for raw in &mut raws[..2] {
            assert_eq!(raw.request(&handshake("/")).await.status, 101);
        }
        raws[1].frame(0x81, b"wait").await;
        raws[2].write(b"GET / HTTP/1.1\r\n").await;
        let connections: Vec<Connection> = (0..2).map(|_| connections.recv().unwrap()).collect();
        let hub = running.hub();
        assert_eq!((hub.all().count_local(), hub.user("guest").count_local()), (2, 2), "{name}");

        // On a thread of its own: if the runtime hangs, the test must fail and not hang.
        let ended = tokio::task::spawn_blocking(move || thread::spawn(move || end(runtime)).join().is_ok());
        assert!(within(name, ended).await.unwrap(), "{name} does not panic");
        for mut raw in raws {
            // The system may reset a socket with unread input. Both outcomes end it.
            let mut rest = Vec::new();
            let _ = within(name, tokio::io::AsyncReadExt::read_to_end(&mut raw.stream, &mut rest)).await;
        }
        crate::support::until("all have left", || hub.all().count_local() == 0).await;
        assert_eq!(
            (hub.user("guest").count_local(), hub.room::<Settled>("lounge").count_local()),
            (0, 0),
            "{name}"
        );
        for conn in connections {
            assert!(matches!(conn.push("too late"), Err(SendError::Closed { .. })), "{name}");
        }
        // Handles that are still held do not panic either.
        drop(running);
    }
}

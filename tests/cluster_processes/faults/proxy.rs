//! [`Proxy`]: forwards the bytes between a node and its broker, and injects faults.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};

/// The bytes that are read at once, so that a delay does not limit the throughput much.
const CHUNK: usize = 64 << 10;

/// The direction of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    ToBroker,
    ToNode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Ends connections, and each new one at once.
    Refuses,
    /// Holds bytes in these directions, and forwards them later.
    Halts(&'static [Way]),
    /// Halts the connections that existed before, and forwards new ones.
    HaltsOld,
    Delays(Duration),
    /// Ends the first connection that has forwarded this number of bytes in this direction since
    /// then. After that it injects no fault.
    Cuts(Way, usize),
}

/// A proxy of one node.
pub(super) struct Proxy {
    pub(super) port: u16,
    to: Arc<AtomicU16>,
    fault: watch::Sender<Fault>,
}

impl Proxy {
    /// Starts a proxy to this port.
    pub(super) async fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (to, fault) = (Arc::new(AtomicU16::new(to)), watch::Sender::new(Fault::None));
        let proxy = Self { port, to: Arc::clone(&to), fault: fault.clone() };
        tokio::spawn(async move {
            loop {
                let (node, _) = listener.accept().await.unwrap();
                tokio::spawn(pass(node, to.load(Ordering::Relaxed), fault.clone()));
            }
        });
        proxy
    }

    pub(super) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Forwards new connections to another port.
    pub(super) fn switch(&self, to: u16) {
        self.to.store(to, Ordering::Relaxed);
    }
}

/// Forwards one connection until it ends.
async fn pass(node: TcpStream, to: u16, fault: watch::Sender<Fault>) {
    let Ok(broker) = TcpStream::connect(("127.0.0.1", to)).await else { return };
    for stream in [&node, &broker] {
        stream.set_nodelay(true).unwrap();
    }
    let (from_node, to_node) = node.into_split();
    let (from_broker, to_broker) = broker.into_split();
    let mut watched = fault.subscribe();
    let is_old = *watched.borrow() != Fault::HaltsOld;
    let is_halted = |way| {
        move |fault: &Fault| match fault {
            Fault::Halts(ways) => ways.contains(&way),
            Fault::HaltsOld => is_old,
            _ => false,
        }
    };
    tokio::select! {
        () = pump(from_node, to_broker, Way::ToBroker, &fault, is_halted(Way::ToBroker)) => {}
        () = pump(from_broker, to_node, Way::ToNode, &fault, is_halted(Way::ToNode)) => {}
        _ = watched.wait_for(|fault| *fault == Fault::Refuses) => {}
    }
}

/// Forwards bytes in one direction. It ends at the end of the source or at a cut.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    way: Way,
    fault: &watch::Sender<Fault>,
    is_halted: impl Fn(&Fault) -> bool,
) {
    let mut buffer = vec![0; CHUNK];
    let mut watched = fault.subscribe();
    let mut passed = 0;
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        // Bytes that were read before the fault are held as well.
        let now = *watched.wait_for(|fault| !is_halted(fault)).await.unwrap();
        match now {
            Fault::Delays(time) => sleep(time).await,
            Fault::Cuts(cut, after) if cut == way => {
                passed += count;
                if passed > after {
                    let _ = to.write_all(&buffer[..count - (passed - after)]).await;
                    // Another connection may be cut by the same fault.
                    fault.send_if_modified(|fault| {
                        let is_mine = matches!(fault, Fault::Cuts(..));
                        *fault = if is_mine { Fault::None } else { *fault };
                        is_mine
                    });
                    return;
                }
            }
            _ => passed = 0,
        }
        // A broker executes the commands that it has received, also if the node has closed the
        // connection meanwhile. So the other direction continues.
        if to.write_all(&buffer[..count]).await.is_err() && way == Way::ToBroker {
            return;
        }
    }
}

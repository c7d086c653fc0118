//! Accepting in a process without free file descriptors.

use crate::{
    process::Process,
    support::{Raw, handshake},
};

#[tokio::test]
#[cfg(unix)]
async fn without_file_descriptors_it_waits_and_logs_once_and_recovers() {
    const CLIENTS: usize = 40;
    let config = "[[servers]]\nname = \"ws\"\nport = 0\n";
    let mut process = Process::start(config, "ulimit -n 32;").await;
    // The queue of the system accepts all of them; the process has descriptors for less than 32.
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = Raw::connect(process.addr).await;
        client.write(handshake("/").as_bytes()).await;
        clients.push(client);
    }
    let line = process.says("accept failed").await;
    assert!(line.contains("ERROR") && line.contains("server=\"ws\""), "{line}");
    assert_eq!(process.count("accepting again"), 0);

    // The open connections are not affected.
    assert_eq!(clients[0].request("").await.status, 101);
    clients[0].frame(0x81, b"still here").await;
    assert_eq!(clients[0].read_frame().await.payload, b"still here");

    // Half of the clients leave, and the waiting half is served.
    clients.drain(1..=CLIENTS / 2);
    for client in &mut clients[1..] {
        assert_eq!(client.request("").await.status, 101);
    }
    process.says("accepting again").await;
    assert_eq!(process.count("accept failed"), 1, "{:#?}", process.said);
}

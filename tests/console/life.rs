use std::net::{IpAddr, Ipv4Addr};

use tokio::net::{TcpListener, TcpStream};
use ws_core::{App, testing::TestApp};

use crate::support::{Program, app, config};

#[tokio::test]
async fn it_starts_only_if_the_program_enables_it() {
    let without = App::without_registry().config(config()).start().await.unwrap();
    assert_eq!(without.console_url(), None);
    without.shutdown().await;
    let with = Program::start().await;
    assert!(with.address.ip().is_loopback());
    assert_eq!(with.running.local_addr("console"), None, "the console is not one of the servers");
}

#[tokio::test]
async fn it_does_not_start_in_tests_over_memory() {
    let app = TestApp::start(app()).await;
    assert_eq!(app.running().console_url(), None);
}

#[tokio::test]
async fn it_ends_with_the_application_and_so_do_its_feeds() {
    let program = Program::start().await;
    let mut feed = program.feed("topic=live").await;
    feed.next().await.unwrap();
    let Program { running, address, .. } = program;
    running.shutdown().await;
    while feed.next().await.is_some() {}
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_taken_port_leaves_the_application_without_a_console() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config();
    config.console.port = taken.local_addr().unwrap().port();
    let running = app().config(config).start().await.unwrap();
    assert_eq!(running.console_url(), None);
    assert!(running.readiness().is_ready());
}

#[tokio::test]
async fn an_address_that_other_machines_reach_is_a_start_error() {
    for host in [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::new(192, 168, 0, 1))] {
        let mut config = config();
        config.console.host = host;
        let error = app().config(config).start().await.unwrap_err().to_string();
        assert!(error.contains("`console.host` must be a loopback address"), "{error}");
    }
}

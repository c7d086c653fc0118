//! Nodes whose wall clocks are two hours apart.
//!
//! The clocks are set by libfaketime. Without it the test is skipped, and says so; with
//! `WS_TESTS_NEED_FAKETIME=1` it fails instead.

use std::{fs, path::PathBuf, time::Duration};

use super::both::{kind, nodes, over_both, server, settings};
use crate::{
    brokers::say_skipped,
    node::{Ask, Settings, WrongClock, alone},
};

/// Returns the library if it is installed.
fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().filter_map(Result::ok);
    let mut files = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    let library = files.find(|file| file.exists());
    if library.is_none() {
        assert!(std::env::var_os("WS_TESTS_NEED_FAKETIME").is_none(), "libfaketime is not installed");
        say_skipped("libfaketime");
    }
    library
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wall_clocks_of_nodes_may_be_hours_apart() {
    let _alone = alone().await;
    let Some(library) = library() else { return };
    over_both(async |broker| {
        let heartbeat = Duration::from_millis(200);
        let with = |offset| {
            let clock = Some(WrongClock { library: library.clone(), offset });
            Settings { clock, ..settings(&broker, server(&broker).port, heartbeat) }
        };
        let (ahead, behind) = (with("+1h"), with("-1h"));
        let nodes = nodes(&[("ahead", &ahead), ("behind", &behind)]).await;
        let mut watchers = [nodes[0].watch().await, nodes[1].watch().await];
        let mut members = [nodes[0].connect().await, nodes[1].connect().await];
        let mut clocks = Vec::new();
        for member in &mut members {
            clocks.push(member.ask(&Ask::Clock).await.parse::<u64>().unwrap());
            member.join(&["lobby"]).await;
        }
        assert!(clocks[0] - clocks[1] > 7000, "{}: {clocks:?}", kind(&broker));
        // Longer than the time after which a silent node is gone.
        let until = tokio::time::Instant::now() + 2 * ahead.node_timeout;
        let mut said = 0;
        while tokio::time::Instant::now() < until {
            let text = format!("said {said}");
            let sender = said % 2;
            members[sender].say("lobby", &text).await;
            for member in &mut members {
                assert_eq!(member.message().await, text, "{}", kind(&broker));
            }
            said += 1;
        }
        assert_eq!(members[0].ask(&Ask::Count("lobby".into())).await, "Ok(2)");
        for watcher in &mut watchers {
            assert_eq!(watcher.arrived_answer_with(""), None, "{}", kind(&broker));
        }
    })
    .await;
}

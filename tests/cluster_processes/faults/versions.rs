//! Nodes of other versions beside those of this one, and a deploy that replaces all nodes one after
//! another.

mod stage;

use std::{ops::Range, time::Duration};

use self::stage::{LAST, Stage, left};
use super::both::{long_minutes, over_both};
use crate::{
    brokers::Broker,
    client::numbers,
    node::{Ask, alone},
    other_version::{OtherVersion, SKIPPED, Version},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_node_may_join_and_leave_and_its_unknown_messages_are_skipped() {
    let _alone = alone().await;
    over_both(async |broker| comes_and_goes(&broker, Version::Newer).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_node_may_join_and_be_killed_and_gets_only_readable_messages() {
    let _alone = alone().await;
    over_both(async |broker| comes_and_goes(&broker, Version::Older).await).await;
}

/// Lets a node with a common version join, talk and leave while others talk.
async fn comes_and_goes(broker: &Broker, version: Version) {
    let mut stage = Stage::start(broker, &[("a", "tom"), ("b", "jerry")]).await;
    let (of, name) = (stage.of, version.name());
    let mut other = stage.add(version).await;
    let first = stage.talk.said();
    other.talk().await;
    for seat in &stage.seats {
        let nodes = stage.talk.member(seat.member).ask(&Ask::Versions).await;
        let expected = format!("[(\"a\", (1, 1)), (\"b\", (1, 1)), ({name:?}, {:?})]", version.reads());
        assert_eq!(nodes, expected, "{of}");
    }
    // An older node has a member, but does not know the question about it.
    let users = if version == Version::Newer { &["guest", "jerry", "tom"][..] } else { &["jerry", "tom"] };
    stage.have_users(users).await;
    stage.have_members(3).await;
    stage.talk.say_for(Duration::from_secs(1)).await;
    let said = other.be_quiet().await;
    let observed = stage.check_observed(&mut other, first).await;
    let known = [("a".to_owned(), (1, 1)), ("b".to_owned(), (1, 1))];
    assert_eq!(observed.nodes, known.into(), "{of}");
    let is_killed = version == Version::Older;
    if is_killed {
        stage.talk.say_while(other.kill()).await;
    } else {
        stage.talk.say_while(other.leave()).await;
    }
    stage.report(&left(name, is_killed)).await;
    stage.have_users(&["jerry", "tom"]).await;
    stage.have_members(2).await;
    stage.talk.say_for(Duration::from_millis(200)).await;

    assert_eq!(said.skipped > 0, version == Version::Newer, "{of}");
    stage.have_skipped(said.skipped).await;
    for received in stage.end().await {
        check_received(of, &received, version, 0..said.numbers);
    }
}

/// Checks that a member has received these numbers of a node of another version, once and in order,
/// and no message that must be skipped.
fn check_received(of: &str, received: &[String], version: Version, expected: Range<usize>) {
    let numbers = numbers(received, version.name());
    assert!(numbers.iter().copied().eq(expected.clone()), "{of}: {version:?}: {expected:?}, not {numbers:?}");
    assert!(!received.iter().any(|text| text == SKIPPED), "{of}: {version:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_common_version_is_reported_and_one_with_other_channels_is_not_seen() {
    let _alone = alone().await;
    over_both(async |broker| {
        let mut stage = Stage::start(&broker, &[("a", "tom"), ("b", "jerry")]).await;
        let of = stage.of;
        let unseen = OtherVersion::start(Version::OtherScheme, &stage.settings);
        let mut unseen = stage.talk.say_while(unseen).await;
        let incompatible = OtherVersion::start(Version::Incompatible, &stage.settings);
        let mut incompatible = stage.talk.say_while(incompatible).await;
        unseen.talk().await;
        incompatible.talk().await;
        stage.report("Incompatible { name: \"incompatible\" }").await;
        // Both send heartbeats for longer than a silent node is waited for.
        stage.talk.say_for(stage.settings.node_timeout + stage.settings.heartbeat * 2).await;
        for seat in &stage.seats {
            let nodes = stage.talk.member(seat.member).ask(&Ask::Versions).await;
            assert_eq!(nodes, "[(\"a\", (1, 1)), (\"b\", (1, 1))]", "{of}");
        }
        stage.have_members(2).await;

        let said = incompatible.be_quiet().await;
        unseen.be_quiet().await;
        let (observed, nothing) = (incompatible.observed().await, unseen.observed().await);
        let known = [("a".to_owned(), (1, 1)), ("b".to_owned(), (1, 1))];
        assert_eq!((observed.nodes, observed.texts.len()), (known.into(), 0), "{of}");
        assert!(nothing.nodes.is_empty() && nothing.starts.is_empty(), "{of}: {nothing:?}");
        stage.talk.say_while(incompatible.leave()).await;
        stage.talk.say_while(unseen.leave()).await;
        stage.talk.say_for(Duration::from_millis(200)).await;

        // No message of the node with other channels was counted.
        stage.have_skipped(said.skipped).await;
        for received in stage.end().await {
            assert!(!received.iter().any(|text| text == SKIPPED), "{of}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_deploy_beside_nodes_of_other_versions_loses_nothing_and_reports_no_gap() {
    const OTHERS: [Version; 2] = [Version::Newer, Version::Older];
    const USERS: [&str; 4] = ["guest", "jerry", "spike", "tom"];
    let _alone = alone().await;
    over_both(async |broker| {
        let deploys = if long_minutes().is_some() { 10 } else { 1 };
        let mut stage = Stage::start(&broker, &[("a0", "tom"), ("b0", "jerry"), ("c0", "spike")]).await;
        let (of, mut others, mut first) = (stage.of, Vec::new(), 0);
        for version in OTHERS {
            let mut other = stage.add(version).await;
            first = stage.talk.said();
            other.talk().await;
            others.push(other);
        }
        stage.have_users(&USERS).await;
        let mut replaced = Vec::new();
        for deploy in 1..=deploys {
            for (at, node) in ["a", "b", "c"].into_iter().enumerate() {
                stage.replace(at, &format!("{node}{deploy}"), &USERS).await;
                stage.have_members(5).await;
                replaced.push(format!("{node}{}", deploy - 1));
            }
        }
        let mut said = Vec::new();
        for other in &mut others {
            said.push(other.be_quiet().await);
            let observed = stage.check_observed(other, first).await;
            assert_eq!(observed.left, replaced.iter().cloned().collect(), "{of}");
        }
        for (other, version) in others.into_iter().zip(OTHERS) {
            stage.talk.say_while(other.leave()).await;
            stage.report(&left(version.name(), false)).await;
        }
        stage.have_users(&["jerry", "spike", "tom"]).await;

        let present = stage.talk.present();
        let received = stage.end().await;
        for (member, received) in received.iter().enumerate() {
            for (version, said) in OTHERS.into_iter().zip(&said) {
                // All messages from the first to the last one while it was connected.
                let numbers = numbers(received, version.name());
                let is_present = present.contains(&member);
                let end = if is_present { said.numbers } else { numbers.last().map_or(0, |last| last + 1) };
                let start = *numbers.first().expect("it was there for some");
                check_received(of, received, version, start..end);
            }
        }
        for name in replaced {
            // The messages that were sent when it stopped have reached the members of the two other
            // nodes.
            let last = received.iter().map(|received| numbers(received, &format!("last of {name}")));
            let last: Vec<_> = last.filter(|numbers| !numbers.is_empty()).collect();
            let counts: Vec<usize> = last.iter().map(Vec::len).collect();
            assert_eq!(counts, [LAST; 2], "{of}: last of {name}");
            assert!(last.into_iter().all(|numbers| numbers.into_iter().eq(0..LAST)), "{of}: last of {name}");
        }
    })
    .await;
}

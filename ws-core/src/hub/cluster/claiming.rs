//! The claims of exclusive users between nodes: questions for counters, claims in both directions,
//! and the repetition of all own claims after each start of a link.

use std::sync::Weak;

use super::{
    ThisNode,
    handle::ClusterState,
    names::Channel,
    wire::{About, Body, Claiming, Found, Message},
};
use crate::hub::{
    GroupKey, Live, Reach, Remote,
    claims::{Claim, Claims},
    connections::Recipient,
    exclusive::OwnClaim,
    live::Place,
    target::Target,
};

/// Whether a claim was just made, or is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    New,
    Repeated,
}

impl ThisNode {
    /// Waits until claims of other nodes arrive here, and until all claims of other nodes are known
    /// here, each within its deadline. The result is local if one of both failed.
    pub(in crate::hub) async fn prepare_claim(&self, claims: &Claims, key: &GroupKey) -> Reach {
        let counters = self.ask(&Channel::All, None, None, Vec::new(), About::Claims);
        let (reach, answers) = tokio::join!(self.confirmed(key), counters);
        for (_, found) in answers.found {
            if let Found::Count(counter) = found {
                claims.record(counter);
            }
        }
        if answers.missing.is_empty() { reach } else { Reach::Local }
    }

    /// Publishes a claim that was just made.
    pub(in crate::hub) async fn publish_claim(
        &self,
        key: &GroupKey,
        controller: &'static str,
        own: OwnClaim,
    ) -> Reach {
        // All claims are repeated when the link is up.
        if self.state() != ClusterState::Up {
            return Reach::Local;
        }
        let message = message(controller, own, Age::New);
        match self.publish_accepted(&Channel::Group(key.clone()), &message).await {
            Remote::Accepted => Reach::Cluster,
            _ => Reach::Local,
        }
    }

    /// Compares the connections of a user at a controller with the claim of another node, and
    /// answers with a greater one.
    pub(super) fn receive_claim(&self, live: &Live, target: &Target, from: u32, claiming: Claiming) {
        let Claiming { counter, is_new, frame } = claiming;
        // Recorded before the comparison, so that a claim made at the same time is either greater
        // or compared.
        live.claims().record(counter);
        let other = OwnClaim { claim: Claim { counter, node: from }, frame };
        if let Some(own) = target.contest(&other, is_new)
            && let Some((key, controller)) = target.user_at()
        {
            // If it is not sent, two connections stay open until the next start of a link.
            let _ = self.publish(&Channel::Group(key), &message(controller, own, Age::Repeated));
        }
    }
}

fn message(controller: &'static str, own: OwnClaim, age: Age) -> Message {
    let is_new = age == Age::New;
    let claiming = Claiming { counter: own.claim.counter, is_new, frame: own.frame };
    let at = Some(bytes::Bytes::from_static(controller.as_bytes()));
    Message { at, ..Message::new(Body::Claim(claiming)) }
}

/// Repeats all claims of this node. Those of others may have been missed while there was no link.
pub(super) async fn announce_claims(node: Weak<ThisNode>, live: Weak<Live>) {
    let (mut place, mut turn) = (Place::default(), Vec::new());
    loop {
        let (Some(node), Some(live)) = (node.upgrade(), live.upgrade()) else { return };
        live.take(None, &mut place, &mut turn);
        if turn.is_empty() || live.claims().known() == 0 {
            return;
        }
        let mut last = None;
        for Recipient { connection, .. } in turn.drain(..) {
            if !connection.is_open() {
                continue;
            }
            let claim = connection.membership_if_any().and_then(|membership| membership.own_claim());
            let Some((key, own)) = claim else { continue };
            let next = (Channel::Group(key), message(connection.controller(), own, Age::Repeated));
            if let Some((channel, message)) = last.replace(next) {
                let _ = node.publish(&channel, &message);
            }
        }
        // The queue is not filled faster than the broker accepts the claims.
        if let Some((channel, message)) = last
            && node.publish_accepted(&channel, &message).await != Remote::Accepted
        {
            return;
        }
        tokio::task::yield_now().await;
    }
}

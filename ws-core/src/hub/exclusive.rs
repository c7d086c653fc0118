//! Exclusive users: at most one connection of a user at a controller, on all nodes.
//!
//! A connection first becomes a member of the user's group and gets the counters of the other
//! nodes, then makes its claim, and then publishes it. A node that receives a smaller claim than
//! its own answers with its own claim. So of two concurrent claims, each node closes the same
//! connection. `claims` decides; this module applies it to connections.

use std::sync::Arc;

use super::{
    GroupKey, JoinError, Reach,
    claims::Claim,
    membership::Judged,
    names::Named,
    target::{Scope, Target},
    walk::Walk,
};
use crate::{
    connection::{Connection, Stop},
    wire::{CloseFrame, CloseReason, may_be_sent},
};

/// A claim, and the close frame for the connections that lose against it.
#[derive(Clone, Debug)]
pub(crate) struct OwnClaim {
    pub(super) claim: Claim,
    pub(super) frame: CloseFrame,
}

/// A guard of the time in which a connection is a member and its claim is not made. It is not
/// closed by the claims of others meanwhile, because its own will be greater.
struct Claiming<'a> {
    connection: &'a Connection,
    key: GroupKey,
}

impl<'a> Claiming<'a> {
    fn begin(connection: &'a Connection, key: GroupKey) -> Result<Self, JoinError> {
        connection.membership().begin_claim(connection.live().groups(), key.clone(), connection)?;
        Ok(Self { connection, key })
    }
}

impl Drop for Claiming<'_> {
    fn drop(&mut self) {
        self.connection.membership().end_claim(&self.key);
    }
}

impl Connection {
    /// Sets the user of this connection as [`identify`](Self::identify) does, and closes all other
    /// connections of the user at this connection's controller, on all nodes, with this code and
    /// reason.
    ///
    /// The newest call wins: of several calls at the same time, exactly one connection stays open,
    /// and the others are closed with the code and reason of its call. So this connection may be
    /// closed when the future returns. A connection that is only [identified](Self::identify) is
    /// closed by a later call as well; it closes nothing itself.
    ///
    /// The future waits until the broker has confirmed the subscription of the user (at most 2 s),
    /// until the other nodes have named their newest claims (at most 1 s, at the same time), and
    /// until the broker has accepted the claim. Without a cluster the result is [`Reach::Cluster`]
    /// at once.
    ///
    /// With [`Reach::Local`] the broker is not reachable, or a node did not answer. The other
    /// connections on this node are closed, but two connections may stay open on two nodes. The one
    /// with the smaller claim is closed when the links of both nodes are up again; it is the older
    /// one, unless both claims were made meanwhile. Two may also stay open after a node has
    /// [lost](super::ClusterChange::Lost) messages, until one of them claims again or a link is
    /// replaced. If the future is dropped, the connection may be identified without a claim.
    ///
    /// ```
    /// use ws_core::prelude::*;
    ///
    /// struct Device;
    ///
    /// impl Controller for Device {
    ///     async fn on_open(&self, conn: &Connection) -> Result {
    ///         let id = conn.handshake().path_param("id").unwrap_or_default().to_owned();
    ///         conn.identify_exclusive(id, 4409, "connected elsewhere").await?;
    ///         Ok(())
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`JoinError::CloseCode`] for a code that may not be sent, [`JoinError::NameTooLong`] over
    /// 256 bytes, [`JoinError::Closed`] after the connection was closed, also by a newer claim.
    pub async fn identify_exclusive(
        &self,
        user: impl AsRef<str>,
        code: u16,
        reason: impl AsRef<str>,
    ) -> Result<Reach, JoinError> {
        if !may_be_sent(code) {
            return Err(JoinError::CloseCode(code));
        }
        let key = GroupKey::User(user.as_ref().into());
        self.claim_user(key, CloseFrame::new(code, reason.as_ref())).await
    }

    async fn claim_user(&self, key: GroupKey, frame: CloseFrame) -> Result<Reach, JoinError> {
        self.is_open().then_some(()).ok_or(JoinError::Closed)?;
        let (live, claiming) = (self.live(), Claiming::begin(self, key.clone())?);
        let confirmed = match live.cluster() {
            Some(node) => node.prepare_claim(live.claims(), &key).await,
            None => Reach::Cluster,
        };
        self.is_open().then_some(()).ok_or(JoinError::Closed)?;
        let own = OwnClaim { claim: live.claims().next(live.node()), frame };
        let outcome = self.settle(&key, &own)?;
        drop(claiming);
        if let Outcome::Lost = outcome {
            return Ok(confirmed);
        }
        let accepted = match live.cluster() {
            Some(node) => node.publish_claim(&key, self.controller(), own).await,
            None => Reach::Cluster,
        };
        Ok(if accepted == Reach::Cluster { confirmed } else { Reach::Local })
    }

    /// Stores a claim, and compares it with the other connections of the user on this node.
    fn settle(&self, key: &GroupKey, own: &OwnClaim) -> Result<Outcome, JoinError> {
        self.membership().claim(key, own.clone())?;
        let scope = Scope::UserAt(Named::Name(self.controller()), Arc::clone(key.name()));
        let others = Target { except: vec![self.id()], ..Target::new(self.live(), scope) };
        // Another connection of this node may have got a greater claim and stored it before.
        if let Some(greater) = others.contest(own, true)
            && let Judged::Loses = self.membership().judge(key, greater.claim, false)
        {
            lose(self, &greater.frame);
            return Ok(Outcome::Lost);
        }
        Ok(Outcome::Stays)
    }
}

/// Whether a connection with a new claim stays on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Stays,
    Lost,
}

impl Target {
    /// Compares the members on this node with the claim of another connection, and closes those
    /// that lose. Returns the greatest claim of a member that wins.
    pub(super) fn contest(&self, other: &OwnClaim, is_new: bool) -> Option<OwnClaim> {
        let key = self.group()?;
        let (mut walk, mut greatest) = (Walk::new(self), None::<OwnClaim>);
        while walk.advance() {
            for connection in walk.turn().filter(|connection| connection.is_open()) {
                match connection.membership().judge(&key, other.claim, is_new) {
                    Judged::Stays => {}
                    Judged::Loses => lose(connection, &other.frame),
                    Judged::Wins(own) if greatest.as_ref().is_none_or(|it| it.claim < own.claim) => {
                        greatest = Some(own);
                    }
                    Judged::Wins(_) => {}
                }
            }
        }
        greatest
    }
}

/// Closes a connection because of a greater claim.
fn lose(connection: &Connection, frame: &CloseFrame) {
    let reason = CloseReason::Local { code: frame.code, reason: frame.reason.clone() };
    // Fails if the connection is closing anyway.
    let _ = connection.outbox().stop(Stop::Close { frame: frame.clone(), reason });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{Live, tests::enter};

    fn user() -> GroupKey {
        GroupKey::User("tom".into())
    }

    fn next(live: &Live, code: u16) -> OwnClaim {
        OwnClaim { claim: live.claims().next(live.node()), frame: CloseFrame::new(code, "") }
    }

    #[test]
    fn of_two_claims_of_a_node_the_greater_one_stays_whichever_is_stored_first() {
        for is_greater_first in [false, true] {
            let live = Arc::new(Live::default());
            let entries = [enter(&live), enter(&live)];
            let [smaller, greater] = entries.each_ref().map(|entry| entry.connection());
            let _claiming = [smaller, greater].map(|it| Claiming::begin(it, user()).unwrap());
            let claims = [next(&live, 4000), next(&live, 4001)];
            let outcomes = if is_greater_first {
                let second = greater.settle(&user(), &claims[1]).unwrap();
                assert!(smaller.is_open(), "its claim is not stored yet");
                [smaller.settle(&user(), &claims[0]).unwrap(), second]
            } else {
                [(smaller, &claims[0]), (greater, &claims[1])]
                    .map(|(connection, own)| connection.settle(&user(), own).unwrap())
            };
            let first = if is_greater_first { Outcome::Lost } else { Outcome::Stays };
            assert_eq!(outcomes, [first, Outcome::Stays]);
            assert_eq!([smaller.is_open(), greater.is_open()], [false, true]);
        }
    }

    #[test]
    fn a_connection_that_has_lost_or_has_ended_does_not_claim() {
        let live = Arc::new(Live::default());
        let (first, second) = (enter(&live), enter(&live));
        first.connection().identify("tom").unwrap();
        let connection = second.connection().clone();
        let _claiming = Claiming::begin(&connection, user()).unwrap();
        connection.settle(&user(), &next(&live, 4000)).unwrap();
        assert!(!first.connection().is_open());
        let late = first.connection().settle(&user(), &next(&live, 4001));
        assert_eq!(late, Err(JoinError::Closed));
        assert!(connection.is_open());
        drop(second);
        assert_eq!(connection.settle(&user(), &next(&live, 4002)), Err(JoinError::Closed));
    }

    #[test]
    fn a_cancelled_claim_leaves_an_identified_connection() {
        let live = Arc::new(Live::default());
        let (first, second) = (enter(&live), enter(&live));
        drop(Claiming::begin(first.connection(), user()).unwrap());
        assert_eq!(first.connection().user().as_deref(), Some("tom"));
        let _claiming = Claiming::begin(second.connection(), user()).unwrap();
        second.connection().settle(&user(), &next(&live, 4000)).unwrap();
        assert!(!first.connection().is_open());
    }

    #[test]
    fn another_user_ends_the_claim() {
        let live = Arc::new(Live::default());
        let (first, second) = (enter(&live), enter(&live));
        for entry in [&first, &second] {
            let _claiming = Claiming::begin(entry.connection(), user()).unwrap();
            entry.connection().settle(&user(), &next(&live, 4000)).unwrap();
            entry.connection().identify("jerry").unwrap();
            assert!(entry.connection().membership().own_claim().is_none());
        }
        assert!(first.connection().is_open() && second.connection().is_open());
    }
}

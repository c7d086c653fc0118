//! [`Followed`]: the two kinds of channels that are subscribed for groups.

use super::{ThisNode, interest::Interest, names::Channel};
use crate::hub::GroupKey;

/// The channels of groups that a task subscribes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Followed {
    /// The messages to the groups with members on this node.
    Members,
    /// The changes of the groups that this node watches.
    Watches,
}

impl Followed {
    pub(super) fn interest(self, node: &ThisNode) -> &Interest {
        match self {
            Self::Members => &node.interest,
            Self::Watches => &node.watching.channels,
        }
    }

    /// The names of the channels in the broker.
    pub(super) fn channels(self, node: &ThisNode, keys: &[GroupKey]) -> Vec<String> {
        let channel = match self {
            Self::Members => Channel::Group,
            Self::Watches => Channel::Watch,
        };
        keys.iter().map(|key| node.full_name(&channel(key.clone()))).collect()
    }

    /// Records that the broker has confirmed subscriptions.
    pub(super) fn subscribed(self, node: &ThisNode, keys: &[GroupKey]) {
        self.interest(node).subscribed(keys);
        if let Self::Watches = self {
            node.watches_confirmed(keys);
        }
    }
}

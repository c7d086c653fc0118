//! [`Claim`]: the order in which connections claim to be the only one of a user at a controller.
//!
//! This module only decides; it does not access connections or the cluster. The counter of a claim
//! is greater than that of each claim its node knew, and the node of a claim decides between equal
//! ones. So any two claims have an order, and every node that knows both closes the connection of
//! the same one. One counter for all users of a node needs no memory for each user, and it never
//! goes back.

use std::sync::atomic::{AtomicU64, Ordering};

/// The claim of a connection. A later one is greater, if its node knew the earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Claim {
    pub(super) counter: u64,
    /// Decides between two claims that were made at the same time.
    pub(super) node: u32,
}

/// The greatest counter of a claim that this node has made or received.
#[derive(Debug, Default)]
pub(crate) struct Claims(AtomicU64);

impl Claims {
    pub(super) fn known(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Records the counter of another node.
    pub(super) fn record(&self, counter: u64) {
        self.0.fetch_max(counter, Ordering::AcqRel);
    }

    /// Makes a claim that is greater than all known ones.
    pub(super) fn next(&self, node: u32) -> Claim {
        let next = |counter: u64| Some(counter.saturating_add(1));
        let (Ok(before) | Err(before)) = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        Claim { counter: before.saturating_add(1), node }
    }
}

/// The state of a connection when it is compared with the claim of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It was identified without a claim.
    Identified,
    /// Its claim is not made yet. It will be greater than all that are known by then.
    Claiming,
    Claimed(Claim),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Stays,
    /// The connection is to be closed.
    Loses,
    /// The own claim is greater, so the other connection is to be closed.
    Wins,
}

impl Standing {
    /// Compares a connection with the claim of another one. A repeated claim does not affect
    /// connections without a claim, because they may be newer.
    pub(super) fn judge(self, other: Claim, is_new: bool) -> Verdict {
        match self {
            Self::Claimed(own) if own < other => Verdict::Loses,
            Self::Claimed(own) if own > other => Verdict::Wins,
            Self::Identified if is_new => Verdict::Loses,
            Self::Claimed(_) | Self::Claiming | Self::Identified => Verdict::Stays,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claim(counter: u64, node: u32) -> Claim {
        Claim { counter, node }
    }

    #[test]
    fn the_greater_counter_wins_and_then_the_greater_node() {
        let own = Standing::Claimed(claim(5, 5));
        for (other, verdict) in [
            (claim(6, 1), Verdict::Loses),
            (claim(5, 6), Verdict::Loses),
            (claim(5, 5), Verdict::Stays),
            (claim(5, 4), Verdict::Wins),
            (claim(4, 9), Verdict::Wins),
        ] {
            assert_eq!([true, false].map(|is_new| own.judge(other, is_new)), [verdict; 2], "{other:?}");
        }
    }

    #[test]
    fn a_connection_without_a_claim_is_closed_by_a_new_claim_only() {
        let other = claim(1, 1);
        assert_eq!(Standing::Identified.judge(other, true), Verdict::Loses);
        assert_eq!(Standing::Identified.judge(other, false), Verdict::Stays);
        assert_eq!(Standing::Claiming.judge(other, true), Verdict::Stays);
    }

    #[test]
    fn a_claim_is_greater_than_all_that_were_known() {
        let claims = Claims::default();
        assert_eq!(claims.next(7), claim(1, 7));
        claims.record(40);
        claims.record(3);
        assert_eq!((claims.next(7), claims.next(7), claims.known()), (claim(41, 7), claim(42, 7), 42));
        claims.record(u64::MAX);
        assert_eq!(claims.next(7), claim(u64::MAX, 7));
    }

    const NODES: usize = 3;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// A connection is identified, and its node asks the others for their counters.
        Begin(usize),
        /// The oldest connection of the node without a claim makes one.
        Claim(usize),
        /// One of the messages on their way arrives.
        Deliver(usize),
        /// The link of a node ends: its claims are not sent until it is up again.
        Interrupt(usize),
        Resume(usize),
    }

    #[derive(Default)]
    struct Node {
        claims: Claims,
        /// The open connections.
        open: Vec<Standing>,
        is_down: bool,
    }

    #[derive(Clone, Copy)]
    struct Message {
        to: usize,
        claim: Claim,
        is_new: bool,
    }

    #[derive(Default)]
    struct Model {
        nodes: [Node; NODES],
        messages: Vec<Message>,
    }

    impl Model {
        fn send(&mut self, claim: Claim, is_new: bool) {
            let from = claim.node as usize;
            for to in (0..NODES).filter(|to| *to != from) {
                if !self.nodes[from].is_down && !self.nodes[to].is_down {
                    self.messages.push(Message { to, claim, is_new });
                }
            }
        }

        fn run(&mut self, step: Step) {
            match step {
                Step::Begin(node) => {
                    let answers = |to: &&Node| !to.is_down;
                    let known = self.nodes.iter().filter(answers).map(|to| to.claims.known()).max();
                    if !self.nodes[node].is_down {
                        self.nodes[node].claims.record(known.unwrap_or_default());
                    }
                    self.nodes[node].open.push(Standing::Claiming);
                }
                Step::Claim(at) => {
                    let node = &mut self.nodes[at];
                    let Some(connection) = node.open.iter().position(|it| *it == Standing::Claiming) else {
                        return;
                    };
                    let claim = node.claims.next(at as u32);
                    node.open[connection] = Standing::Claimed(claim);
                    node.open.retain(|open| open.judge(claim, true) != Verdict::Loses);
                    self.send(claim, true);
                }
                Step::Deliver(number) if !self.messages.is_empty() => {
                    let message = self.messages.swap_remove(number % self.messages.len());
                    self.receive(message);
                }
                Step::Deliver(_) => {}
                Step::Interrupt(node) => {
                    self.nodes[node].is_down = true;
                    self.messages.retain(|message| message.to != node);
                }
                Step::Resume(node) => {
                    self.nodes[node].is_down = false;
                    let claims: Vec<_> = self.nodes[node].open.iter().filter_map(claimed).collect();
                    claims.into_iter().for_each(|claim| self.send(claim, false));
                }
            }
        }

        fn receive(&mut self, Message { to, claim, is_new }: Message) {
            let node = &mut self.nodes[to];
            node.claims.record(claim.counter);
            let wins = |open: &&Standing| open.judge(claim, is_new) == Verdict::Wins;
            let greatest = node.open.iter().filter(wins).filter_map(claimed).max();
            node.open.retain(|open| open.judge(claim, is_new) != Verdict::Loses);
            if let Some(greatest) = greatest {
                self.send(greatest, false);
            }
        }
    }

    fn claimed(standing: &Standing) -> Option<Claim> {
        match standing {
            Standing::Claimed(claim) => Some(*claim),
            Standing::Identified | Standing::Claiming => None,
        }
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..NODES).prop_map(Step::Begin),
            4 => (0..NODES).prop_map(Step::Claim),
            8 => any::<usize>().prop_map(Step::Deliver),
            1 => (0..NODES).prop_map(Step::Interrupt),
            1 => (0..NODES).prop_map(Step::Resume),
        ]
    }

    proptest! {
        #[test]
        fn in_the_end_exactly_the_connection_with_the_greatest_claim_stays_open(
            steps in prop::collection::vec(step(), 1..60),
            late in any::<usize>(),
        ) {
            let mut model = Model::default();
            steps.into_iter().for_each(|step| model.run(step));
            (0..NODES).for_each(|node| model.run(Step::Resume(node)));
            let mut made = false;
            for node in 0..NODES {
                while model.nodes[node].open.contains(&Standing::Claiming) {
                    model.run(Step::Claim(node));
                }
                made |= !model.nodes[node].open.is_empty();
            }
            let greatest = model.nodes.iter().flat_map(|node| &node.open).filter_map(claimed).max();
            while !model.messages.is_empty() {
                model.run(Step::Deliver(late));
            }
            let open: Vec<_> = model.nodes.iter().flat_map(|node| &node.open).copied().collect();
            prop_assert_eq!(open.len(), usize::from(made), "{:?}", &open);
            prop_assert_eq!(open.first().and_then(claimed), greatest);
        }

        #[test]
        fn a_connection_whose_claim_begins_after_all_others_are_known_stays_open(
            steps in prop::collection::vec(step(), 1..60),
            newest in 0..NODES,
        ) {
            let mut model = Model::default();
            steps.into_iter().for_each(|step| model.run(step));
            (0..NODES).for_each(|node| model.run(Step::Resume(node)));
            for node in 0..NODES {
                while model.nodes[node].open.contains(&Standing::Claiming) {
                    model.run(Step::Claim(node));
                }
            }
            model.run(Step::Begin(newest));
            model.run(Step::Claim(newest));
            while !model.messages.is_empty() {
                model.run(Step::Deliver(0));
            }
            let open: Vec<_> = model.nodes.iter().map(|node| node.open.len()).collect();
            prop_assert_eq!(open[newest], 1, "{:?}", &open);
            prop_assert_eq!(open.iter().sum::<usize>(), 1, "{:?}", &open);
        }
    }
}

//! The random steps.

use std::time::Duration;

use tokio::time::Instant;
use ws_core::{
    hub::{Reach, Remote, Target},
    prelude::*,
};

use super::world::{Goal, KICKED, Members, NODES, Push, ROOMS, USERS, World};

/// The most clients at a time.
const CLIENTS: usize = 8;
/// The longest delay of a fault.
pub(super) const MOST_DELAY: Duration = Duration::from_millis(1500);

impl World<'_> {
    /// Takes one random step.
    pub(super) async fn step(&mut self) {
        match self.random.below(100) {
            0..6 if self.clients.len() < CLIENTS => self.connect().await,
            0..6 => {}
            6..9 => self.disconnect(),
            9..24 => self.join().await,
            24..32 => self.leave(),
            32..40 => self.identify().await,
            40..74 => self.push().await,
            74..77 => self.kick(),
            77..87 => self.let_time_pass().await,
            _ if self.net.is_memory() => self.fault(),
            _ => {}
        }
    }

    /// The index of a random client that is not kicked.
    fn any_client(&mut self) -> Option<usize> {
        let clients = self.clients.iter().enumerate().filter(|(_, client)| !client.is_kicked);
        let clients: Vec<usize> = clients.map(|(at, _)| at).collect();
        self.random.pick(&clients).copied()
    }

    fn disconnect(&mut self) {
        let Some(at) = self.any_client() else { return };
        let client = self.clients.swap_remove(at);
        self.log(format!("{} ends", client.id));
        self.owed.retain(|(_, to)| *to != client.id);
        self.check_client(client);
    }

    async fn join(&mut self) {
        let (Some(at), room) = (self.any_client(), self.random.below(ROOMS)) else { return };
        let is_confirmed = self.random.one_in(2);
        let client = &mut self.clients[at];
        if client.rooms.contains_key(&room) {
            return;
        }
        client.conn.push(format!("j{room}")).unwrap();
        let name = format!("room {room}");
        let is_known = if is_confirmed {
            client.conn.join_confirmed(name).await.unwrap() == Reach::Cluster
        } else {
            client.conn.join(name).unwrap();
            false
        };
        client.rooms.insert(room, is_known);
        let id = client.id;
        self.log(format!("{id} joins {room}, known: {is_known}"));
    }

    fn leave(&mut self) {
        let Some(at) = self.any_client() else { return };
        let client = &mut self.clients[at];
        let rooms: Vec<usize> = client.rooms.keys().copied().collect();
        let Some(room) = self.random.pick(&rooms).copied() else { return };
        let (id, node) = (client.id, client.node);
        client.rooms.remove(&room);
        assert!(client.conn.leave(format!("room {room}")));
        client.conn.push(format!("l{room}")).unwrap();
        self.log(format!("{id} leaves {room}"));
        self.forgive(id, node, |goal| goal == Goal::Room(room));
    }

    async fn identify(&mut self) {
        let (Some(at), user) = (self.any_client(), self.random.below(USERS)) else { return };
        let is_confirmed = self.random.one_in(2);
        let client = &mut self.clients[at];
        let (id, node, before) = (client.id, client.node, client.user);
        // A kick that is on its way would reach a new member as well.
        if before.is_some_and(|(before, _)| before == user) || self.kicked_users.contains(&user) {
            return;
        }
        client.conn.push(format!("u{user}")).unwrap();
        client.conn.identify(format!("user {user}")).unwrap();
        let is_known = is_confirmed && self.confirm(at).await;
        self.clients[at].user = Some((user, is_known));
        self.log(format!("{id} is user {user}, known: {is_known}"));
        if let Some((before, _)) = before {
            self.forgive(id, node, |goal| goal == Goal::User(before));
        }
    }

    /// Leaves a room, and joins it again at the time at which it is unsubscribed, or after this
    /// number of polls of other tasks.
    pub(super) async fn join_again(mut self, yields: u64) {
        self.connect().await;
        let conn = self.clients[0].conn.clone();
        for _ in 0..2 {
            conn.push("j0").unwrap();
            assert_eq!(conn.join_confirmed("room 0").await.unwrap(), Reach::Cluster);
            self.clients[0].rooms.insert(0, true);
            for from in 0..NODES {
                self.send(from, Goal::Room(0), Vec::new(), true).await;
            }
            self.receive().await;
            assert!(self.owed.is_empty(), "not received: {:?}", self.owed);
            assert!(conn.leave("room 0"));
            conn.push("l0").unwrap();
            self.clients[0].rooms.clear();
            // `fixed::INTEREST_LINGERS`, to the millisecond.
            tokio::time::sleep(Duration::from_secs(2)).await;
            for _ in 0..yields {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Waits until the memberships of a client are known to all nodes: a room that it joins after
    /// them is subscribed after them.
    pub(super) async fn confirm(&mut self, at: usize) -> bool {
        self.next += 1;
        let (name, conn) = (format!("fresh {}", self.next), &self.clients[at].conn);
        let reach = conn.join_confirmed(&name).await.unwrap();
        assert!(conn.leave(name));
        reach == Reach::Cluster
    }

    /// A client that is not a member any more need not receive what other nodes have sent before.
    fn forgive(&mut self, id: ConnectionId, node: usize, goal: impl Fn(Goal) -> bool) {
        let pushes = &self.pushes;
        self.owed.retain(|(number, to)| {
            let push = &pushes[number];
            *to != id || push.from == node || !goal(push.goal)
        });
    }

    fn any_goal(&mut self) -> Goal {
        match self.random.below(10) {
            0 | 1 => Goal::All,
            2 => Goal::Controller,
            3..7 => Goal::Room(self.random.below(ROOMS)),
            7 | 8 => Goal::User(self.random.below(USERS)),
            _ => self.any_client().map_or(Goal::All, |at| Goal::One(self.clients[at].id)),
        }
    }

    async fn push(&mut self) {
        let (from, goal) = (self.random.below(NODES), self.any_goal());
        let mut except = Vec::new();
        while self.random.one_in(3) {
            except.extend(self.any_client().map(|at| self.clients[at].id));
        }
        let is_awaited = self.random.one_in(4);
        self.send(from, goal, except, is_awaited).await;
    }

    /// Pushes a message, and records which clients have to receive it.
    pub(super) async fn send(
        &mut self,
        from: usize,
        goal: Goal,
        except: Vec<ConnectionId>,
        is_awaited: bool,
    ) {
        let number = self.record(from, goal, except.clone(), false);
        let target = except.iter().fold(self.target(from, goal), |target, id| target.except(*id));
        let text = format!("p{number}");
        let local = self.owed_locally(number, from);
        let delivery = if is_awaited { target.in_turns().push(text).await } else { target.push(text) };
        self.log(format!("{number} from {from} to {goal:?} except {except:?}: {delivery:?}"));
        assert!(delivery.sent >= local, "{delivery:?} is not {local}");
        self.sent(number, delivery.remote, delivery.gone);
    }

    fn kick(&mut self) {
        let from = self.random.below(NODES);
        let goal = self.any_goal();
        if !matches!(goal, Goal::One(_) | Goal::User(_)) {
            return;
        }
        if let Goal::User(user) = goal {
            self.kicked_users.insert(user);
        }
        let number = self.record(from, goal, Vec::new(), true);
        let delivery = self.target(from, goal).disconnect(KICKED, "kicked").unwrap();
        self.log(format!("{number} kicks {goal:?} from {from}: {delivery:?}"));
        self.sent(number, delivery.remote, delivery.gone);
        let members: Vec<(ConnectionId, usize)> = self
            .clients
            .iter_mut()
            .filter(|client| client.membership(goal).is_some())
            .map(|client| {
                client.is_kicked = true;
                (client.id, client.node)
            })
            .collect();
        for (id, node) in members {
            let pushes = &self.pushes;
            self.owed.retain(|(number, to)| {
                let push = &pushes[number];
                *to != id || push.is_kick || push.from == node
            });
        }
    }

    /// Records a message before it is sent.
    fn record(&mut self, from: usize, goal: Goal, except: Vec<ConnectionId>, is_kick: bool) -> u64 {
        self.next += 1;
        let number = self.next;
        for client in self.clients.iter().filter(|client| !client.is_kicked) {
            let is_member = match client.membership(goal) {
                Some(is_known) => is_known || client.node == from,
                None => false,
            };
            if is_member && !except.contains(&client.id) {
                self.owed.insert((number, client.id));
            }
        }
        let (at, remote) = (Instant::now(), Remote::None);
        self.pushes.insert(number, Push { from, goal, except, at, is_kick, remote });
        number
    }

    fn owed_locally(&self, number: u64, from: usize) -> usize {
        let local = self.clients.iter().filter(|client| client.node == from);
        local.filter(|client| self.owed.contains(&(number, client.id))).count()
    }

    /// Records the outcome: what was not sent, or may not have been sent, is reported.
    fn sent(&mut self, number: u64, remote: Remote, gone: usize) {
        let Some(push) = self.pushes.get_mut(&number) else { return };
        push.remote = remote;
        let from = push.from;
        let is_reported = match remote {
            Remote::NotSent(_) | Remote::Unknown => true,
            _ => gone > 0 && matches!(push.goal, Goal::One(_)),
        };
        if is_reported {
            let clients = &self.clients;
            let is_local = |id| clients.iter().any(|client| client.id == id && client.node == from);
            self.owed.retain(|(of, to)| *of != number || is_local(*to));
        }
    }

    pub(super) fn target(&self, from: usize, goal: Goal) -> Target {
        let hub = self.nodes[from].hub();
        match goal {
            Goal::All => hub.all(),
            Goal::Controller => hub.controller::<Members>(),
            Goal::Room(room) => (*hub.room::<Members>(format!("room {room}"))).clone(),
            Goal::User(user) => (*hub.user(format!("user {user}"))).clone(),
            Goal::One(id) => hub.connection(id),
        }
    }

    async fn let_time_pass(&mut self) {
        let most = if self.net.is_memory() { 2500 } else { 10 };
        let time = Duration::from_millis(self.random.below(most) as u64);
        self.pause(time).await;
    }

    fn fault(&mut self) {
        let super::world::Net::Memory(cluster) = &self.net else { return };
        let (from, to) = (self.random.below(NODES), self.random.below(NODES));
        let kind = self.random.below(8);
        let count = 1 + self.random.below(3);
        let delay = MOST_DELAY.mul_f64(count as f64 / 3.0);
        self.log(format!("fault {kind} from {from} to {to}, {count}"));
        match kind {
            0 => {
                cluster.stop_broker();
                self.was_out = true;
                return;
            }
            1 | 2 => return cluster.start_broker(),
            _ if from == to => return,
            _ => {}
        }
        let between = cluster.between(&self.nodes[from].app, &self.nodes[to].app);
        let faults = &mut self.faults[from][to];
        match kind {
            3 => {
                between.cut();
                faults.loses = true;
            }
            4 => {
                between.delay(delay);
                faults.delays = true;
            }
            5 => {
                between.drop_next(count);
                faults.loses = true;
            }
            6 => {
                between.swap_next(count);
                faults.swaps = true;
            }
            _ => between.heal(),
        }
    }
}

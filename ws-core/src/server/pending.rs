//! Limits the streams of one listener that have no 101 yet, and chooses the stream that is closed
//! to make room for another.
//!
//! An incomplete request head costs the peer nothing. Therefore the number of incomplete heads per
//! address is limited, and the oldest one is closed if all room is taken. The PROXY header and the
//! TLS handshake count as part of the head. A stream with a complete head keeps its room until its
//! request is answered. [`Pending`] is the place of one stream; dropping it releases the room.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    future::pending,
    net::IpAddr,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, sleep_until},
};

use super::addresses::counted;
use crate::{
    config::{Proxy, ServerConfig},
    fixed,
    sync::{Mutex, MutexGuard},
};

/// The pending streams of one listener.
#[derive(Debug)]
pub(crate) struct PendingStreams {
    /// One permit for each stream without a 101.
    room: Arc<Semaphore>,
    /// The number of incomplete heads that one address may have.
    share: usize,
    /// The time from accept to the end of the first head.
    timeout: Duration,
    /// The trusted proxies. Their addresses have no share, because each stands for many clients.
    proxy: Proxy,
    heads: Mutex<Heads>,
}

/// The incomplete heads, by age and by address. Each head is in `by_age`.
#[derive(Debug, Default)]
struct Heads {
    next_id: u64,
    by_age: BTreeMap<u64, Head>,
    by_address: HashMap<IpAddr, BTreeSet<u64>>,
}

/// A stream whose head is incomplete.
#[derive(Debug)]
struct Head {
    since: Instant,
    /// The address whose share it belongs to.
    address: Option<IpAddr>,
    room: OwnedSemaphorePermit,
    /// Wakes the stream's task when its room is given to another stream.
    cut: Arc<Notify>,
}

/// The place of one stream among the streams without a 101. The default is for a stream inside the
/// process: it takes no room and has no deadline.
#[derive(Debug, Default)]
pub(crate) struct Pending(Option<Place>);

#[derive(Debug)]
struct Place {
    streams: Arc<PendingStreams>,
    id: u64,
    since: Instant,
    cut: Arc<Notify>,
    holds: Mutex<Holds>,
}

/// The part of the limits that a stream holds.
#[derive(Debug)]
enum Holds {
    /// A place among the incomplete heads, unless its room was given to another stream.
    Head,
    /// Room. The stream's head is complete.
    Room(OwnedSemaphorePermit),
    /// Nothing. The stream's request goes to an HTTP service.
    Nothing,
}

impl PendingStreams {
    pub(crate) fn new(server: &ServerConfig) -> Arc<Self> {
        let limits = &server.limits;
        let share = limits.connections_per_ip.unwrap_or(limits.pending_handshakes / fixed::PENDING_SHARES);
        Arc::new(Self {
            room: Arc::new(Semaphore::new(limits.pending_handshakes.min(Semaphore::MAX_PERMITS))),
            share: share.max(fixed::PENDING_OF_AN_ADDRESS),
            timeout: limits.handshake_timeout,
            proxy: server.proxy.clone(),
            heads: Mutex::default(),
        })
    }

    /// Waits for room for a stream of this peer. Returns `None` if its address is at its share of
    /// incomplete heads and none of them can be closed yet.
    ///
    /// Only the accept loop may call it, one call at a time.
    pub(crate) async fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Pending> {
        let address = (!self.proxy.trusts(peer)).then(|| counted(peer));
        if let Some(address) = address
            && !self.has_place(address)
        {
            return None;
        }
        let room = self.room().await?;
        let (since, cut) = (Instant::now(), Arc::default());
        let head = Head { since, address, room, cut: Arc::clone(&cut) };
        let mut heads = self.heads();
        let id = heads.next_id;
        heads.next_id += 1;
        heads.insert(id, head);
        drop(heads);
        let holds = Mutex::new(Holds::Head);
        Some(Pending(Some(Place { streams: Arc::clone(self), id, since, cut, holds })))
    }

    /// Returns whether this address may have one more incomplete head. At its share, its oldest
    /// head is closed if it is old enough.
    fn has_place(&self, address: IpAddr) -> bool {
        // Without room, an address with many heads must not delay other addresses.
        let share = match self.room.available_permits() {
            0 => fixed::PENDING_OF_AN_ADDRESS,
            _ => self.share,
        };
        self.heads().has_place(address, share)
    }

    /// Waits for room. If necessary, the oldest incomplete head is closed as soon as it is old
    /// enough.
    async fn room(&self) -> Option<OwnedSemaphorePermit> {
        let mut room = pin!(Arc::clone(&self.room).acquire_owned());
        loop {
            let oldest = self.heads().by_age.first_key_value().map(|(id, head)| (*id, head.since));
            let since = oldest.map_or_else(Instant::now, |(_, since)| since);
            tokio::select! {
                biased;
                // The semaphore is never closed.
                room = &mut room => return room.ok(),
                () = sleep_until(since + fixed::LEAST_HEAD_AGE) => {
                    if let Some((id, _)) = oldest {
                        self.heads().cut(id);
                    }
                }
            }
        }
    }

    fn heads(&self) -> MutexGuard<'_, Heads> {
        self.heads.lock()
    }
}

impl Heads {
    fn insert(&mut self, id: u64, head: Head) {
        if let Some(address) = head.address {
            self.by_address.entry(address).or_default().insert(id);
        }
        self.by_age.insert(id, head);
    }

    fn remove(&mut self, id: u64) -> Option<Head> {
        let head = self.by_age.remove(&id)?;
        if let Some(address) = head.address
            && let Some(ids) = self.by_address.get_mut(&address)
        {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_address.remove(&address);
            }
        }
        Some(head)
    }

    /// Takes the room of a stream and wakes its task. Returns `false` if the stream is too young.
    fn cut(&mut self, id: u64) -> bool {
        let is_old = self.by_age.get(&id).is_some_and(|it| it.since.elapsed() >= fixed::LEAST_HEAD_AGE);
        if is_old && let Some(head) = self.remove(id) {
            head.cut.notify_one();
        }
        is_old
    }

    fn has_place(&mut self, address: IpAddr, share: usize) -> bool {
        let Some(ids) = self.by_address.get(&address) else { return true };
        ids.len() < share || ids.first().copied().is_some_and(|oldest| self.cut(oldest))
    }
}

impl Pending {
    /// Returns the time by which the first head must be complete.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.as_ref().map(|place| place.since + place.streams.timeout)
    }

    /// Counts the stream under the address of this client, which a trusted proxy has named. Returns
    /// `false` if the client is at its share of incomplete heads.
    pub(crate) fn belongs_to(&self, client: IpAddr) -> bool {
        let Some(Place { streams, id, .. }) = &self.0 else { return true };
        let address = counted(client);
        if streams.proxy.trusts(client) {
            return true;
        }
        if !streams.has_place(address) {
            return false;
        }
        let mut heads = streams.heads();
        if let Some(mut head) = heads.remove(*id) {
            head.address = Some(address);
            heads.insert(*id, head);
        }
        true
    }

    /// Marks the head as complete: the stream no longer counts under its address, and it is not
    /// closed to make room.
    pub(crate) fn head_is_complete(&self) {
        let Some(place) = &self.0 else { return };
        let mut holds = place.holds();
        if matches!(*holds, Holds::Head)
            && let Some(head) = place.streams.heads().remove(place.id)
        {
            *holds = Holds::Room(head.room);
        }
    }

    /// Marks that the request was refused and that the stream waits for another head. It keeps its
    /// age, and it does not count under any address.
    pub(crate) fn awaits_another_head(&self) {
        let Some(place) = &self.0 else { return };
        let mut holds = place.holds();
        match std::mem::replace(&mut *holds, Holds::Head) {
            Holds::Room(room) => {
                let head = Head { since: place.since, address: None, room, cut: Arc::clone(&place.cut) };
                place.streams.heads().insert(place.id, head);
            }
            other => *holds = other,
        }
    }

    /// Releases the room and ends the deadline, because the request is not a handshake.
    pub(crate) fn release(&self) {
        self.head_is_complete();
        if let Some(place) = &self.0 {
            *place.holds() = Holds::Nothing;
        }
    }

    /// Waits until the stream's room is given to another stream.
    pub(crate) async fn lost_place(&self) {
        let Some(place) = &self.0 else { return pending().await };
        place.cut.notified().await;
        // Stores the notification again for the next caller.
        place.cut.notify_one();
    }

    /// Waits until the deadline or until the stream's room is given to another stream. Never
    /// returns if the room was released by [`release`](Self::release).
    pub(crate) async fn overdue(&self) {
        let Some(place) = &self.0 else { return pending().await };
        tokio::select! {
            () = sleep_until(place.since + place.streams.timeout) => {}
            () = self.lost_place() => {}
        }
        place.unless_released().await;
    }

    /// Waits for this time, within which a request in progress must be answered. Never returns if
    /// the room was released by [`release`](Self::release).
    pub(crate) async fn overdue_by(&self, longest: Duration) {
        let Some(place) = &self.0 else { return pending().await };
        sleep(longest).await;
        place.unless_released().await;
    }
}

impl Place {
    /// Returns at once, or never if the room was released by `release`.
    async fn unless_released(&self) {
        if matches!(*self.holds(), Holds::Nothing) {
            pending().await
        }
    }

    fn holds(&self) -> MutexGuard<'_, Holds> {
        self.holds.lock()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.streams.heads().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::{task::unconstrained, time::advance};

    use super::*;
    use crate::config::ProxyProtocol;

    const TIMEOUT: Duration = Duration::from_secs(10);
    const AGE: Duration = fixed::LEAST_HEAD_AGE;

    fn streams(pending: usize, change: impl FnOnce(&mut ServerConfig)) -> Arc<PendingStreams> {
        let mut server = ServerConfig::default();
        server.limits.pending_handshakes = pending;
        server.limits.handshake_timeout = TIMEOUT;
        change(&mut server);
        PendingStreams::new(&server)
    }

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    /// Returns a place for a stream of this address, which must be free without waiting.
    fn at_once(streams: &Arc<PendingStreams>, last: u8) -> Option<Pending> {
        unconstrained(streams.admit(address(last))).now_or_never().flatten()
    }

    fn is_overdue(pending: &Pending) -> bool {
        pending.overdue().now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn at_its_share_an_address_loses_its_oldest_head_or_the_new_stream() {
        let cases: [(usize, Option<usize>, usize); 5] = [
            (8 * 20, None, 20),
            (8 * 10, None, 16),
            (400, Some(1), 16),
            (400, Some(30), 30),
            (400, None, 50),
        ];
        for (pending, per_address, share) in cases {
            let streams = streams(pending, |it| it.limits.connections_per_ip = per_address);
            let mut held: Vec<Pending> = (0..share).map(|_| at_once(&streams, 1).unwrap()).collect();
            assert!(at_once(&streams, 1).is_none(), "{share} of {pending}");
            let _other = at_once(&streams, 2).unwrap();
            advance(AGE).await;
            held.push(at_once(&streams, 1).unwrap());
            assert_eq!(held.iter().map(is_overdue).filter(|it| *it).count(), 1, "{share} of {pending}");
            assert!(is_overdue(&held[0]) || held[1..].iter().all(|it| !is_overdue(it)));
            // A complete head and a dropped stream both leave the share.
            held[1].head_is_complete();
            held.remove(2);
            advance(AGE / 2).await;
            let _two = [at_once(&streams, 1).unwrap(), at_once(&streams, 1).unwrap()];
            assert!(held[1..].iter().all(|it| !is_overdue(it)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_room_the_oldest_unfinished_head_is_closed_once_it_is_old_enough() {
        let streams = streams(3, |_| {});
        let held: Vec<Pending> = (1..=3).map(|last| at_once(&streams, last).unwrap()).collect();
        held[0].head_is_complete();
        assert!(at_once(&streams, 4).is_none());
        let began = Instant::now();
        let _new = streams.admit(address(4)).await.unwrap();
        assert_eq!(began.elapsed(), AGE);
        for _ in 0..2 {
            assert_eq!([0, 1, 2].map(|it| is_overdue(&held[it])), [false, true, false]);
        }
        // A head that follows a refusal is as old as its stream.
        held[0].awaits_another_head();
        let _newer = at_once(&streams, 5).unwrap();
        assert!(is_overdue(&held[0]) && !is_overdue(&held[2]));
    }

    #[tokio::test(start_paused = true)]
    async fn without_room_an_address_with_many_heads_does_not_delay_others() {
        let streams = streams(160, |_| {});
        let _held: Vec<Pending> =
            (0..160).map(|number| at_once(&streams, 1 + (number % 8) as u8).unwrap()).collect();
        // The stream is refused without waiting, so that the accept loop can take the next one.
        let refused = unconstrained(streams.admit(address(1))).now_or_never();
        assert!(matches!(refused, Some(None)), "{refused:?}");
        let began = Instant::now();
        let _other = streams.admit(address(9)).await.unwrap();
        assert_eq!(began.elapsed(), AGE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_trusted_proxy_has_no_share_and_the_client_that_it_names_has_one() {
        let streams = streams(160, |it| {
            it.proxy.trusted = vec!["10.0.0.1".parse().unwrap(), "10.0.0.3".parse().unwrap()];
            it.proxy.protocol = ProxyProtocol::V1OrV2;
        });
        let held: Vec<Pending> = (0..100).map(|_| at_once(&streams, 1).unwrap()).collect();
        let (of_client, rest) = held.split_at(20);
        assert!(of_client.iter().all(|it| it.belongs_to(address(2))));
        assert!(!rest[0].belongs_to(address(2)) && at_once(&streams, 2).is_none());
        assert!(rest.iter().all(|it| it.belongs_to(address(3))), "another proxy");
        advance(AGE).await;
        assert!(rest[0].belongs_to(address(2)) && is_overdue(&of_client[0]));
    }

    #[tokio::test(start_paused = true)]
    async fn ended_streams_leave_no_entry() {
        let streams = streams(1, |_| {});
        for step in 0..4 {
            let pending = at_once(&streams, 1).unwrap();
            if step > 0 {
                pending.head_is_complete();
            }
            if step > 1 {
                pending.awaits_another_head();
            }
            if step > 2 {
                pending.release();
                assert!(at_once(&streams, 2).is_some());
                assert!(!is_overdue(&pending));
            }
            drop(pending);
            let heads = streams.heads();
            assert!(heads.by_age.is_empty() && heads.by_address.is_empty(), "{step}");
            assert_eq!(streams.room.available_permits(), 1, "{step}");
        }
    }
}

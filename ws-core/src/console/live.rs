//! The open connections, the rooms, and the last changes, as JSON.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::{
    connection::Connection,
    fixed,
    hub::{Hub, JournalEntry, JournalKind, Place, RoomMembers},
};

/// The number of connections that are shown.
const CONNECTIONS: usize = 500;
/// The number of rooms that are shown.
const ROOMS: usize = 200;
/// The number of members of a room that are shown.
const MEMBERS: usize = 50;

/// Returns the current state. Lists are bounded; the counts beside them are complete.
pub(super) fn snapshot(hub: &Hub) -> Value {
    let live = hub.live();
    let (mut rooms, room_count) = live.groups().rooms(ROOMS, MEMBERS);
    rooms.sort_by(|a, b| (a.controller, &a.name).cmp(&(b.controller, &b.name)));
    let connections: Vec<Value> = some_connections(hub).iter().map(connection).collect();
    json!({
        "now": millis(SystemTime::now()),
        "count": live.len(),
        "connections": connections,
        "rooms": rooms.iter().map(room).collect::<Vec<_>>(),
        "room_count": room_count,
        "journal": live.journal().entries().iter().map(entry).collect::<Vec<_>>(),
    })
}

/// Returns at most [`CONNECTIONS`] connections, in the order of their ids.
fn some_connections(hub: &Hub) -> Vec<Connection> {
    let (mut place, mut some) = (Place::default(), Vec::new());
    while some.len() < CONNECTIONS {
        let mut turn = Vec::new();
        hub.live().take(None, &mut place, &mut turn);
        if turn.is_empty() {
            break;
        }
        some.extend(turn.into_iter().map(|recipient| recipient.connection));
    }
    some.truncate(CONNECTIONS);
    some.sort_by_key(|connection| connection.id().sequence());
    some
}

fn connection(connection: &Connection) -> Value {
    let (received, sent) = connection.tap().counts();
    let (waiting, waiting_bytes) = connection.outbox().waiting();
    let membership = connection.membership_if_any();
    let rooms = membership.map(|it| it.rooms()).unwrap_or_default();
    let handshake = connection.handshake();
    json!({
        "id": connection.id(),
        "server": connection.server(),
        "route": connection.route(),
        "path": handshake.path(),
        "controller": connection.controller(),
        "subprotocol": handshake.subprotocol(),
        "peer": connection.peer_addr(),
        "user": membership.and_then(|it| it.user()).as_deref(),
        "rooms": rooms.iter().map(|name| &**name).collect::<Vec<_>>(),
        "seconds": connection.expiry().age().as_secs_f64(),
        "received": received,
        "sent": sent,
        "waiting": waiting,
        "waiting_bytes": waiting_bytes,
        "dropped": connection.dropped(),
        "is_open": connection.is_open(),
    })
}

fn room(room: &RoomMembers) -> Value {
    let RoomMembers { controller, name, members, ids } = room;
    json!({ "controller": controller, "name": **name, "members": members, "ids": ids })
}

fn entry(entry: &JournalEntry) -> Value {
    let JournalEntry { number, at, peer, path, kind } = entry;
    let mut value = match kind {
        JournalKind::Opened { id } => json!({ "kind": "opened", "id": id }),
        JournalKind::Closed { id, code, reason, seconds } => {
            json!({ "kind": "closed", "id": id, "code": code, "reason": reason, "seconds": seconds })
        }
        JournalKind::Refused { status, text } => {
            json!({ "kind": "refused", "status": status, "reason": text })
        }
    };
    if let Some(fields) = value.as_object_mut() {
        let common = json!({ "number": number, "at": millis(*at), "peer": peer, "path": path });
        fields.extend(common.as_object().cloned().unwrap_or_default());
    }
    value
}

/// Milliseconds since 1970, as JavaScript has them.
pub(super) fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

const _: () = assert!(MEMBERS <= fixed::MEMBERS_A_TURN, "a room shows one turn of members");

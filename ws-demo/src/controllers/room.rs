//! Typed handlers: `/wss/rooms/{room}`, a chat for clients with a token.
//!
//! Each event has a method, the parameters are chosen by their types, and the returned value is the
//! reply:
//!
//! | sent | reply | sent to the others in the room |
//! |---|---|---|
//! | (the connection opens) | `welcome {"room", "members"}` | `joined {"account"}` |
//! | `say {"text"}` | `said {"id", "from", "text"}` | the same |
//! | `whoami` | `whoami {"uid", "account"}` | |
//! | `who` | `who ["jerry", ..]` | |
//! | `online` | `online ["jerry", ..]`, now and after each change | |
//! | `history {"limit"}` | `history {"id", "from", "text"}`, one a line | |
//! | (the connection ends) | | `left {"account"}` |
//!
//! Events with data of their own are types, so that name and data always match. The typed layer
//! answers malformed events. A fault of a text is answered with a code of [`ChatError`]. A client
//! that offers the subprotocol `msgpack` gets everything as MessagePack.
//!
//! In a cluster a room has members on several processes. `said`, `joined` and `left` reach all of
//! them, and `who` and `online` list the accounts of all. `members` and `history` are local.

use std::{collections::BTreeSet, time::Duration};

use futures_util::stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ws_core::{
    hub::{Members, Reach},
    prelude::*,
};

use crate::{
    chat::{Chat, RoomName, Said, Say},
    errors::{self, ChatError},
    login::Claims,
    middleware::websocket_auth,
    users::{Uid, Users},
};

/// The number of lines that `history` sends by default.
const HISTORY_LINES: usize = 20;
/// The time that `who` and `online` wait for the other processes.
const WHO_TIMEOUT: Duration = Duration::from_secs(1);

/// A chat room. Each line reaches all members.
#[ws_controller(
    path = "/wss/rooms/{room}",
    middleware(websocket_auth),
    subprotocols("msgpack", "demo.v1"),
    emits(Joined, Left),
    limits(message = "16KiB"),
    // Messages of a room contain no secrets.
    compression(mode = "per_message", threshold = "128B")
)]
#[guard(logged_in)]
pub(crate) struct Room {
    #[state]
    users: Users,
    #[state]
    chat: Chat,
}

/// Rooms need an account, also if `JWT_OPEN=false` accepts handshakes without a token.
async fn logged_in(handshake: &Handshake) -> Result {
    handshake.context().get::<Claims>().map(|_| ()).or_status(401, "the rooms need a token")
}

/// The user of a connection.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Member {
    uid: Uid,
    account: String,
}

/// The first event of a connection.
#[derive(Debug, Serialize, JsonSchema, WsEvent)]
#[ws_event("welcome")]
struct Welcome<'a> {
    room: &'a str,
    members: Vec<String>,
}

/// A user joined the room.
#[derive(Debug, Serialize, JsonSchema, WsEvent)]
#[ws_event("joined")]
struct Joined<'a> {
    account: &'a str,
}

/// A user left the room.
#[derive(Debug, Serialize, JsonSchema, WsEvent)]
#[ws_event("left")]
struct Left<'a> {
    account: &'a str,
}

/// Asks for the last lines of the room.
#[derive(Debug, Default, Deserialize, JsonSchema, WsEvent)]
#[ws_event("history", stream = Said)]
struct History {
    /// The number of lines; 20 if it is not given.
    limit: Option<usize>,
}

/// Asks for the accounts in the room, now and after each change.
#[derive(Debug, Deserialize, JsonSchema, WsEvent)]
#[ws_event("online", stream = BTreeSet<String>)]
struct Online {}

#[ws_handlers]
impl Room {
    #[on_open]
    async fn join<'a>(
        &self,
        conn: &Connection,
        Path(room): &'a Path<RoomName>,
        claims: Context<Claims>,
    ) -> Result<Welcome<'a>> {
        let uid = claims.data.uid;
        let account = self.users.account(uid).await?.or_status(403, errors::ACCOUNT_GONE.msg)?;
        conn.identify(&account)?;
        // After this, lines that are said on other processes arrive as well. While the broker is
        // unreachable, the room works on this process alone.
        if conn.join_confirmed(room.as_str()).await? == Reach::Local {
            tracing::warn!(room = room.as_str(), account, "joined without the other processes");
        }
        conn.room(room.as_str()).except(conn.id()).emit(&Joined { account: &account });
        conn.context().set(Member { uid, account });
        Ok(Welcome { room: room.as_str(), members: members(conn, room) })
    }

    /// The other members get it through the room, the sender as the reply, with its `ref`.
    #[on_event("say")]
    async fn say(
        &self,
        conn: &Connection,
        Path(room): &Path<RoomName>,
        Context(member): Context<Member>,
        Data(say): Data<Say>,
    ) -> Result<Said, ChatError> {
        let said = self.chat.say(room, member.account, say)?;
        conn.room(room.as_str()).except(conn.id()).emit(&said);
        Ok(said)
    }

    /// Returns the account of the connection.
    #[on_event("whoami")]
    async fn whoami(&self, Context(member): Context<Member>) -> Data<Member> {
        Data(member)
    }

    /// Returns the accounts in the room, on all processes.
    #[on_event("who")]
    async fn who(&self, conn: &Connection, Path(room): &Path<RoomName>) -> Data<BTreeSet<String>> {
        Data(settled(&mut conn.room(room.as_str()).members()).await)
    }

    /// Returns the accounts in the room on all processes, now and after each change.
    #[on_event("online")]
    async fn online(
        &self,
        conn: &Connection,
        Path(room): &Path<RoomName>,
        _asked: Option<Data<Online>>,
        reply: Reply,
    ) -> Result {
        let members = conn.room(room.as_str()).members();
        // In a task of its own, so that other events are handled meanwhile.
        conn.spawn(async move { reply.send(Stream::new(online(members))).await })?;
        Ok(())
    }

    /// Returns the last lines that were said on this process, oldest first.
    #[on_event("history")]
    async fn history(
        &self,
        Path(room): &Path<RoomName>,
        asked: Option<Data<History>>,
    ) -> Stream<impl futures_util::Stream<Item = Data<Said>> + use<>> {
        let limit = asked.and_then(|Data(asked)| asked.limit).unwrap_or(HISTORY_LINES);
        Stream::new(stream::iter(self.chat.history(room, limit).into_iter().map(Data)))
    }

    #[on_close]
    async fn leave(
        &self,
        conn: &Connection,
        Path(room): &Path<RoomName>,
        member: Option<Context<Member>>,
    ) -> Result {
        if let Some(Context(member)) = member {
            conn.room(room.as_str()).except(conn.id()).emit(&Left { account: &member.account });
        }
        Ok(())
    }
}

/// Waits until all processes have reported the accounts in the room. After the timeout, these are
/// the accounts that are known.
async fn settled(members: &mut Members) -> BTreeSet<String> {
    if tokio::time::timeout(WHO_TIMEOUT, members.settled()).await.is_err() {
        tracing::warn!("not all processes have reported the members of a room");
    }
    accounts(members)
}

fn accounts(members: &Members) -> BTreeSet<String> {
    members.current().into_iter().filter_map(|member| Some(member.user?.to_string())).collect()
}

/// The accounts in a room on all processes, now and after each change.
fn online(members: Members) -> impl futures_util::Stream<Item = Data<BTreeSet<String>>> {
    stream::unfold((members, None), async |(mut members, known)| {
        let mut present = match &known {
            None => settled(&mut members).await,
            Some(known) => BTreeSet::clone(known),
        };
        // An account may have several connections, so not every change of members changes the
        // accounts.
        while known.as_ref() == Some(&present) {
            members.next().await?;
            present = accounts(&members);
        }
        Some((Data(present.clone()), (members, Some(present))))
    })
}

/// The accounts in a room on this process, each once.
fn members(conn: &Connection, room: &RoomName) -> Vec<String> {
    let hub = conn.hub();
    let ids = conn.room(room.as_str()).ids_local();
    let mut accounts: Vec<String> =
        ids.into_iter().filter_map(|id| hub.get_local(id)?.user().map(|user| user.to_string())).collect();
    accounts.sort();
    accounts.dedup();
    accounts
}

//! The actions of the page: closing a connection, pushing a message.

use serde_json::{Value, json};

use crate::{
    hub::{Delivery, Hub, Target},
    wire::{ConnectionId, may_be_sent},
};

/// Closes the connection `id` with `code` and `reason`.
pub(super) fn disconnect(hub: &Hub, asked: &Value) -> Result<Value, String> {
    let id = id(asked)?;
    let code = asked.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    let code = code.filter(|code| may_be_sent(*code)).ok_or(
        "expected `code`: 1000 to 1003, 1007 to 1014 or 3000 to 4999; a program's own codes begin at 4000",
    )?;
    let reason = asked.get("reason").and_then(Value::as_str).unwrap_or_default();
    let connection = hub.get_local(id).ok_or("the connection has ended")?;
    connection.disconnect(code, reason).map_err(|error| error.to_string())?;
    Ok(json!({ "id": id }))
}

/// Pushes to the connection `id`, or to the members of `room` of `controller`: the event `event`
/// with `data`, or the text message `text`.
pub(super) fn push(hub: &Hub, asked: &Value) -> Result<Value, String> {
    let text = |key: &str| asked.get(key).and_then(Value::as_str);
    let target = match (text("controller"), text("room")) {
        (Some(controller), Some(room)) => {
            let room = hub.room_named(controller, room);
            let room = room.ok_or_else(|| format!("unknown controller `{controller}`"))?;
            Target::clone(&room)
        }
        _ => hub.connection(id(asked)?),
    };
    let Delivery { sent, full, gone, failed, .. } = match (text("event"), text("text")) {
        (Some(event), _) => target.event(event, asked.get("data").unwrap_or(&Value::Null)),
        (None, Some(text)) => target.push(text),
        (None, None) => return Err("expected `event` or `text`".to_owned()),
    };
    Ok(json!({ "sent": sent, "full": full, "gone": gone, "failed": failed }))
}

fn id(asked: &Value) -> Result<ConnectionId, String> {
    let id = asked.get("id").and_then(Value::as_str).ok_or("expected `id`")?;
    id.parse().map_err(|error| format!("`id`: {error}"))
}

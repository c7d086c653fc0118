use ws_core::{handlers::EventName, prelude::*};

async fn takes_data(_: Data<String>) -> Result {
    Ok(())
}

async fn takes_the_message(_: Text) -> Result {
    Ok(())
}

async fn takes_the_name(_: Option<EventName<'_>>) -> Result {
    Ok(())
}

async fn takes_the_reason(_: CloseReason) -> Result {
    Ok(())
}

async fn takes_two(_: Data<String>, _: Message) -> Result {
    Ok(())
}

async fn takes_path(_: &Connection, _: &Path<u8>) -> Result {
    Ok(())
}

#[ws_controller(path = "/rooms")]
struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    #[guard(takes_data)]
    #[guard(takes_path)]
    async fn open(&self) {}

    #[on_text]
    #[guard(takes_the_message)]
    #[guard(takes_the_name)]
    async fn text(&self) {}

    #[on_event("say")]
    #[guard(takes_data)]
    #[guard(takes_the_reason)]
    #[guard(takes_two)]
    async fn say(&self, data: Data<String>) {
        drop(data);
    }
}

fn main() {}

use ws_core::prelude::*;

struct Bare;

#[derive(serde::Deserialize)]
struct Seat;

#[ws_controller(path = "/rooms/{room}")]
struct Room;

#[ws_handlers]
impl Room {
    #[on_event("data")]
    async fn data(&self, _bare: Data<Bare>) {}

    #[on_event("reply")]
    async fn reply(&self) -> Data<Bare> {
        Data(Bare)
    }

    #[on_event("path")]
    async fn path(&self, _bare: &Path<Bare>) {}

    #[on_event("path-by-value")]
    async fn path_by_value(&self, _seat: Path<Seat>) {}

    #[on_event("context")]
    async fn context(&self, _bare: Context<Bare>) {}
}

fn main() {}

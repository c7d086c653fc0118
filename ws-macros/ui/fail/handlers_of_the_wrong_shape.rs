use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    fn not_async(&self) {}

    #[on_close]
    async fn without_self() {}

    #[on_text]
    async fn changes_it(&mut self) {}

    #[on_binary]
    async fn takes_it(self) {}

    #[on_event("a")]
    async fn generic<T>(&self, Data(data): Data<T>) {}

    #[on_event("b")]
    async fn hidden_generic(&self, data: Data<impl Clone>) {}

    #[on_event("c")]
    async unsafe fn not_safe(&self) {}
}

fn main() {}

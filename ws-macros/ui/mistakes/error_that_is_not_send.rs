//! An error type without `Send` and `Sync`
//! Write: `Box<dyn std::error::Error + Send + Sync>`, or `ws_core::Result`

use ws_core::prelude::*;

struct Room;

#[ws_handlers]
impl Room {
    #[on_event("say")]
    async fn say(&self) -> Result<Data<u8>, Box<dyn std::error::Error>> {
        Ok(Data("7".parse()?))
    }
}

fn main() {}

//! A JSON event by attributes. What it is compared with is `by_hand`, which shares the payload's types.

use ws_core::{Data, ws_handlers};

use super::by_hand::{Said, Say};

pub(super) struct Chat;

#[ws_handlers]
impl Chat {
    #[on_event("say")]
    async fn say(&self, Data(say): Data<Say>) -> Data<Said> {
        Data(Said::from(say))
    }
}

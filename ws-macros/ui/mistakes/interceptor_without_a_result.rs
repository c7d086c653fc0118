//! An interceptor that returns nothing
//! Write: `-> Result`, and the result of `next.run(callback).await`

use ws_core::prelude::*;

#[ws_interceptor]
async fn timing(callback: Callback<'_>, next: NextHandler<'_>) {
    let _ = next.run(callback).await;
}

fn main() {}

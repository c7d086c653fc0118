use ws_core::prelude::*;

#[ws_interceptor]
fn not_async(callback: Callback<'_>, next: NextHandler<'_>) -> Result {
    todo!()
}

#[ws_interceptor]
async fn without_next(callback: Callback<'_>) -> Result {
    Ok(())
}

#[ws_interceptor(scope = "route", order = 1)]
async fn both(callback: Callback<'_>, next: NextHandler<'_>) -> Result {
    next.run(callback).await
}

#[ws_interceptor(sever = "ws")]
async fn misspelt(callback: Callback<'_>, next: NextHandler<'_>) -> Result {
    next.run(callback).await
}

fn main() {}

use ws_core::prelude::*;

#[ws_interceptor]
fn not_async(call: Invocation<'_>, next: NextCall<'_>) -> Outcome {
    todo!()
}

#[ws_interceptor]
async fn without_next(call: Invocation<'_>) -> Outcome {
    Ok(())
}

#[ws_interceptor(scope = "route", order = 1)]
async fn both(call: Invocation<'_>, next: NextCall<'_>) -> Outcome {
    next.run(call).await
}

#[ws_interceptor(sever = "ws")]
async fn misspelt(call: Invocation<'_>, next: NextCall<'_>) -> Outcome {
    next.run(call).await
}

fn main() {}

#![allow(non_camel_case_types)]

use ws_core::prelude::*;

#[ws_controller(path = "/raw", middleware(r#async))]
struct r#struct {
    #[state]
    r#type: u8,
}

impl Controller for r#struct {
    async fn on_open(&self, _conn: &Connection) -> Result {
        let _ = self.r#type;
        Ok(())
    }
}

#[ws_middleware(scope = "route")]
async fn r#async(r#fn: Handshake, r#in: Next<'_>) -> Result<Response> {
    r#in.run(r#fn).await
}

#[ws_error_handler]
async fn r#try(_error: &Error, _scene: &Scene) -> Recovery {
    Recovery::pass()
}

use ws_core::prelude::*;

/// Documented.
#[cfg(true)]
#[ws_controller(path = "/on")]
#[derive(Debug, Default)]
#[allow(dead_code)]
struct On {
    /// An existing state.
    #[cfg(true)]
    #[state]
    there: u8,
    #[state]
    #[cfg(false)]
    gone: Missing,
    #[cfg(false)]
    also_gone: Missing,
}

impl Controller for On {}

#[ws_controller(path = "/off")]
#[cfg(false)]
struct Off(Missing);

#[derive(Debug)]
#[ws_controller(path = "/tuple")]
struct Tuple(
    #[cfg(false)]
    #[state]
    Missing,
    #[state] u8,
    #[cfg(true)] u16,
);

impl Controller for Tuple {
    async fn on_open(&self, conn: &Connection) -> Result {
        conn.push(format!("{} {}", self.0, self.1))?;
        Ok(())
    }
}

/// Documented.
#[ws_middleware]
#[allow(unused_variables)]
#[deprecated]
async fn conditional(
    handshake: Handshake,
    next: Next<'_>,
    #[cfg(false)] gone: State<Missing>,
    #[cfg(true)] there: State<u8>,
) -> Result<Response> {
    next.run(handshake).await
}

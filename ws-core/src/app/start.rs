//! Start hooks: functions that run before the first connection is accepted. See
//! [`App::on_start`](super::App::on_start).

use std::{collections::HashMap, fmt, net::SocketAddr, pin::Pin, sync::Arc};

use crate::{
    caught::caught,
    error::{Error, Result},
    place::Location,
    state::States,
};

/// The application while it starts, as passed to start hooks. All listeners are bound, and no
/// connection is accepted yet.
///
/// ```
/// use ws_core::{App, Result, app::Starting};
///
/// #[derive(Clone)]
/// struct Greeting(&'static str);
///
/// async fn announce(app: Starting) -> Result {
///     let Greeting(text) = app.state().ok_or("no greeting")?;
///     println!("{text}, on {:?}", app.local_addr("ws"));
///     Ok(())
/// }
/// let app = App::without_registry().state(Greeting("hello")).on_start(announce);
/// ```
#[derive(Clone)]
pub struct Starting {
    pub(super) addresses: Arc<HashMap<String, SocketAddr>>,
    pub(super) states: Arc<States>,
}

impl Starting {
    /// Returns the address that this server will listen on; `None` if the server is not bound.
    pub fn local_addr(&self, server: &str) -> Option<SocketAddr> {
        self.addresses.get(server).copied()
    }

    /// Returns a clone of the value that was passed to [`App::state`](crate::App::state); `None` if
    /// no value of this type was given.
    pub fn state<T: Clone + 'static>(&self) -> Option<T> {
        self.states.read_at_start()
    }
}

impl fmt::Debug for Starting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Starting").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// The return value of a start hook: `()` or a [`Result`].
///
/// ```
/// use ws_core::App;
///
/// let app = App::without_registry()
///     .on_start(async |_| println!("starting"))
///     .on_start(async |_| std::fs::create_dir_all("uploads"));
/// ```
pub trait HookOutcome {
    #[doc(hidden)]
    fn into_result(self) -> Result;
}

impl HookOutcome for () {
    fn into_result(self) -> Result {
        Ok(())
    }
}

impl<E: Into<Error>> HookOutcome for std::result::Result<(), E> {
    fn into_result(self) -> Result {
        self.map_err(Into::into)
    }
}

type HookFuture = Pin<Box<dyn Future<Output = Result> + Send>>;

/// One start hook, and the place of the call that added it.
pub(super) struct Hook {
    location: Location,
    run: Box<dyn FnOnce(Starting) -> HookFuture + Send>,
}

impl Hook {
    pub(super) fn new<F, Fut>(location: Location, hook: F) -> Self
    where
        F: FnOnce(Starting) -> Fut + Send + 'static,
        Fut: Future<Output: HookOutcome> + Send + 'static,
    {
        Self { location, run: Box::new(|app| Box::pin(async move { hook(app).await.into_result() })) }
    }

    /// Runs the hook. A panic is returned as an error.
    pub(super) async fn run(self, app: Starting) -> std::result::Result<(), (Location, String)> {
        let Self { location, run } = self;
        match caught(async { run(app).await }).await {
            Some(result) => result.map_err(|error| (location, error.to_string())),
            None => Err((location, "it panicked".to_owned())),
        }
    }
}

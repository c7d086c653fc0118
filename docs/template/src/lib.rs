//! The application: its controllers register themselves.

mod room;

use ws_core::App;

/// The name and the version of the interface, in documents.
const NAME: &str = env!("CARGO_PKG_NAME");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Makes the application. Values that controllers share are added here, with `.state(..)`.
pub fn app() -> App {
    App::new().described_as(NAME, VERSION)
}

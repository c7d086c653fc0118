//! `[console]`: the page for development.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

/// The settings of the development console (feature `console`).
///
/// The console starts only if the program calls `App::console`, and only in a build with
/// `debug_assertions`, unless `allow_release` is set.
///
/// ```
/// use ws_core::Config;
///
/// let config = Config::from_toml_str("[console]\nport = 9510", "ws.toml")?;
/// assert_eq!(config.console.port, 9510);
/// assert!(Config::from_toml_str("[console]\nhost = \"0.0.0.0\"", "ws.toml").is_err());
/// # Ok::<(), ws_core::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Console {
    /// The address to listen on, a loopback address; any other is an error at start. Default
    /// 127.0.0.1.
    pub host: IpAddr,
    /// The port to listen on; 0 lets the system choose. If the port is taken, a warning is logged,
    /// and the application runs without the console. Default 9500.
    pub port: u16,
    /// Whether the console also starts in a build without `debug_assertions`. Default: no, because
    /// it shows messages of users and can close their connections.
    pub allow_release: bool,
}

impl Default for Console {
    fn default() -> Self {
        Self { host: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 9500, allow_release: false }
    }
}

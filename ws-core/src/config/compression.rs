//! `[servers.compression]` and `[compression]`: permessage-deflate (RFC 7692).

use serde::{Deserialize, Serialize};

use super::units;

/// The smallest and the largest window, in bytes (RFC 7692 section 7.1.2, without 256 bytes, which
/// zlib does not support).
const WINDOWS: std::ops::RangeInclusive<usize> = 512..=32 << 10;

/// The compression of messages, permessage-deflate (RFC 7692, feature `deflate`).
///
/// Compression saves bandwidth and costs CPU. Do not compress messages that mix a secret with text
/// that another person has chosen: the size of the compressed message tells about the secret (the
/// attacks CRIME and BREACH). See `docs/compression.md`.
///
/// A route can change these settings, with `compression(..)` of `#[ws_controller]` or with
/// [`Route::compression`](crate::Route::compression). The client takes the same type in
/// `ClientBuilder::compression`.
///
/// ```
/// use ws_core::config::{Compression, CompressionMode, Config};
///
/// # #[cfg(feature = "deflate")] {
/// let config = Config::from_toml_str(
///     r#"
///     [[servers]]
///     [servers.compression]
///     mode = "per_message"
///     threshold = "256B"
///     "#,
///     "ws.toml",
/// )?;
/// let compression = &config.servers[0].compression;
/// assert_eq!(compression.mode, CompressionMode::PerMessage);
/// assert_eq!(compression.threshold(), 256);
/// assert_eq!(Compression::window().threshold(), 64);
/// # }
/// # Ok::<(), ws_core::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Compression {
    /// How messages are compressed. Default `off`.
    pub mode: CompressionMode,
    /// The smallest payload that is compressed, in bytes; smaller ones are sent uncompressed.
    /// Default: `"auto"`, which is 1 KiB, and 64 bytes in mode `window`. A message that does not become smaller is
    /// sent uncompressed, too.
    #[serde(with = "units::size_or_auto")]
    pub threshold: Option<usize>,
    /// The level, from 1 (fast) to 9 (small). Default 1. Level 2 makes messages a tenth to a quarter
    /// smaller and takes two to three times as long; higher levels gain little more.
    pub level: u32,
    /// The window of each direction in mode `window`, in bytes: a power of two from 512 bytes to
    /// 32 KiB. A connection keeps that many bytes of its last messages for each direction.
    /// Default 4 KiB.
    #[serde(with = "units::size")]
    pub window: usize,
}

impl Default for Compression {
    fn default() -> Self {
        Self { mode: CompressionMode::Off, threshold: None, level: 1, window: 4 << 10 }
    }
}

impl Compression {
    /// Compression of each message by itself, with defaults for everything else.
    pub fn per_message() -> Self {
        Self { mode: CompressionMode::PerMessage, ..Self::default() }
    }

    /// Compression of each message with those before it, with defaults for everything else.
    pub fn window() -> Self {
        Self { mode: CompressionMode::Window, ..Self::default() }
    }

    /// The smallest payload that is compressed, in bytes.
    pub fn threshold(&self) -> usize {
        self.threshold.unwrap_or(if self.mode == CompressionMode::Window { 64 } else { 1 << 10 })
    }

    /// The base-2 logarithm of the window, from 9 to 15.
    #[cfg(feature = "deflate")]
    pub(crate) fn window_bits(&self) -> u8 {
        // The check allows only powers of two up to 32 KiB.
        self.window.clamp(*WINDOWS.start(), *WINDOWS.end()).ilog2() as u8
    }

    /// Checks the rules that the types do not express. Errors name the key as written in the file.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !cfg!(feature = "deflate") && self.mode != CompressionMode::Off {
            return Err(
                "`compression.mode` needs the feature `deflate` of ws-core; write `features = [\"deflate\"]`"
                    .to_owned(),
            );
        }
        if self.threshold == Some(0) {
            return Err("`compression.threshold` must be at least one byte".to_owned());
        }
        if !(1..=9).contains(&self.level) {
            return Err("`compression.level` must be from 1 to 9".to_owned());
        }
        if !WINDOWS.contains(&self.window) || !self.window.is_power_of_two() {
            return Err("`compression.window` must be a power of two from \"512B\" to \"32KiB\"".to_owned());
        }
        Ok(())
    }
}

/// How messages are compressed.
///
/// ```
/// use ws_core::config::{Compression, CompressionMode};
///
/// assert_eq!(Compression::default().mode, CompressionMode::Off);
/// assert_eq!(Compression::window().mode, CompressionMode::Window);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CompressionMode {
    /// Not at all: no extension is negotiated.
    #[default]
    Off,
    /// Each message by itself. A connection keeps nothing between messages, and a message to many
    /// connections is compressed once.
    PerMessage,
    /// Each message with the messages before it, which makes small similar messages much smaller.
    /// A connection keeps a window for each direction. If `compression.memory` is used up, or the
    /// peer wants it, a direction works as in `PerMessage`.
    Window,
}

/// The settings of compression that all servers of the process share.
///
/// ```
/// use ws_core::Config;
///
/// let mut config = Config::default();
/// config.compression.memory = 16 << 20; // bytes
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SharedCompression {
    /// The memory for the windows of all connections, in bytes. A connection reserves the size of
    /// its windows from its handshake to its end. When too little is left, a handshake gets mode
    /// `per_message`. Default 64 MiB, which is 8192 connections with two windows of 4 KiB.
    #[serde(with = "units::size")]
    pub memory: usize,
}

impl SharedCompression {
    pub(super) fn check(&self) -> Result<(), String> {
        match self.memory {
            0 => Err("`compression.memory` must be at least one byte".to_owned()),
            _ => Ok(()),
        }
    }
}

impl Default for SharedCompression {
    fn default() -> Self {
        Self { memory: 64 << 20 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_have_limits() {
        for window in [512, 1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10] {
            for level in 1..=9 {
                assert_eq!(Compression { window, level, ..Compression::default() }.check(), Ok(()));
            }
        }
        for window in [0, 1, 256, 511, 513, 5000, 64 << 10, usize::MAX] {
            let error = Compression { window, ..Compression::default() }.check().unwrap_err();
            assert!(error.starts_with("`compression.window` must be"), "{window}: {error}");
        }
        for level in [0, 10, u32::MAX] {
            let error = Compression { level, ..Compression::default() }.check().unwrap_err();
            assert!(error.starts_with("`compression.level` must be"), "{level}: {error}");
        }
    }

    #[cfg(not(feature = "deflate"))]
    #[test]
    fn a_mode_without_the_feature_is_an_error_that_names_it() {
        assert_eq!(Compression::default().check(), Ok(()));
        for mode in ["per_message", "window"] {
            let text = format!("[[servers]]\n[servers.compression]\nmode = \"{mode}\"");
            let error = crate::Config::from_toml_str(&text, "ws.toml").unwrap_err().to_string();
            assert!(error.contains("server `ws`: `compression.mode` needs the feature `deflate`"), "{error}");
        }
    }
}

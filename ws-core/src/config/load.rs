//! Reads `ws.toml`, and checks what types alone cannot.

use std::{collections::HashSet, io, path::Path};

use super::{Config, Limits, env};

/// The least that hyper reads a head into.
const LEAST_HEAD_BYTES: usize = 8 << 10;

/// What is wrong with the configuration, and where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is there but cannot be read.
    #[error("{file}: {error}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// A wrong key or value; the text names the line and what is accepted.
    #[error("{file}: {message}")]
    Toml {
        /// The file.
        file: String,
        /// The line and the column, the line itself, and what is accepted.
        message: String,
    },
    /// A wrong environment variable.
    #[error("environment variable {variable}: {message}")]
    Env {
        /// Its name.
        variable: String,
        /// What is accepted.
        message: String,
    },
    /// Values that do not go together.
    #[error("{0}")]
    Invalid(String),
}

impl Config {
    /// Reads `ws.toml` of the working directory, if there is one, then the environment.
    ///
    /// # Errors
    /// When the file cannot be read, or something in it or in the environment is wrong.
    pub fn load() -> Result<Self, ConfigError> {
        let file = Path::new("ws.toml");
        if file.exists() { Self::from_file(file)?.with_env() } else { Self::default().with_env() }
    }

    /// Reads this file.
    ///
    /// # Errors
    /// When it cannot be read, or something in it is wrong.
    pub fn from_file(file: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let file = file.as_ref();
        let name = file.display().to_string();
        match std::fs::read_to_string(file) {
            Ok(text) => Self::from_toml_str(&text, &name),
            Err(error) => Err(ConfigError::Read { file: name, error }),
        }
    }

    /// Reads this text; `file` is what errors call it.
    ///
    /// # Errors
    /// When something in it is wrong.
    pub fn from_toml_str(text: &str, file: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text)
            .map_err(|error| ConfigError::Toml { file: file.to_owned(), message: error.to_string() })?;
        config.check().map_err(|message| ConfigError::Toml { file: file.to_owned(), message })?;
        Ok(config)
    }

    /// Puts the environment on top: `WS__SERVERS__WS__PORT=9502`, `WS__SERVERS__WS__LIMITS__MESSAGE=64KiB`,
    /// `WS__DRAIN__TIMEOUT=10s`. Servers go by their names, in upper case, with `_` for every other sign.
    ///
    /// # Errors
    /// When a variable that starts with `WS__` names nothing that there is, or has a value that is not accepted.
    pub fn with_env(self) -> Result<Self, ConfigError> {
        let config = env::apply(self, std::env::vars_os())?;
        config.check().map_err(ConfigError::Invalid)?;
        Ok(config)
    }

    /// What the types cannot say.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut names = HashSet::new();
        for server in &self.servers {
            if server.name.is_empty() {
                return Err("a server has no name; write `name = \"ws\"`".into());
            }
            if !names.insert(&*server.name) {
                return Err(format!("two servers are named `{}`; names are unique", server.name));
            }
            let Limits { connections, head, headers, outbox_messages, .. } = server.limits;
            let at_least_one =
                [("connections", connections), ("headers", headers), ("outbox_messages", outbox_messages)];
            if let Some((key, _)) = at_least_one.into_iter().find(|(_, value)| *value == 0) {
                return Err(format!("server `{}`: `limits.{key}` must be at least 1", server.name));
            }
            server.origin.check().map_err(|message| format!("server `{}`: {message}", server.name))?;
            if head < LEAST_HEAD_BYTES {
                return Err(format!("server `{}`: `limits.head` must be at least \"8KiB\"", server.name));
            }
        }
        Ok(())
    }
}

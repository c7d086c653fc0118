//! The users table: accounts in SQLite, their passwords as argon2id hashes.
//!
//! SQLite and argon2 block, so everything here runs on tokio's blocking threads and never on the
//! threads that serve connections. The number of passwords that are hashed at once is limited: each
//! hash takes 19 MiB and a core. The table is created and seeded when it is opened; this module
//! never registers, changes or removes users.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use rusqlite::{Connection, OptionalExtension as _};
use tokio::{sync::Semaphore, task};

/// The id of a user: `id` in the table, `uid` in the token.
pub(crate) type Uid = u32;

/// The account that may disconnect users.
pub(crate) const ADMIN: &str = "admin";

/// The accounts that exist after the first start.
const SEED: [(Uid, &str, &str); 3] =
    [(1, "jerry", "jerry-demo"), (2, "lily", "lily-demo"), (3, ADMIN, "admin-demo")];

/// The longest that a statement waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The hash that the password of an unknown account is compared with, so that the check takes as
/// long as for a known account. It has the default parameters, and the output of no known password.
const UNKNOWN_USER_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// An error of the users table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsersError {
    /// The directory of the file could not be created.
    #[error("the directory of the users file: {0}")]
    Directory(#[from] std::io::Error),
    /// SQLite could not open, read or write.
    #[error("the users table: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A hash could not be computed, or the stored one cannot be read.
    #[error("a password hash: {0}")]
    Hash(#[from] argon2::password_hash::Error),
    /// The blocking task did not end; the runtime is stopping.
    #[error("a blocking task: {0}")]
    Task(#[from] task::JoinError),
}

/// The place of the users table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// In the memory of this process.
    Memory,
    /// In this file, which is created if it does not exist.
    File(PathBuf),
}

impl Location {
    /// Reads `WS_DEMO_DB`: a path or `:memory:`. The default is a file in the system's temporary
    /// directory.
    pub(crate) fn from_env() -> Self {
        match std::env::var_os("WS_DEMO_DB") {
            Some(path) if path == ":memory:" => Self::Memory,
            Some(path) if !path.is_empty() => Self::File(path.into()),
            _ => Self::File(std::env::temp_dir().join("ws-demo").join("users.sqlite3")),
        }
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory => f.write_str(":memory:"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// The users; a handle that is cheap to clone.
#[derive(Clone)]
pub(crate) struct Users {
    /// Locked only on blocking threads, and never while a password is hashed.
    table: Arc<Mutex<Connection>>,
    /// One permit for each hash.
    hashing: Arc<Semaphore>,
}

impl Users {
    /// Opens the table, and creates and seeds it if necessary.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened or written.
    pub(crate) async fn open(location: Location) -> Result<Self, UsersError> {
        let table = task::spawn_blocking(move || open_table(&location)).await??;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Ok(Self { table: Arc::new(Mutex::new(table)), hashing: Arc::new(Semaphore::new(cores)) })
    }

    /// Finds the user with this account and password. An unknown account takes as long as a wrong
    /// password.
    ///
    /// # Errors
    ///
    /// If the table or the stored hash cannot be read.
    pub(crate) async fn login(&self, account: String, password: String) -> Result<Option<Uid>, UsersError> {
        // The permit moves into the blocking task, so a client that disconnects does not free it
        // early.
        let permit = Arc::clone(&self.hashing).acquire_owned().await.ok();
        let found = self.query(move |table| find(table, &account)).await?;
        task::spawn_blocking(move || {
            let _permit = permit;
            let (uid, hash) = match &found {
                Some((uid, hash)) => (Some(*uid), hash.as_str()),
                None => (None, UNKNOWN_USER_HASH),
            };
            Ok(if verify(&password, hash)? { uid } else { None })
        })
        .await?
    }

    /// Returns the account of a user: `Users::query()->where(['id' => $uid])->value('account')`.
    ///
    /// # Errors
    ///
    /// If the table cannot be read.
    pub(crate) async fn account(&self, uid: Uid) -> Result<Option<String>, UsersError> {
        self.query(move |table| {
            table.query_row("SELECT account FROM users WHERE id = ?1", [uid], |row| row.get(0)).optional()
        })
        .await
    }

    /// Whether a user with this account exists.
    ///
    /// # Errors
    ///
    /// If the table cannot be read.
    pub(crate) async fn has(&self, account: String) -> Result<bool, UsersError> {
        self.query(move |table| Ok(find(table, &account)?.is_some())).await
    }

    /// Runs a query on a blocking thread.
    async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, UsersError> {
        let table = Arc::clone(&self.table);
        let answer =
            task::spawn_blocking(move || query(&table.lock().unwrap_or_else(PoisonError::into_inner)))
                .await?;
        Ok(answer?)
    }
}

/// Finds a user and the hash of its password.
fn find(table: &Connection, account: &str) -> rusqlite::Result<Option<(Uid, String)>> {
    table
        .query_row("SELECT id, password FROM users WHERE account = ?1", [account], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
}

/// Opens the table. Several processes may do so on one file at the same time.
fn open_table(location: &Location) -> Result<Connection, UsersError> {
    let table = match location {
        Location::Memory => Connection::open_in_memory()?,
        Location::File(path) => {
            if let Some(directory) = path.parent().filter(|directory| *directory != Path::new("")) {
                std::fs::create_dir_all(directory)?;
            }
            Connection::open(path)?
        }
    };
    table.busy_timeout(BUSY_TIMEOUT)?;
    // WAL lets readers read beside a writer. SQLite refuses the switch at once while another
    // process switches; the mode belongs to the file, so the switch of the other process is enough.
    if let Err(error) = table.pragma_update(None, "journal_mode", "WAL") {
        tracing::debug!(%error, "the journal mode is unchanged");
    }
    table.execute_batch(
        "CREATE TABLE IF NOT EXISTS users (
            id INTEGER PRIMARY KEY,
            account TEXT NOT NULL UNIQUE,
            password TEXT NOT NULL
        )",
    )?;
    for (uid, account, password) in SEED {
        if find(&table, account)?.is_none() {
            // The hash is computed before the statement locks the file. If two processes seed, the
            // first row stays.
            let hash = Argon2::default().hash_password(password.as_bytes())?.to_string();
            table.execute("INSERT OR IGNORE INTO users VALUES (?1, ?2, ?3)", (uid, account, hash))?;
        }
    }
    Ok(table)
}

/// Whether the password has this hash. The parameters are those of the hash.
fn verify(password: &str, hash: &str) -> Result<bool, argon2::password_hash::Error> {
    let hash = PasswordHash::new(hash)?;
    match Argon2::default().verify_password(password.as_bytes(), &hash) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn login(users: &Users, account: &str, password: &str) -> Option<Uid> {
        users.login(account.to_owned(), password.to_owned()).await.unwrap()
    }

    /// A path of one test. Its files are removed when it is dropped.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("ws-demo-{name}-{}", std::process::id())))
        }

        fn file(&self) -> Location {
            Location::File(self.0.join("users.sqlite3"))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test]
    async fn an_account_with_its_password_is_accepted() {
        let users = Users::open(Location::Memory).await.unwrap();
        assert_eq!(login(&users, "jerry", "jerry-demo").await, Some(1));
        assert_eq!(login(&users, "lily", "lily-demo").await, Some(2));
        assert_eq!(login(&users, "admin", "admin-demo").await, Some(3));
        assert_eq!(login(&users, "jerry", "lily-demo").await, None, "another one's password");
        assert_eq!(login(&users, "jerry", "").await, None);
        assert_eq!(login(&users, "nobody", "jerry-demo").await, None);
        assert_eq!(login(&users, "' OR 1 = 1 --", "jerry-demo").await, None);
    }

    #[tokio::test]
    async fn the_account_of_a_uid_is_found_if_it_exists() {
        let users = Users::open(Location::Memory).await.unwrap();
        assert_eq!(users.account(1).await.unwrap().as_deref(), Some("jerry"));
        assert_eq!(users.account(4).await.unwrap(), None);
        assert!(users.has("jerry".to_owned()).await.unwrap());
        assert!(!users.has("nobody".to_owned()).await.unwrap());
    }

    #[test]
    fn an_unknown_account_takes_as_long_as_a_known_one() {
        let seeded = Argon2::default().hash_password(b"jerry-demo").unwrap();
        let unknown = PasswordHash::new(UNKNOWN_USER_HASH).unwrap();
        assert_eq!(unknown.algorithm, seeded.algorithm);
        assert_eq!(unknown.version, seeded.version);
        assert_eq!(unknown.params, seeded.params);
        assert_eq!(verify("jerry-demo", UNKNOWN_USER_HASH), Ok(false));
    }

    #[tokio::test]
    async fn a_file_is_seeded_once_by_several_processes() {
        let scratch = Scratch::new("seed");
        let (one, other) = tokio::join!(Users::open(scratch.file()), Users::open(scratch.file()));
        let (one, other) = (one.unwrap(), other.unwrap());
        for users in [&one, &other] {
            assert_eq!(login(users, "jerry", "jerry-demo").await, Some(1));
        }
        let count: u32 = one
            .query(|table| table.query_row("SELECT count(*) FROM users", [], |row| row.get(0)))
            .await
            .unwrap();
        assert_eq!(count as usize, SEED.len());
    }

    #[tokio::test]
    async fn a_directory_is_refused_as_the_users_file() {
        let scratch = Scratch::new("directory");
        std::fs::create_dir_all(&scratch.0).unwrap();
        let error = Users::open(Location::File(scratch.0.clone())).await.err().unwrap();
        assert!(matches!(error, UsersError::Sqlite(_)), "{error}");
    }
}

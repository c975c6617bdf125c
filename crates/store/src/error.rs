//! Why the shelf could not do as asked.

/// An error of the store. It names records by id, never what is in them.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be opened.
    #[error("cannot open {path}: {reason}")]
    Open {
        /// Which file.
        path: String,
        /// Why, and the mend where there is one.
        reason: String,
    },
    /// A file beside the database.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database itself.
    #[error("the database: {0}")]
    Database(#[from] rusqlite::Error),
    /// There is one of that name already.
    #[error("there is a {what} `{id}` already")]
    Exists {
        /// `user`, `client`, …
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// There is none of that name.
    #[error("there is no {what} `{id}`")]
    Missing {
        /// `user`, `client`, …
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// What was brought cannot be kept.
    #[error("{0}")]
    Invalid(String),
    /// A record that we wrote cannot be read again.
    #[error("the {what} `{id}` is damaged: {reason}")]
    Damaged {
        /// `user`, `client`, …
        what: &'static str,
        /// Its id.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The system gave no random bytes, or a key could not be made or opened.
    #[error("key or randomness: {0}")]
    Key(String),
}

impl StoreError {
    /// Turns a broken unique constraint into [`StoreError::Exists`].
    pub(crate) fn or_exists(error: rusqlite::Error, what: &'static str, id: &str) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => Self::Exists { what, id: id.to_owned() },
            _ => Self::Database(error),
        }
    }

    /// [`StoreError::Missing`] if a change touched no row.
    pub(crate) fn unless_found(rows: usize, what: &'static str, id: &str) -> Result<(), Self> {
        if rows == 0 { Err(Self::Missing { what, id: id.to_owned() }) } else { Ok(()) }
    }
}

//! Access and refresh tokens, by digest. A refresh token is used once; the next one follows it.

use bascule_crypto::digest::Sha256;
use bascule_fhir::Timestamp;
use bascule_smart::{Grant, Scopes};
use rusqlite::{Connection, OptionalExtension as _};

use crate::code::Redeemed;
use crate::grant::GrantRecord;
use crate::{Store, StoreError, random};

/// Tokens to be kept under a grant.
#[derive(Debug, Clone)]
pub struct NewTokens {
    /// The grant.
    pub grant: String,
    /// The access token's digest.
    pub access: Sha256,
    /// A name for the access token that is not the token.
    pub id: String,
    /// What this access token may, at most what the grant may.
    pub scopes: Scopes,
    /// When the access token stops.
    pub expires: Timestamp,
    /// The refresh token's digest and end, if one is given.
    pub refresh: Option<(Sha256, Timestamp)>,
}

/// A refresh token on the shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshRecord {
    /// Its grant.
    pub grant: GrantRecord,
    /// When it stops.
    pub expires: Timestamp,
    /// When it was used, if it was.
    pub used: Option<Timestamp>,
}

/// What kind of token a digest belongs to, and its grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownToken {
    /// An access token.
    Access(GrantRecord),
    /// A refresh token.
    Refresh(RefreshRecord),
}

impl KnownToken {
    /// Its grant.
    #[must_use]
    pub const fn grant(&self) -> &GrantRecord {
        match self {
            Self::Access(grant) => grant,
            Self::Refresh(refresh) => &refresh.grant,
        }
    }
}

impl Store {
    /// Keeps a grant that needs no code (a client's own access) and its first tokens; `tokens.grant` is filled in.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn issue(&self, grant: &Grant, mut tokens: NewTokens, now: Timestamp) -> Result<String, StoreError> {
        let id = random::id()?;
        tokens.grant.clone_from(&id);
        self.write(|transaction| {
            crate::grant::insert(transaction, &id, grant, now)?;
            insert(transaction, &tokens, now)
        })?;
        Ok(id)
    }

    /// The refresh token of that digest, used or not, expired or not.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn refresh_token(&self, digest: &Sha256) -> Result<Option<RefreshRecord>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT grant_id, expires, used FROM refresh_token WHERE digest = ?1")?;
            let row = statement
                .query_row([digest], |row| {
                    let used = row.get::<_, Option<i64>>(2)?.map(Timestamp::from_micros);
                    Ok((row.get::<_, String>(0)?, Timestamp::from_micros(row.get(1)?), used))
                })
                .optional()?;
            let Some((grant, expires, used)) = row else { return Ok(None) };
            Ok(crate::grant::find(connection, &grant)?.map(|grant| RefreshRecord { grant, expires, used }))
        })
    }

    /// Uses up a refresh token and keeps the tokens that follow it, all or nothing.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn rotate(&self, old: &Sha256, tokens: &NewTokens, now: Timestamp) -> Result<Redeemed, StoreError> {
        self.write(|transaction| {
            let statement = "UPDATE refresh_token SET used = ?2 WHERE digest = ?1 AND used IS NULL AND expires > ?2";
            if transaction.execute(statement, (old, now.micros()))? == 0 {
                return Ok(Redeemed::AlreadyUsed);
            }
            insert(transaction, tokens, now)?;
            Ok(Redeemed::Done)
        })
    }

    /// The token of that digest, whichever kind it is.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn known_token(&self, digest: &Sha256) -> Result<Option<KnownToken>, StoreError> {
        if let Some(refresh) = self.refresh_token(digest)? {
            return Ok(Some(KnownToken::Refresh(refresh)));
        }
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT grant_id FROM access_token WHERE digest = ?1")?;
            let grant: Option<String> = statement.query_row([digest], |row| row.get(0)).optional()?;
            let Some(grant) = grant else { return Ok(None) };
            Ok(crate::grant::find(connection, &grant)?.map(KnownToken::Access))
        })
    }

    /// Ends one access token; its grant and the other tokens stand.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn end_access_token(&self, digest: &Sha256, now: Timestamp) -> Result<usize, StoreError> {
        self.write(|transaction| {
            let statement = "UPDATE access_token SET ended = ?2 WHERE digest = ?1 AND ended IS NULL";
            Ok(transaction.execute(statement, (digest, now.micros()))?)
        })
    }
}

pub(crate) fn insert(connection: &Connection, tokens: &NewTokens, now: Timestamp) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO access_token (digest, id, grant_id, scopes, issued, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((
            tokens.access,
            &tokens.id,
            &tokens.grant,
            tokens.scopes.to_string(),
            now.micros(),
            tokens.expires.micros(),
        ))?;
    if let Some((digest, expires)) = &tokens.refresh {
        connection
            .prepare_cached("INSERT INTO refresh_token (digest, grant_id, issued, expires) VALUES (?1, ?2, ?3, ?4)")?
            .execute((digest, &tokens.grant, now.micros(), expires.micros()))?;
    }
    connection
        .prepare_cached("UPDATE grant_record SET used = ?2 WHERE id = ?1")?
        .execute((&tokens.grant, now.micros()))?;
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};
    use crate::grant::tests::grant;

    pub(crate) fn tokens(grant: &str, number: u8) -> NewTokens {
        NewTokens {
            grant: grant.into(),
            access: [number; 32],
            id: format!("t{number}"),
            scopes: "patient/*.rs".parse().unwrap(),
            expires: NOW.plus_seconds(300),
            refresh: Some(([number + 100; 32], NOW.plus_seconds(1_000))),
        }
    }

    #[test]
    fn a_refresh_token_is_used_once() {
        let (_folder, store) = store();
        let id = store.issue(&grant(), tokens("", 1), NOW).unwrap();
        assert_eq!(store.rotate(&[101; 32], &tokens(&id, 2), NOW).unwrap(), Redeemed::Done);
        assert_eq!(store.rotate(&[101; 32], &tokens(&id, 3), NOW).unwrap(), Redeemed::AlreadyUsed);
        assert_eq!(store.refresh_token(&[101; 32]).unwrap().unwrap().used, Some(NOW));
        assert_eq!(store.refresh_token(&[102; 32]).unwrap().unwrap().used, None);
        assert!(store.known_token(&[3; 32]).unwrap().is_none(), "nothing of the second rotation was kept");
        let late = NOW.plus_seconds(1_000);
        assert_eq!(store.rotate(&[102; 32], &tokens(&id, 4), late).unwrap(), Redeemed::AlreadyUsed);
    }

    #[test]
    fn a_digest_is_known_as_what_it_is() {
        let (_folder, store) = store();
        store.issue(&grant(), tokens("", 1), NOW).unwrap();
        assert!(matches!(store.known_token(&[1; 32]).unwrap(), Some(KnownToken::Access(_))));
        assert!(matches!(store.known_token(&[101; 32]).unwrap(), Some(KnownToken::Refresh(_))));
        assert!(store.known_token(&[9; 32]).unwrap().is_none());
    }

    #[test]
    fn what_is_long_past_is_swept_and_the_rest_stays() {
        let (_folder, store) = store();
        let id = store.issue(&grant(), tokens("", 1), NOW).unwrap();
        assert_eq!(store.sweep(NOW.plus_seconds(80_000)).unwrap(), 0);
        assert!(store.grant(&id).unwrap().is_some());
        assert_eq!(store.sweep(NOW.plus_seconds(90_000)).unwrap(), 3);
        assert!(store.grant(&id).unwrap().is_none());
    }
}

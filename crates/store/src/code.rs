//! Authorization codes: one use, a minute long, bound to client, redirect URI, PKCE challenge and perhaps a key.

use bascule_crypto::digest::Sha256;
use bascule_fhir::Timestamp;
use bascule_smart::{Binding, Grant};
use rusqlite::OptionalExtension as _;

use crate::grant::GrantRecord;
use crate::token::NewTokens;
use crate::{Store, StoreError, random};

/// A code to be kept, with what it will be redeemed for.
#[derive(Debug, Clone)]
pub struct NewCode {
    /// What was granted.
    pub grant: Grant,
    /// The redirect URI of the authorization request.
    pub redirect_uri: String,
    /// The PKCE challenge (S256).
    pub challenge: String,
    /// RFC 9449 section 10: the key to which the code is bound.
    pub dpop_key: Option<String>,
    /// When it stops.
    pub expires: Timestamp,
}

/// A code on the shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeRecord {
    /// The grant.
    pub grant: GrantRecord,
    /// The redirect URI of the authorization request.
    pub redirect_uri: String,
    /// The PKCE challenge (S256).
    pub challenge: String,
    /// The key to which the code is bound.
    pub dpop_key: Option<String>,
    /// When it stops.
    pub expires: Timestamp,
    /// Whether it was redeemed already.
    pub used: bool,
}

/// What came of redeeming a code or refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redeemed {
    /// This call did it; the tokens are kept.
    Done,
    /// Another call was first. Nothing was kept.
    AlreadyUsed,
}

impl Store {
    /// Keeps a grant and the code for it; returns the grant's id.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn put_code(&self, digest: &Sha256, code: &NewCode, now: Timestamp) -> Result<String, StoreError> {
        let id = random::id()?;
        self.write(|transaction| {
            crate::grant::insert(transaction, &id, &code.grant, now)?;
            transaction.execute(
                "INSERT INTO code (digest, client, grant_id, redirect_uri, challenge, dpop_key, expires)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                (
                    digest,
                    &code.grant.client,
                    &id,
                    &code.redirect_uri,
                    &code.challenge,
                    &code.dpop_key,
                    code.expires.micros(),
                ),
            )?;
            Ok(())
        })?;
        Ok(id)
    }

    /// The code of that digest, used or not, expired or not.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn code(&self, digest: &Sha256) -> Result<Option<CodeRecord>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT grant_id, redirect_uri, challenge, dpop_key, expires, used IS NOT NULL
                 FROM code WHERE digest = ?1",
            )?;
            let row = statement
                .query_row([digest], |row| {
                    let expires = Timestamp::from_micros(row.get(4)?);
                    Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get(3)?, expires, row.get(5)?))
                })
                .optional()?;
            let Some((grant, redirect_uri, challenge, dpop_key, expires, used)) = row else { return Ok(None) };
            let found = crate::grant::find(connection, &grant)?;
            Ok(found.map(|grant| CodeRecord { grant, redirect_uri, challenge, dpop_key, expires, used }))
        })
    }

    /// Uses up the code and keeps the tokens for it, all or nothing. `binding` is that of all tokens of the grant.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn redeem_code(
        &self,
        digest: &Sha256,
        tokens: &NewTokens,
        binding: Option<&Binding>,
        now: Timestamp,
    ) -> Result<Redeemed, StoreError> {
        self.write(|transaction| {
            let statement = "UPDATE code SET used = ?2 WHERE digest = ?1 AND used IS NULL AND expires > ?2";
            if transaction.execute(statement, (digest, now.micros()))? == 0 {
                return Ok(Redeemed::AlreadyUsed);
            }
            crate::grant::bind(transaction, &tokens.grant, binding)?;
            crate::token::insert(transaction, tokens, now)?;
            Ok(Redeemed::Done)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};
    use crate::grant::tests::grant;
    use crate::token::tests::tokens;

    fn code() -> NewCode {
        NewCode {
            grant: Grant { binding: None, ..grant() },
            redirect_uri: "https://portal.example/back".into(),
            challenge: "c".into(),
            dpop_key: Some("k".into()),
            expires: NOW.plus_seconds(60),
        }
    }

    #[test]
    fn a_code_is_redeemed_once() {
        let (_folder, store) = store();
        let id = store.put_code(&[1; 32], &code(), NOW).unwrap();
        let record = store.code(&[1; 32]).unwrap().unwrap();
        assert_eq!((record.grant.id.as_str(), record.used, record.challenge.as_str()), (id.as_str(), false, "c"));
        let binding = Binding::DpopKey("k".into());
        let redeem = |at| store.redeem_code(&[1; 32], &tokens(&id, 1), Some(&binding), at).unwrap();
        assert_eq!(redeem(NOW), Redeemed::Done);
        assert_eq!(redeem(NOW), Redeemed::AlreadyUsed);
        assert!(store.code(&[1; 32]).unwrap().unwrap().used);
        assert_eq!(store.grant(&id).unwrap().unwrap().grant.binding, Some(binding));
    }

    #[test]
    fn an_expired_or_unknown_code_gives_nothing() {
        let (_folder, store) = store();
        let id = store.put_code(&[1; 32], &code(), NOW).unwrap();
        let late = store.redeem_code(&[1; 32], &tokens(&id, 1), None, NOW.plus_seconds(60)).unwrap();
        assert_eq!(late, Redeemed::AlreadyUsed);
        assert_eq!(store.code(&[2; 32]).unwrap(), None);
        assert!(store.credentials(&[1; 32]).unwrap().is_none());
    }
}

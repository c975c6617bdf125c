//! Links to further pages of an answer, that only the token which got the first page can follow.

use bascule_crypto::digest::Sha256;
use bascule_fhir::Timestamp;
use rusqlite::OptionalExtension as _;

use crate::{Store, StoreError};

/// A page link, kept under the digest of its random name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageLink {
    /// The `token_id` for which it was made.
    pub token: String,
    /// The API.
    pub api: String,
    /// What it stands for, in the gateway's words (an upstream address, or the query and an offset).
    pub target: String,
    /// When it stops.
    pub expires: Timestamp,
}

impl Store {
    /// Keeps a page link.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn put_page_link(&self, name: &Sha256, link: &PageLink) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO page_link (digest, token, api, target, expires) VALUES (?1, ?2, ?3, ?4, ?5)",
                (name, &link.token, &link.api, &link.target, link.expires.micros()),
            )?;
            Ok(())
        })
    }

    /// The link of that name, if it was made for this token and API and still stands.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn page_link(
        &self,
        name: &Sha256,
        token: &str,
        api: &str,
        now: Timestamp,
    ) -> Result<Option<PageLink>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT target, expires FROM page_link WHERE digest = ?1 AND token = ?2 AND api = ?3 AND expires > ?4",
            )?;
            let link = statement.query_row((name, token, api, now.micros()), |row| {
                Ok(PageLink {
                    token: token.to_owned(),
                    api: api.to_owned(),
                    target: row.get(0)?,
                    expires: Timestamp::from_micros(row.get(1)?),
                })
            });
            Ok(link.optional()?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};

    #[test]
    fn a_page_link_leads_only_its_own_token_on() {
        let (_folder, store) = store();
        let link = PageLink {
            token: "t1".into(),
            api: "ehr".into(),
            target: "Observation?_offset=20".into(),
            expires: NOW.plus_seconds(60),
        };
        store.put_page_link(&[1; 32], &link).unwrap();
        assert_eq!(store.page_link(&[1; 32], "t1", "ehr", NOW).unwrap(), Some(link));
        assert_eq!(store.page_link(&[1; 32], "t2", "ehr", NOW).unwrap(), None);
        assert_eq!(store.page_link(&[1; 32], "t1", "lab", NOW).unwrap(), None);
        assert_eq!(store.page_link(&[1; 32], "t1", "ehr", NOW.plus_seconds(60)).unwrap(), None);
        assert_eq!(store.page_link(&[2; 32], "t1", "ehr", NOW).unwrap(), None);
    }
}

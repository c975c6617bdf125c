//! Agreements with organizations.

use bascule_fhir::Timestamp;
use bascule_policy::party::Agreement;
use rusqlite::{Row, types::Type};

use crate::{Store, StoreError};

const COLUMNS: &str = "SELECT id, organization, kind, from_at, until_at, purposes, citation FROM agreement";

impl Store {
    /// Adds an agreement.
    ///
    /// # Errors
    /// [`StoreError::Exists`], or [`StoreError::Missing`] if there is no such organization.
    pub fn add_agreement(&self, agreement: &Agreement) -> Result<(), StoreError> {
        if self.organization(&agreement.organization)?.is_none() {
            return Err(StoreError::Missing { what: "organization", id: agreement.organization.clone() });
        }
        let done = self.write(|transaction| {
            let Agreement { id, organization, kind, from, until, purposes, citation } = agreement;
            transaction
                .execute(
                    "INSERT INTO agreement (id, organization, kind, from_at, until_at, purposes, citation)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    (
                        id,
                        organization,
                        kind,
                        from.micros(),
                        until.map(Timestamp::micros),
                        serde_json::json!(purposes).to_string(),
                        citation,
                    ),
                )
                .map_err(|error| StoreError::or_exists(error, "agreement", id))?;
            Ok(())
        });
        self.facts.parties.forget([&agreement.organization]);
        done
    }

    /// Ends an agreement at that instant, never later than it would have ended by itself; answers as it is now.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn end_agreement(&self, id: &str, until: Timestamp) -> Result<Agreement, StoreError> {
        let done = self.write(|transaction| {
            let statement = "UPDATE agreement SET until_at = min(coalesce(until_at, ?2), ?2) WHERE id = ?1";
            StoreError::unless_found(transaction.execute(statement, (id, until.micros()))?, "agreement", id)
        });
        self.facts.parties.forget_all();
        done?;
        let ended = self.agreements()?.into_iter().find(|agreement| agreement.id == id);
        ended.ok_or_else(|| StoreError::Missing { what: "agreement", id: id.to_owned() })
    }

    /// The agreements with an organization, in force or not.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn agreements_of(&self, organization: &str) -> Result<Vec<Agreement>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE organization = ?1 ORDER BY id"))?;
            Ok(statement.query_map([organization], read)?.collect::<Result<_, _>>()?)
        })
    }

    /// All of them, by organization.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn agreements(&self) -> Result<Vec<Agreement>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{COLUMNS} ORDER BY organization, id"))?;
            Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Agreement> {
    let purposes: String = row.get(5)?;
    let purposes = serde_json::from_str(&purposes)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(5, Type::Text, Box::new(error)))?;
    Ok(Agreement {
        id: row.get(0)?,
        organization: row.get(1)?,
        kind: row.get(2)?,
        from: Timestamp::from_micros(row.get(3)?),
        until: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_micros),
        purposes,
        citation: row.get(6)?,
    })
}

#[cfg(test)]
mod tests {
    use bascule_policy::party::Organization;

    use super::*;
    use crate::database::tests::{NOW, store};

    #[test]
    fn an_agreement_needs_its_organization_and_can_be_ended() {
        let (_folder, store) = store();
        let baa = Agreement {
            id: "baa-1".into(),
            organization: "lab".into(),
            kind: "baa".into(),
            from: NOW,
            until: None,
            purposes: vec!["TREAT".into()],
            citation: Some("45 CFR 164.504(e)".into()),
        };
        assert!(matches!(store.add_agreement(&baa), Err(StoreError::Missing { .. })));
        let lab = Organization { id: "lab".into(), name: "Lab".into(), address: None, class: None, verified: None };
        store.add_organization(&lab, NOW).unwrap();
        store.add_agreement(&baa).unwrap();
        assert_eq!(store.agreements().unwrap(), std::slice::from_ref(&baa));
        store.end_agreement("baa-1", NOW.plus_seconds(1)).unwrap();
        let again = store.end_agreement("baa-1", NOW.plus_seconds(9)).unwrap();
        assert_eq!(again.until, Some(NOW.plus_seconds(1)), "an end never makes it longer");
        assert_eq!(store.agreements_of("lab").unwrap()[0].until, Some(NOW.plus_seconds(1)));
        assert!(store.agreements_of("other").unwrap().is_empty());
    }
}

//! Organizations: who is on the other side.

use bascule_fhir::Timestamp;
use bascule_policy::party::Organization;
use rusqlite::{OptionalExtension as _, Row};

use crate::user::Status;
use crate::{Store, StoreError};

const COLUMNS: &str = "SELECT id, name, address, class, status, verified FROM organization";

impl Store {
    /// Adds an organization.
    ///
    /// # Errors
    /// [`StoreError::Exists`].
    pub fn add_organization(&self, organization: &Organization, now: Timestamp) -> Result<(), StoreError> {
        let done = self.write(|transaction| {
            let Organization { id, name, address, class, verified } = organization;
            let verified = verified.map(Timestamp::micros);
            transaction
                .execute(
                    "INSERT INTO organization (id, name, address, class, status, created, verified)
                     VALUES (?1, ?2, ?3, ?4, 'active', ?5, ?6)",
                    (id, name, address, class, now.micros(), verified),
                )
                .map_err(|error| StoreError::or_exists(error, "organization", id))?;
            Ok(())
        });
        self.facts.parties.forget([&organization.id]);
        done
    }

    /// Changes name, address and class of one.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn update_organization(&self, organization: &Organization) -> Result<(), StoreError> {
        let done = self.write(|transaction| {
            let Organization { id, name, address, class, verified } = organization;
            let verified = verified.map(Timestamp::micros);
            let statement = "UPDATE organization SET name = ?2, address = ?3, class = ?4, verified = ?5 WHERE id = ?1";
            StoreError::unless_found(
                transaction.execute(statement, (id, name, address, class, verified))?,
                "organization",
                id,
            )
        });
        self.facts.parties.forget([&organization.id]);
        done
    }

    /// Stops or restores an organization: from the next request on, its clients' tokens are worth nothing.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn set_organization_status(&self, id: &str, status: Status) -> Result<(), StoreError> {
        let done = self.write(|transaction| {
            let statement = "UPDATE organization SET status = ?2 WHERE id = ?1";
            StoreError::unless_found(transaction.execute(statement, (id, status.name()))?, "organization", id)
        });
        self.facts.parties.forget([&id.to_owned()]);
        done
    }

    /// Says by which reference (`Organization/77`) the chart names an organization, so that a Consent that names it so is
    /// understood.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the reference is another's; [`StoreError::Missing`] if there is no such organization.
    pub fn add_organization_reference(&self, id: &str, reference: &str) -> Result<(), StoreError> {
        if self.organization(id)?.is_none() {
            return Err(StoreError::Missing { what: "organization", id: id.to_owned() });
        }
        self.write(|transaction| {
            let statement = "INSERT INTO organization_reference (reference, organization) VALUES (?1, ?2)";
            transaction
                .execute(statement, (reference, id))
                .map_err(|error| StoreError::or_exists(error, "reference", reference))?;
            Ok(())
        })
    }

    /// Which organization each reference of the chart stands for.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn organization_references(&self) -> Result<std::collections::BTreeMap<String, String>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT reference, organization FROM organization_reference")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// One of them.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn organization(&self, id: &str) -> Result<Option<(Organization, Status)>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?;
            Ok(statement.query_row([id], read).optional()?)
        })
    }

    /// All of them, by id.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn organizations(&self) -> Result<Vec<(Organization, Status)>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{COLUMNS} ORDER BY id"))?;
            Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<(Organization, Status)> {
    let status: String = row.get(4)?;
    let verified = row.get::<_, Option<i64>>(5)?.map(Timestamp::from_micros);
    let organization =
        Organization { id: row.get(0)?, name: row.get(1)?, address: row.get(2)?, class: row.get(3)?, verified };
    Ok((organization, Status::of(&status)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};

    #[test]
    fn an_organization_is_kept_listed_and_stopped() {
        let (_folder, store) = store();
        let lab = Organization {
            id: "lab".into(),
            name: "Lab".into(),
            address: None,
            class: Some("treating-provider".into()),
            verified: Some(NOW),
        };
        store.add_organization(&lab, NOW).unwrap();
        assert!(matches!(store.add_organization(&lab, NOW), Err(StoreError::Exists { .. })));
        assert_eq!(store.organizations().unwrap(), [(lab.clone(), Status::Active)]);
        store.set_organization_status("lab", Status::Disabled).unwrap();
        assert_eq!(store.organization("lab").unwrap(), Some((lab, Status::Disabled)));
        assert!(matches!(store.set_organization_status("none", Status::Active), Err(StoreError::Missing { .. })));
    }
}

//! What observing saw, counted: which client asked what under which role, what enforcing would have done. Names of
//! elements and parameters only, never a value.

use std::collections::BTreeSet;

use bascule_fhir::{InteractionKind, ResourceType, Timestamp};
use bascule_policy::observed::Observed;
use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, Row};

use crate::user::{list, texts};
use crate::{Store, StoreError};

/// Kinds of flow that are told apart; more is no flow that anybody could review.
const ROWS_MAX: u32 = 10_000;

/// The step of the schema that this subject needs.
pub(crate) const SHAPE: &str = "
CREATE TABLE observed (
  api TEXT NOT NULL, client TEXT NOT NULL, role TEXT NOT NULL, resource TEXT NOT NULL, kind TEXT NOT NULL,
  parameters TEXT NOT NULL, refuse TEXT NOT NULL, show TEXT NOT NULL, elements TEXT NOT NULL, times INTEGER NOT NULL,
  first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
  PRIMARY KEY (api, client, role, resource, kind, parameters, refuse, show)) STRICT;
";

impl Store {
    /// Counts one.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn observe(&self, seen: &Observed, now: Timestamp) -> Result<(), StoreError> {
        let parameters = list(&seen.parameters);
        let (refuse, show) = (seen.would_refuse.as_deref().unwrap_or(""), seen.would_show.as_deref().unwrap_or(""));
        let (resource, kind) = (seen.resource.name(), seen.kind.name());
        self.write(|transaction| {
            let key = (&seen.api, &seen.client, &seen.role, resource, kind, &parameters, refuse, show);
            let mut statement = transaction.prepare_cached(
                "SELECT elements FROM observed WHERE api = ?1 AND client = ?2 AND role = ?3 AND resource = ?4
                 AND kind = ?5 AND parameters = ?6 AND refuse = ?7 AND show = ?8",
            )?;
            let before = statement.query_row(key, |row| texts(row, 0)).optional()?.unwrap_or_default();
            let all: BTreeSet<String> = before.into_iter().chain(seen.elements.iter().cloned()).collect();
            let elements = list(&all.into_iter().collect::<Vec<_>>());
            let mut statement = transaction.prepare_cached(
                "INSERT INTO observed (api, client, role, resource, kind, parameters, refuse, show, elements, times,
                   first_at, last_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10, ?10)
                 ON CONFLICT DO UPDATE SET times = times + 1, last_at = ?10, elements = ?9",
            )?;
            statement.execute((
                &seen.api,
                &seen.client,
                &seen.role,
                resource,
                kind,
                &parameters,
                refuse,
                show,
                elements,
                now.micros(),
            ))?;
            Ok(())
        })
    }

    /// What was seen, each with how often.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn observed(&self) -> Result<Vec<(Observed, u64)>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT api, client, role, resource, kind, parameters, refuse, show, elements, times FROM observed
                 ORDER BY api, client, role, resource, kind LIMIT ?1",
            )?;
            Ok(statement.query_map([ROWS_MAX], read)?.collect::<Result<_, _>>()?)
        })
    }

    /// Forgets what was seen of an API, when enforcing begins.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn forget_observed(&self, api: &str) -> Result<usize, StoreError> {
        self.write(|transaction| Ok(transaction.execute("DELETE FROM observed WHERE api = ?1", [api])?))
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<(Observed, u64)> {
    let wrong =
        |column: usize, what: &'static str| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, what.into());
    let resource = ResourceType::parse(&row.get::<_, String>(3)?).ok_or_else(|| wrong(3, "not a type"))?;
    let kind = InteractionKind::parse(&row.get::<_, String>(4)?).ok_or_else(|| wrong(4, "not an interaction"))?;
    let some = |text: String| (!text.is_empty()).then_some(text);
    let seen = Observed {
        api: row.get(0)?,
        client: row.get(1)?,
        role: row.get(2)?,
        resource,
        kind,
        parameters: texts(row, 5)?,
        elements: texts(row, 8)?,
        would_refuse: some(row.get(6)?),
        would_show: some(row.get(7)?),
    };
    Ok((seen, u64::try_from(row.get::<_, i64>(9)?).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};

    #[test]
    fn the_same_flow_is_counted_and_its_elements_are_gathered() {
        let (_folder, store) = store();
        let seen = |element: &str| Observed {
            api: "ehr".into(),
            client: "app".into(),
            role: "scheduler".into(),
            resource: ResourceType::APPOINTMENT,
            kind: InteractionKind::Read,
            parameters: Vec::new(),
            elements: vec![element.to_owned()],
            would_refuse: None,
            would_show: Some("start".into()),
        };
        store.observe(&seen("end"), NOW).unwrap();
        store.observe(&seen("start"), NOW).unwrap();
        let all = store.observed().unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].1, all[0].0.elements.as_slice()), (2, &["end".to_owned(), "start".to_owned()][..]));
        assert_eq!(store.forget_observed("ehr").unwrap(), 1);
        assert!(store.observed().unwrap().is_empty());
    }
}

//! The queue of alerts, for people to look at.

use bascule_fhir::Timestamp;
use rusqlite::Row;

use crate::{Store, StoreError};

/// Alerts returned by one call.
const ALERTS_MAX: u32 = 1_000;

/// An alert to be raised. `said` holds ids only, never values of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAlert {
    /// When it happened.
    pub at: Timestamp,
    /// Which rule saw it: `refresh-token-reuse`, …
    pub rule: String,
    /// `high`, `medium`, `low`.
    pub severity: String,
    /// The client, if one is concerned.
    pub client: Option<String>,
    /// The user, if one is concerned.
    pub user: Option<String>,
    /// The API, if one is concerned.
    pub api: Option<String>,
    /// A sentence.
    pub said: String,
}

/// An alert of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Its number.
    pub number: i64,
    /// What was raised.
    pub alert: NewAlert,
    /// When and by whom it was acknowledged.
    pub acknowledged: Option<(Timestamp, String)>,
}

impl Store {
    /// Raises an alert; returns its number.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn raise_alert(&self, alert: &NewAlert) -> Result<i64, StoreError> {
        self.write(|transaction| {
            let NewAlert { at, rule, severity, client, user, api, said } = alert;
            transaction.execute(
                "INSERT INTO alert (at, rule, severity, client, user, api, said) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                (at.micros(), rule, severity, client, user, api, said),
            )?;
            Ok(transaction.last_insert_rowid())
        })
    }

    /// The newest alerts, at most a thousand; `open` are those that nobody has acknowledged.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn alerts(&self, open: bool) -> Result<Vec<Alert>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, at, rule, severity, client, user, api, said, acknowledged, acknowledged_by FROM alert
                 WHERE acknowledged IS NULL OR ?1 = 0 ORDER BY id DESC LIMIT ?2",
            )?;
            Ok(statement.query_map((open, ALERTS_MAX), read)?.collect::<Result<_, _>>()?)
        })
    }

    /// Marks an alert as seen by somebody; the first word counts.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is none of that number that is still open.
    pub fn acknowledge_alert(&self, number: i64, by: &str, now: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            let statement =
                "UPDATE alert SET acknowledged = ?2, acknowledged_by = ?3 WHERE id = ?1 AND acknowledged IS NULL";
            let rows = transaction.execute(statement, (number, now.micros(), by))?;
            StoreError::unless_found(rows, "open alert", &number.to_string())
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Alert> {
    let acknowledged = match (row.get::<_, Option<i64>>(8)?, row.get::<_, Option<String>>(9)?) {
        (Some(at), Some(by)) => Some((Timestamp::from_micros(at), by)),
        _ => None,
    };
    let alert = NewAlert {
        at: Timestamp::from_micros(row.get(1)?),
        rule: row.get(2)?,
        severity: row.get(3)?,
        client: row.get(4)?,
        user: row.get(5)?,
        api: row.get(6)?,
        said: row.get(7)?,
    };
    Ok(Alert { number: row.get(0)?, alert, acknowledged })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};

    #[test]
    fn an_alert_stays_open_until_somebody_has_seen_it() {
        let (_folder, store) = store();
        let alert = NewAlert {
            at: NOW,
            rule: "refresh-token-reuse".into(),
            severity: "high".into(),
            client: Some("app".into()),
            user: None,
            api: None,
            said: "a refresh token was used twice".into(),
        };
        let number = store.raise_alert(&alert).unwrap();
        assert_eq!(store.alerts(true).unwrap()[0].alert, alert);
        store.acknowledge_alert(number, "officer", NOW).unwrap();
        assert!(store.alerts(true).unwrap().is_empty());
        assert_eq!(store.alerts(false).unwrap()[0].acknowledged, Some((NOW, "officer".into())));
        assert!(store.acknowledge_alert(number, "other", NOW).is_err());
    }
}

//! Everything that the walk needs about a presented token, in one read.

use bascule_crypto::digest::Sha256;
use bascule_fhir::{Id, Timestamp};
use bascule_smart::{HeldToken, TokenRecord};
use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, Row};

use crate::user::{parse_reference, texts};
use crate::{Store, StoreError};

/// A row is there if the token is known; whether it stands is told by the other columns, as they are now. A client
/// that names an organization we do not know, or a user who is gone, does not stand.
const LOOK_UP: &str = "
SELECT t.id, t.scopes, t.expires, g.client, c.organization, g.apis, g.user, coalesce(u.roles, c.roles, '[]'),
       u.fhir_user, g.patient, g.encounter, g.purpose, g.binding,
       t.ended IS NULL AND g.ended IS NULL AND coalesce(c.status = 'active', 0)
         AND (g.user IS NULL OR coalesce(u.status = 'active', 0))
         AND (c.organization IS NULL OR coalesce(o.status = 'active', 0))
FROM access_token t
JOIN grant_record g ON g.id = t.grant_id
LEFT JOIN client c ON c.id = g.client
LEFT JOIN user u ON u.id = g.user
LEFT JOIN organization o ON o.id = c.organization
WHERE t.digest = ?1";

impl Store {
    /// What the shelf knows of the access token with this SHA-256 digest; `None` if it is not known. The record comes
    /// out of [`HeldToken::possessed`], against what the caller proved. Roles are those of now, not of when the token
    /// was made.
    ///
    /// # Errors
    /// [`StoreError::Database`]; the request must be refused then.
    pub fn credentials(&self, digest: &Sha256) -> Result<Option<HeldToken>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(LOOK_UP)?;
            Ok(statement.query_row([digest], read).optional()?)
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<HeldToken> {
    let damaged = |column: usize, what: &str| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, what.to_owned().into())
    };
    let id = |column: usize| -> rusqlite::Result<Option<Id>> {
        match row.get::<_, Option<String>>(column)? {
            None => Ok(None),
            Some(text) => Id::parse(&text).map(Some).ok_or_else(|| damaged(column, "not an id")),
        }
    };
    let scopes: String = row.get(1)?;
    let fhir_user: Option<String> = row.get(8)?;
    let binding = match row.get::<_, Option<String>>(12)? {
        None => None,
        Some(text) => Some(crate::grant::binding_of(&text).ok_or_else(|| damaged(12, "not a binding"))?),
    };
    let record = TokenRecord {
        token_id: row.get(0)?,
        client: row.get(3)?,
        organization: row.get(4)?,
        apis: texts(row, 5)?,
        scopes: scopes.parse().map_err(|_| damaged(1, "not scopes"))?,
        roles: texts(row, 7)?,
        user: row.get(6)?,
        fhir_user: fhir_user.as_deref().and_then(parse_reference),
        patient: id(9)?,
        encounter: id(10)?,
        purpose: row.get(11)?,
        expires: Timestamp::from_micros(row.get(2)?),
        active: row.get(13)?,
        origin: bascule_smart::Origin::default(),
    };
    Ok(HeldToken::new(record, binding))
}

#[cfg(test)]
mod tests {
    use bascule_policy::party::Organization;
    use bascule_smart::{Grant, Possession};

    use super::*;
    use crate::client::Client;
    use crate::client::tests::portal;
    use crate::database::tests::{NOW, store};
    use crate::grant::tests::grant;
    use crate::token::tests::tokens;
    use crate::user::{NewUser, Status};

    /// A portal of an organization, a user, and a token of both.
    fn house() -> (tempfile::TempDir, Store, String) {
        let (folder, store) = store();
        let vendor =
            Organization { id: "vendor".into(), name: "Vendor".into(), address: None, class: None, verified: None };
        store.add_organization(&vendor, NOW).unwrap();
        store.add_client(&Client { organization: Some("vendor".into()), ..portal() }).unwrap();
        let user = NewUser {
            id: Some("u1".into()),
            login: "maria".into(),
            roles: vec!["patient".into()],
            fhir_user: parse_reference("Patient/p1"),
            ..NewUser::default()
        };
        store.add_user(&user, None, NOW).unwrap();
        let id = store.issue(&Grant { binding: None, ..grant() }, tokens("", 1), NOW).unwrap();
        (folder, store, id)
    }

    fn active(store: &Store) -> bool {
        let held = store.credentials(&[1; 32]).unwrap().unwrap();
        held.possessed(&Possession::bearer()).unwrap().active
    }

    #[test]
    fn one_read_tells_all_of_a_token() {
        let (_folder, store, _) = house();
        let held = store.credentials(&[1; 32]).unwrap().unwrap();
        let record = held.possessed(&Possession::bearer()).unwrap();
        let expected = TokenRecord {
            token_id: "t1".into(),
            client: "portal".into(),
            organization: Some("vendor".into()),
            apis: vec!["ehr".into()],
            scopes: "patient/*.rs".parse().unwrap(),
            roles: vec!["patient".into()],
            user: Some("u1".into()),
            fhir_user: parse_reference("Patient/p1"),
            patient: Id::parse("p1"),
            encounter: Id::parse("e1"),
            purpose: Some("PATRQT".into()),
            expires: NOW.plus_seconds(300),
            active: true,
            origin: bascule_smart::Origin::default(),
        };
        assert_eq!(record, expected);
        assert!(store.credentials(&[2; 32]).unwrap().is_none());
        assert!(store.credentials(&[101; 32]).unwrap().is_none(), "a refresh token opens nothing");
    }

    #[test]
    fn whatever_ends_ends_on_the_next_request() {
        type End = fn(&Store, &str);
        let ends: [(&str, End); 6] = [
            ("token", |store, _| assert_eq!(store.end_access_token(&[1; 32], NOW).unwrap(), 1)),
            ("grant", |store, id| assert_eq!(store.end_grant(id, "x", NOW).unwrap(), 1)),
            ("client", |store, _| store.set_client_status("portal", Status::Disabled, NOW).unwrap()),
            ("user", |store, _| store.set_user_status("u1", Status::Disabled, NOW).unwrap()),
            ("organization", |store, _| store.set_organization_status("vendor", Status::Disabled).unwrap()),
            ("session", |store, id| {
                let text = "UPDATE grant_record SET scopes = 'openid' WHERE id = ?1";
                store.write(|transaction| Ok(transaction.execute(text, [id])?)).unwrap();
                store.end_session("s1", NOW).unwrap();
            }),
        ];
        for (what, end) in ends {
            let (_folder, store, id) = house();
            assert!(active(&store), "{what} before");
            end(&store, &id);
            assert!(!active(&store), "{what} after");
        }
    }

    #[test]
    fn a_token_with_offline_access_outlives_the_session() {
        let (_folder, store, _) = house();
        store.end_session("s1", NOW).unwrap();
        assert!(active(&store));
    }

    #[test]
    fn a_user_or_client_that_is_gone_does_not_stand() {
        for statement in ["DELETE FROM user", "DELETE FROM client", "UPDATE user SET status = 'nonsense'"] {
            let (_folder, store, _) = house();
            store.write(|transaction| Ok(transaction.execute(statement, [])?)).unwrap();
            assert!(!active(&store), "{statement}");
        }
    }

    #[test]
    fn roles_are_those_of_now() {
        let (_folder, store, _) = house();
        store.update_user("u1", &["nurse".into()], None, &[]).unwrap();
        let record = store.credentials(&[1; 32]).unwrap().unwrap().possessed(&Possession::bearer()).unwrap();
        assert_eq!((record.roles, record.fhir_user), (vec!["nurse".to_owned()], None));
    }
}

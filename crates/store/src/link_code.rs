//! Codes on paper, by which a person links their account to a record: given in person, once, for a while. Only the digest
//! lies here. Nothing else links an account: names and birth dates are known to many.

use bascule_crypto::digest::{Sha256, sha256};
use bascule_fhir::{Id, Timestamp};
use rusqlite::OptionalExtension as _;

use crate::user::UserPatient;
use crate::{Store, StoreError, random};

/// Letters and digits that nobody reads for one another.
const LETTERS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Characters of a code: 80 bits.
const CHARACTERS: usize = 16;

/// What a code links to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkTarget {
    /// The API in which the id counts.
    pub api: String,
    /// The patient.
    pub patient: Id,
    /// `self`, `parent`, `guardian`, `proxy`.
    pub kind: String,
    /// What the person will see when choosing; their own name if none is given.
    pub label: Option<String>,
}

impl Store {
    /// Makes a code, the only time that it is seen, in groups of four. An earlier unused one for the same record and kind
    /// stops.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn make_link_code(
        &self,
        target: &LinkTarget,
        by: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        let code = spell(&random::bytes::<CHARACTERS>()?);
        let digest = digest(&code).ok_or_else(|| StoreError::Invalid("the code is malformed".into()))?;
        self.write(|transaction| {
            transaction.execute(
                "UPDATE link_code SET expires = ?4 WHERE api = ?1 AND patient = ?2 AND kind = ?3 AND used IS NULL
                 AND expires > ?4",
                (&target.api, target.patient.as_str(), &target.kind, now.micros()),
            )?;
            transaction.execute(
                "INSERT INTO link_code (digest, api, patient, kind, label, made_by, created, expires)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                (
                    &digest,
                    &target.api,
                    target.patient.as_str(),
                    &target.kind,
                    &target.label,
                    by,
                    now.micros(),
                    until.micros(),
                ),
            )?;
            Ok(())
        })?;
        Ok(code)
    }

    /// Uses a code up and links the user to its record; both or neither. `None`: there is no such code, it was used, or
    /// its time is over.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn use_link_code(
        &self,
        typed: &str,
        user: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<LinkTarget>, StoreError> {
        let Some(digest) = digest(typed) else { return Ok(None) };
        self.write(|transaction| {
            let rows = transaction.execute(
                "UPDATE link_code SET used = ?2, used_by = ?3 WHERE digest = ?1 AND used IS NULL AND expires > ?2",
                (&digest, now.micros(), user),
            )?;
            if rows == 0 {
                return Ok(None);
            }
            let found: Option<(String, String, String, Option<String>)> = transaction
                .query_row("SELECT api, patient, kind, label FROM link_code WHERE digest = ?1", [&digest], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                })
                .optional()?;
            let Some((api, patient, kind, label)) = found else { return Ok(None) };
            let patient = Id::parse(&patient).ok_or_else(|| StoreError::Invalid("a patient's id is damaged".into()))?;
            let linked = UserPatient {
                api: api.clone(),
                patient: patient.clone(),
                label: label.clone().unwrap_or_else(|| name.to_owned()),
                kind: kind.clone(),
            };
            crate::user::put_patients(transaction, user, std::slice::from_ref(&linked))?;
            if kind == "self" {
                // Who is a patient and nothing else yet becomes one in full.
                let own = format!("Patient/{patient}");
                transaction.execute(
                    "UPDATE user SET fhir_user = coalesce(fhir_user, ?2),
                     roles = CASE roles WHEN '[]' THEN '[\"patient\"]' ELSE roles END WHERE id = ?1",
                    (user, own),
                )?;
            }
            Ok(Some(LinkTarget { api, patient, kind, label }))
        })
    }
}

fn spell(bytes: &[u8]) -> String {
    let letter = |byte: &u8| LETTERS.get(usize::from(byte % 32)).map_or('2', |letter| char::from(*letter));
    let letters: Vec<char> = bytes.iter().map(letter).collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

/// The digest of a code as somebody typed it: in any case, with or without hyphens and spaces.
fn digest(typed: &str) -> Option<Sha256> {
    let plain: String =
        typed.chars().filter(|c| !matches!(c, '-' | ' ')).take(CHARACTERS + 1).collect::<String>().to_uppercase();
    let sound = plain.len() == CHARACTERS && plain.bytes().all(|byte| LETTERS.contains(&byte));
    sound.then(|| sha256(plain.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};
    use crate::user::NewUser;

    fn target() -> LinkTarget {
        LinkTarget { api: "ehr".into(), patient: Id::parse("p7").unwrap(), kind: "self".into(), label: None }
    }

    fn house() -> (tempfile::TempDir, Store, String) {
        let (folder, store) = store();
        let user = store.add_user(&NewUser { login: "new".into(), ..NewUser::default() }, None, NOW).unwrap().id;
        (folder, store, user)
    }

    #[test]
    fn a_code_links_once_however_it_is_typed() {
        let (_folder, store, user) = house();
        let code = store.make_link_code(&target(), "desk", NOW.plus_seconds(60), NOW).unwrap();
        assert_eq!(code.len(), 19, "{code}");
        let typed = code.to_lowercase().replace('-', " ");
        assert_eq!(store.use_link_code(&typed, &user, "New Person", NOW).unwrap(), Some(target()));
        let linked = store.user(&user).unwrap().unwrap();
        assert_eq!(linked.patients[0].patient.as_str(), "p7");
        assert_eq!(linked.patients[0].label, "New Person");
        assert_eq!(linked.roles, ["patient"]);
        assert_eq!(linked.fhir_user.unwrap().1.as_str(), "p7");
        assert_eq!(store.use_link_code(&code, &user, "x", NOW).unwrap(), None, "used");
    }

    #[test]
    fn a_code_stops_with_its_time_and_with_the_next_one() {
        let (_folder, store, user) = house();
        let late = store.make_link_code(&target(), "desk", NOW.plus_seconds(60), NOW).unwrap();
        assert_eq!(store.use_link_code(&late, &user, "x", NOW.plus_seconds(60)).unwrap(), None, "too late");
        let next = store.make_link_code(&target(), "desk", NOW.plus_seconds(60), NOW).unwrap();
        assert_eq!(store.use_link_code(&late, &user, "x", NOW).unwrap(), None, "replaced");
        for wrong in ["", "AAAA", "0000-0000-0000-0000", "not a code at all, really"] {
            assert_eq!(store.use_link_code(wrong, &user, "x", NOW).unwrap(), None, "{wrong}");
        }
        assert!(store.user(&user).unwrap().unwrap().patients.is_empty());
        assert!(store.use_link_code(&next, &user, "x", NOW).unwrap().is_some());
    }

    #[test]
    fn who_has_roles_keeps_them_and_a_proxy_gets_no_identity() {
        let (_folder, store) = store();
        let nurse = NewUser { login: "n".into(), roles: vec!["nurse".into()], ..NewUser::default() };
        let user = store.add_user(&nurse, None, NOW).unwrap().id;
        let child = LinkTarget { kind: "parent".into(), label: Some("Tomas".into()), ..target() };
        let code = store.make_link_code(&child, "desk", NOW.plus_seconds(60), NOW).unwrap();
        store.use_link_code(&code, &user, "x", NOW).unwrap().unwrap();
        let linked = store.user(&user).unwrap().unwrap();
        assert_eq!((linked.roles, linked.fhir_user), (vec!["nurse".to_owned()], None));
        assert_eq!(linked.patients[0].label, "Tomas");
    }
}

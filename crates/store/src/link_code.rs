//! Codes on paper, by which a person links their account to a record: given in person, once, for a while. Only the digest
//! lies here. Nothing else links an account: names and birth dates are known to many.

use bascule_crypto::digest::{Sha256, sha256};
use bascule_fhir::{Id, Timestamp};
use bascule_policy::record::{Period, Representation};
use rusqlite::Transaction;

use crate::filed::{self, Born, Filed, Record, Represented};
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
    /// `self`, or the basis of a representation: `parent`, `guardian`, …
    pub kind: String,
    /// What the person will see when choosing; their own name if none is given.
    pub label: Option<String>,
    /// What is filed of who stands for the patient; `None` is the patient's own account.
    pub represents: Option<StandsFor>,
}

/// What the desk saw of a representative when it made the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandsFor {
    /// The paper that shows it.
    pub document: String,
    /// The day on which the patient was born: the representation of a minor ends by itself.
    pub born: Option<Born>,
}

impl StandsFor {
    /// The record as it is filed when the code is used.
    fn filed(&self, target: &LinkTarget, user: &str, made_by: &str, now: Timestamp) -> Result<Filed, StoreError> {
        let id = random::id()?;
        let record = Representation {
            id: id.clone(),
            user: user.to_owned(),
            patient: target.patient.clone(),
            basis: target.kind.clone(),
            document: self.document.clone(),
            scope: Vec::new(),
            period: Period { from: now, until: None },
            verified_by: made_by.to_owned(),
            suspended: false,
        };
        let label = target.label.clone().unwrap_or_else(|| format!("{} ({})", target.patient, target.kind));
        Ok(Filed {
            id,
            api: target.api.clone(),
            record: Record::Representation(Represented { record, label, born: self.born }),
            source: "code on paper".to_owned(),
            filed_by: made_by.to_owned(),
            filed_at: now,
            ended: None,
        })
    }
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
                "INSERT INTO link_code (digest, api, patient, kind, label, made_by, created, expires, document, born)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                (
                    &digest,
                    &target.api,
                    target.patient.as_str(),
                    &target.kind,
                    &target.label,
                    by,
                    now.micros(),
                    until.micros(),
                    target.represents.as_ref().map(|stands| &stands.document),
                    target.represents.as_ref().and_then(|stands| stands.born).map(|born| born.to_string()),
                ),
            )?;
            Ok(())
        })?;
        Ok(code)
    }

    /// Uses a code up and links the user to its record, or files that they stand for the patient; both or neither. `None`:
    /// there is no such code, it was used, or its time is over.
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
        let used = self.write(|transaction| {
            let rows = transaction.execute(
                "UPDATE link_code SET used = ?2, used_by = ?3 WHERE digest = ?1 AND used IS NULL AND expires > ?2
                 AND (kind = 'self') = (document IS NULL)",
                (&digest, now.micros(), user),
            )?;
            if rows == 0 {
                return Ok(None);
            }
            let (target, made_by) = target(transaction, &digest)?;
            let filed = match &target.represents {
                None => {
                    link(transaction, &target, user, name)?;
                    None
                }
                Some(stands) => {
                    let filed = stands.filed(&target, user, &made_by, now)?;
                    filed::put(transaction, &filed, "INSERT")?;
                    Some(filed)
                }
            };
            Ok(Some((target, filed)))
        });
        match &used {
            Ok(Some((_, Some(filed)))) => self.filed.apply(std::slice::from_ref(filed)),
            Ok(_) => {}
            Err(_) => self.filed.forget(),
        }
        Ok(used?.map(|(target, _)| target))
    }
}

fn target(transaction: &Transaction<'_>, digest: &Sha256) -> Result<(LinkTarget, String), StoreError> {
    let damaged = |what: &str| StoreError::Invalid(format!("{what} of a code is damaged"));
    let mut statement = transaction
        .prepare_cached("SELECT api, patient, kind, label, document, born, made_by FROM link_code WHERE digest = ?1")?;
    type Row = (String, String, String, Option<String>, Option<String>, Option<String>, String);
    let (api, patient, kind, label, document, born, made_by): Row = statement.query_row([digest], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
    })?;
    let patient = Id::parse(&patient).ok_or_else(|| damaged("the patient"))?;
    let born = born.map(|day| Born::parse(&day).ok_or_else(|| damaged("the day of birth"))).transpose()?;
    let represents = document.map(|document| StandsFor { document, born });
    Ok((LinkTarget { api, patient, kind, label, represents }, made_by))
}

/// The person's own record.
fn link(transaction: &Transaction<'_>, target: &LinkTarget, user: &str, name: &str) -> Result<(), StoreError> {
    let linked = UserPatient {
        api: target.api.clone(),
        patient: target.patient.clone(),
        label: target.label.clone().unwrap_or_else(|| name.to_owned()),
        kind: target.kind.clone(),
    };
    crate::user::put_patients(transaction, user, std::slice::from_ref(&linked))?;
    // Who is a patient and nothing else yet becomes one in full.
    let own = format!("Patient/{}", target.patient);
    transaction.execute(
        "UPDATE user SET fhir_user = coalesce(fhir_user, ?2),
         roles = CASE roles WHEN '[]' THEN '[\"patient\"]' ELSE roles END WHERE id = ?1",
        (user, own),
    )?;
    Ok(())
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
        LinkTarget {
            api: "ehr".into(),
            patient: Id::parse("p7").unwrap(),
            kind: "self".into(),
            label: None,
            represents: None,
        }
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
    fn a_code_for_a_representative_files_it_and_gives_no_identity() {
        let (_folder, store) = store();
        let nurse = NewUser { login: "n".into(), roles: vec!["nurse".into()], ..NewUser::default() };
        let user = store.add_user(&nurse, None, NOW).unwrap().id;
        let stands = StandsFor { document: "birth certificate 7".into(), born: Born::parse("2012-05-01") };
        let child =
            LinkTarget { kind: "parent".into(), label: Some("Tomas".into()), represents: Some(stands), ..target() };
        let code = store.make_link_code(&child, "desk", NOW.plus_seconds(60), NOW).unwrap();
        assert!(store.filed_memory().unwrap().of_user(&user).is_empty());
        assert_eq!(store.use_link_code(&code, &user, "x", NOW).unwrap(), Some(child));
        let linked = store.user(&user).unwrap().unwrap();
        assert_eq!((linked.roles, linked.fhir_user, linked.patients.len()), (vec!["nurse".to_owned()], None, 0));
        let records = store.filed_memory().unwrap();
        let Record::Representation(represented) = &records.of_user(&user)[0].record else {
            panic!("no representation")
        };
        let record = &represented.record;
        assert_eq!((record.basis.as_str(), record.document.as_str()), ("parent", "birth certificate 7"));
        assert_eq!((record.verified_by.as_str(), represented.label.as_str()), ("desk", "Tomas"));
        assert_eq!(represented.born, Born::parse("2012-05-01"));
        assert_eq!(store.use_link_code(&code, &user, "x", NOW).unwrap(), None, "once");
        assert_eq!(store.filed(crate::filed::Kind::Representation).unwrap().len(), 1);
    }

    #[test]
    fn a_code_that_names_no_paper_represents_nobody() {
        let (_folder, store, user) = house();
        let child = LinkTarget { kind: "parent".into(), ..target() };
        let code = store.make_link_code(&child, "desk", NOW.plus_seconds(60), NOW).unwrap();
        assert_eq!(store.use_link_code(&code, &user, "x", NOW).unwrap(), None);
    }
}

//! Users: people who sign in, with their roles, their own resource and the patients they stand for.

use bascule_crypto::Secret;
use bascule_fhir::{Id, ResourceType, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::{Store, StoreError, password, random};

/// Whether a user, client or organization may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It may.
    Active,
    /// It may not, from the next request on.
    Disabled,
    /// It asked to be registered and nobody has decided yet; it may not.
    Waiting,
}

impl Status {
    /// As it is kept and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Waiting => "waiting",
        }
    }

    /// The status of that name; what we do not know may not act.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            "active" => Self::Active,
            "waiting" => Self::Waiting,
            _ => Self::Disabled,
        }
    }
}

/// A patient for whom a user may act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPatient {
    /// The API in which the id counts.
    pub api: String,
    /// The patient's id there.
    pub patient: Id,
    /// What the user sees when choosing: `Maria Silva (you)`.
    pub label: String,
    /// `self`, `parent`, `guardian`, `proxy`.
    pub kind: String,
}

/// A user to be added.
#[derive(Debug, Clone, Default)]
pub struct NewUser {
    /// Bascule's id, also OpenID's `sub`; a random one if none is given.
    pub id: Option<String>,
    /// What they type to sign in.
    pub login: String,
    /// Their name, as pages greet them.
    pub name: String,
    /// Where to write to.
    pub email: Option<String>,
    /// Role names.
    pub roles: Vec<String>,
    /// Their own resource.
    pub fhir_user: Option<(ResourceType, Id)>,
    /// For whom they may act.
    pub patients: Vec<UserPatient>,
    /// `issuer` and `sub` at an external provider.
    pub external: Option<(String, String)>,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Bascule's id, also OpenID's `sub`.
    pub id: String,
    /// What they type to sign in.
    pub login: String,
    /// Their name.
    pub name: String,
    /// Where to write to.
    pub email: Option<String>,
    /// Role names.
    pub roles: Vec<String>,
    /// Their own resource.
    pub fhir_user: Option<(ResourceType, Id)>,
    /// For whom they may act.
    pub patients: Vec<UserPatient>,
    /// Whether they may act.
    pub status: Status,
    /// Whether a second factor is set up.
    pub second_factor: bool,
    /// `issuer` and `sub` at an external provider.
    pub external: Option<(String, String)>,
}

/// What came of a login and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignIn {
    /// They belong together, and the user may act.
    Accepted(User),
    /// They do not; the user's id if the login is known. The person is told the same in every case.
    Refused {
        /// Known user, if any.
        user: Option<String>,
        /// `unknown`, `password`, `disabled`: for the log.
        because: &'static str,
    },
}

const COLUMNS: &str = "SELECT id, login, name, email, roles, fhir_user, status,
    second_factor IS NOT NULL OR EXISTS (SELECT 1 FROM passkey p WHERE p.user = user.id AND p.blocked IS NULL),
    external_issuer, external_subject FROM user";

impl Store {
    /// Adds a user, with a password if they sign in here. Slow (argon2id).
    ///
    /// # Errors
    /// [`StoreError::Exists`] by login or id; [`StoreError::Invalid`] for a weak password or an empty login.
    pub fn add_user(&self, user: &NewUser, password: Option<&Secret>, now: Timestamp) -> Result<User, StoreError> {
        if user.login.trim().is_empty() || user.login.len() > 256 {
            return Err(StoreError::Invalid("a login has 1 to 256 characters".into()));
        }
        let id = user.id.clone().map_or_else(random::id, Ok)?;
        let hash = password.map(|password| password::hash(password, &user.login)).transpose()?;
        self.write(|transaction| {
            let (issuer, subject) = user.external.clone().unzip();
            transaction
                .execute(
                    "INSERT INTO user (id, login, name, email, password, roles, fhir_user, status, external_issuer,
                     external_subject, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'active', ?8, ?9, ?10)",
                    (
                        &id,
                        user.login.trim(),
                        &user.name,
                        &user.email,
                        &hash,
                        list(&user.roles),
                        reference(user.fhir_user.as_ref()),
                        &issuer,
                        &subject,
                        now.micros(),
                    ),
                )
                .map_err(|error| StoreError::or_exists(error, "user", &user.login))?;
            put_patients(transaction, &id, &user.patients)
        })?;
        self.user(&id)?.ok_or(StoreError::Missing { what: "user", id })
    }

    /// Checks login and password. Slow (argon2id), and equally slow for an unknown login.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn sign_in(&self, login: &str, password: &Secret) -> Result<SignIn, StoreError> {
        let found: Option<(String, Option<String>)> = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT id, password FROM user WHERE login = ?1")?;
            let row = statement.query_row([login.trim()], |row| Ok((row.get(0)?, row.get(1)?)));
            Ok(row.optional()?)
        })?;
        let (id, hash) = found.unzip();
        let hash = hash.flatten();
        let right = password::matches(password, hash.as_deref());
        let Some(id) = id else { return Ok(SignIn::Refused { user: None, because: "unknown" }) };
        match self.user(&id)? {
            Some(user) if right && user.status == Status::Active => Ok(SignIn::Accepted(user)),
            Some(_) if right => Ok(SignIn::Refused { user: Some(id), because: "disabled" }),
            _ => Ok(SignIn::Refused { user: Some(id), because: "password" }),
        }
    }

    /// Sets a password and ends all sessions and tokens of the user, since a reset follows a suspicion.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError::Invalid`] for a weak password.
    pub fn set_password(&self, id: &str, password: &Secret, now: Timestamp) -> Result<(), StoreError> {
        let missing = || StoreError::Missing { what: "user", id: id.to_owned() };
        let user = self.user(id)?.ok_or_else(missing)?;
        let hash = password::hash(password, &user.login)?;
        self.write(|transaction| {
            transaction.execute("UPDATE user SET password = ?2 WHERE id = ?1", (id, hash))?;
            Ok(())
        })?;
        self.end_sessions_of(id, now)?;
        self.end_grants_of_user(id, "password reset", now).map(|_| ())
    }

    /// Lets a user act, or stops them from the next request on: sessions and grants end too.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn set_user_status(&self, id: &str, status: Status, now: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            let rows = transaction.execute("UPDATE user SET status = ?2 WHERE id = ?1", (id, status.name()))?;
            StoreError::unless_found(rows, "user", id)
        })?;
        if status != Status::Active {
            self.end_sessions_of(id, now)?;
            self.end_grants_of_user(id, "user disabled", now)?;
        }
        Ok(())
    }

    /// Replaces roles, own resource and patients; it acts on the next request, on tokens given before too.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn update_user(
        &self,
        id: &str,
        roles: &[String],
        fhir_user: Option<&(ResourceType, Id)>,
        patients: &[UserPatient],
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            let statement = "UPDATE user SET roles = ?2, fhir_user = ?3 WHERE id = ?1";
            let rows = transaction.execute(statement, (id, list(roles), reference(fhir_user)))?;
            StoreError::unless_found(rows, "user", id)?;
            transaction.execute("DELETE FROM user_patient WHERE user = ?1", [id])?;
            put_patients(transaction, id, patients)
        })
    }

    /// One of them, by id.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn user(&self, id: &str) -> Result<Option<User>, StoreError> {
        self.one_user("id = ?1", &[&id])
    }

    /// One of them, by login (case does not count).
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn user_by_login(&self, login: &str) -> Result<Option<User>, StoreError> {
        self.one_user("login = ?1", &[&login.trim()])
    }

    /// One of them, by `issuer` and `sub` at an external provider.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn user_by_external(&self, issuer: &str, subject: &str) -> Result<Option<User>, StoreError> {
        self.one_user("external_issuer = ?1 AND external_subject = ?2", &[&issuer, &subject])
    }

    fn one_user(&self, condition: &str, by: &[&dyn rusqlite::ToSql]) -> Result<Option<User>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE {condition}"))?;
            let user = statement.query_row(by, read).optional()?;
            user.map(|user| with_patients(connection, user)).transpose()
        })
    }

    /// All of them, by login.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn users(&self) -> Result<Vec<User>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!("{COLUMNS} ORDER BY login"))?;
            let users = statement.query_map([], read)?.collect::<Result<Vec<_>, _>>()?;
            users.into_iter().map(|user| with_patients(connection, user)).collect()
        })
    }

    /// Sets or removes the secret of a user's one-time passwords; it lies encrypted.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn set_second_factor(&self, id: &str, secret: Option<&Secret>) -> Result<(), StoreError> {
        let label = format!("second factor of {id}");
        let sealed = secret.map(|secret| self.key.seal(&label, secret.expose())).transpose()?;
        self.write(|transaction| {
            let statement = "UPDATE user SET second_factor = ?2, second_factor_step = NULL WHERE id = ?1";
            StoreError::unless_found(transaction.execute(statement, (id, sealed))?, "user", id)
        })
    }

    /// The secret of a user's one-time passwords, if set up.
    ///
    /// # Errors
    /// [`StoreError::Key`] if the key file is not the one that sealed it.
    pub fn second_factor(&self, id: &str) -> Result<Option<Secret>, StoreError> {
        let sealed: Option<Option<Vec<u8>>> = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT second_factor FROM user WHERE id = ?1")?;
            Ok(statement.query_row([id], |row| row.get(0)).optional()?)
        })?;
        let label = format!("second factor of {id}");
        sealed.flatten().map(|sealed| self.key.unseal(&label, &sealed)).transpose()
    }

    /// Encrypts a value for a purpose of a moment, bound to its name.
    ///
    /// # Errors
    /// [`StoreError::Key`].
    pub fn seal_for(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.key.seal(&format!("for a moment: {name}"), value)
    }

    /// Opens what [`Store::seal_for`] made under the same name.
    ///
    /// # Errors
    /// [`StoreError::Key`] under any other.
    pub fn unseal_for(&self, name: &str, sealed: &[u8]) -> Result<Secret, StoreError> {
        self.key.unseal(&format!("for a moment: {name}"), sealed)
    }

    /// Uses up the time step of a one-time password, so that the same password never works twice.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if that step, or a later one, was used before.
    pub fn use_second_factor_step(&self, id: &str, step: i64) -> Result<(), StoreError> {
        self.write(|transaction| {
            let statement = "UPDATE user SET second_factor_step = ?2
                WHERE id = ?1 AND (second_factor_step IS NULL OR second_factor_step < ?2)";
            match transaction.execute(statement, (id, step))? {
                0 => Err(StoreError::Invalid("this one-time password was used before".into())),
                _ => Ok(()),
            }
        })
    }
}

pub(crate) fn put_patients(connection: &Connection, id: &str, patients: &[UserPatient]) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO user_patient (user, api, patient, label, kind) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for UserPatient { api, patient, label, kind } in patients {
        statement.execute((id, api, patient.as_str(), label, kind))?;
    }
    Ok(())
}

fn with_patients(connection: &Connection, mut user: User) -> Result<User, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT api, patient, label, kind FROM user_patient WHERE user = ?1 ORDER BY kind <> 'self', label, patient",
    )?;
    let rows = statement.query_map([&user.id], |row| {
        Ok(UserPatient {
            api: row.get(0)?,
            patient: crate::relation::id(row, 1)?,
            label: row.get(2)?,
            kind: row.get(3)?,
        })
    })?;
    user.patients = rows.collect::<Result<_, _>>()?;
    Ok(user)
}

fn read(row: &Row<'_>) -> rusqlite::Result<User> {
    let fhir_user: Option<String> = row.get(5)?;
    let status: String = row.get(6)?;
    let external = match (row.get(8)?, row.get(9)?) {
        (Some(issuer), Some(subject)) => Some((issuer, subject)),
        _ => None,
    };
    Ok(User {
        id: row.get(0)?,
        login: row.get(1)?,
        name: row.get(2)?,
        email: row.get(3)?,
        roles: texts(row, 4)?,
        fhir_user: fhir_user.as_deref().and_then(parse_reference),
        patients: Vec::new(),
        status: Status::of(&status),
        second_factor: row.get(7)?,
        external,
    })
}

/// A list of texts as JSON.
pub(crate) fn list(texts: &[String]) -> String {
    serde_json::json!(texts).to_string()
}

/// A list of texts out of a column.
pub(crate) fn texts(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<String>> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

fn reference(of: Option<&(ResourceType, Id)>) -> Option<String> {
    of.map(|(resource, id)| format!("{resource}/{id}"))
}

/// `Practitioner/1` as type and id.
#[must_use]
pub fn parse_reference(text: &str) -> Option<(ResourceType, Id)> {
    let (resource, id) = text.split_once('/')?;
    Some((ResourceType::parse(resource)?, Id::parse(id)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};

    fn maria() -> NewUser {
        NewUser {
            login: "maria".into(),
            name: "Maria Silva".into(),
            roles: vec!["patient".into()],
            fhir_user: parse_reference("Patient/p1"),
            patients: vec![
                UserPatient {
                    api: "ehr".into(),
                    patient: Id::parse("p2").unwrap(),
                    label: "Ana".into(),
                    kind: "parent".into(),
                },
                UserPatient {
                    api: "ehr".into(),
                    patient: Id::parse("p1").unwrap(),
                    label: "Maria".into(),
                    kind: "self".into(),
                },
            ],
            ..NewUser::default()
        }
    }

    #[test]
    fn a_user_signs_in_with_the_own_password_only() {
        let (_folder, store) = store();
        let user = store.add_user(&maria(), Some(&Secret::new("correct horse")), NOW).unwrap();
        assert_eq!(user.patients[0].kind, "self");
        let right = |login: &str| store.sign_in(login, &Secret::new("correct horse")).unwrap();
        assert_eq!(right("MARIA "), SignIn::Accepted(user.clone()));
        assert_eq!(right("mario"), SignIn::Refused { user: None, because: "unknown" });
        let wrong = store.sign_in("maria", &Secret::new("wrong horse")).unwrap();
        assert_eq!(wrong, SignIn::Refused { user: Some(user.id.clone()), because: "password" });
        store.set_user_status(&user.id, Status::Disabled, NOW).unwrap();
        assert_eq!(right("maria"), SignIn::Refused { user: Some(user.id), because: "disabled" });
    }

    #[test]
    fn a_login_is_taken_once_whatever_its_case() {
        let (_folder, store) = store();
        store.add_user(&maria(), None, NOW).unwrap();
        let again = NewUser { login: "Maria".into(), ..NewUser::default() };
        assert!(matches!(store.add_user(&again, None, NOW), Err(StoreError::Exists { .. })));
    }

    #[test]
    fn a_user_without_a_password_cannot_sign_in_here() {
        let (_folder, store) = store();
        store.add_user(&maria(), None, NOW).unwrap();
        assert!(matches!(store.sign_in("maria", &Secret::new("")).unwrap(), SignIn::Refused { .. }));
    }

    #[test]
    fn the_second_factor_lies_encrypted_and_a_step_works_once() {
        let (_folder, store) = store();
        let user = store.add_user(&maria(), None, NOW).unwrap();
        store.set_second_factor(&user.id, Some(&Secret::new("0123456789abcdefghij"))).unwrap();
        assert!(store.user(&user.id).unwrap().unwrap().second_factor);
        assert!(store.second_factor(&user.id).unwrap().unwrap().matches(b"0123456789abcdefghij"));
        store.use_second_factor_step(&user.id, 7).unwrap();
        assert!(store.use_second_factor_step(&user.id, 7).is_err());
        assert!(store.use_second_factor_step(&user.id, 6).is_err());
        store.use_second_factor_step(&user.id, 8).unwrap();
    }

    #[test]
    fn roles_and_patients_are_replaced() {
        let (_folder, store) = store();
        let user = store.add_user(&maria(), None, NOW).unwrap();
        store.update_user(&user.id, &["nurse".into()], None, &[]).unwrap();
        let user = store.user(&user.id).unwrap().unwrap();
        assert_eq!((user.roles, user.fhir_user, user.patients), (vec!["nurse".to_owned()], None, vec![]));
    }
}

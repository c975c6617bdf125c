//! People and groups as a directory that feeds us sees them (SCIM 2.0, RFC 7643). Who is removed there may do nothing any
//! more; the row stays, since the log names its id.

use bascule_fhir::{Id, ResourceType, Timestamp};
use rusqlite::{OptionalExtension as _, Row};

use crate::user::User;
use crate::{Store, StoreError, random};

/// What a directory may say of a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// What they type to sign in.
    pub login: String,
    /// Their name.
    pub name: String,
    /// Where to write to.
    pub email: Option<String>,
    /// The directory's own id.
    pub external_id: Option<String>,
    /// Their own resource; `None` leaves it as it is.
    pub fhir_user: Option<(ResourceType, Id)>,
}

/// A person as the directory sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryUser {
    /// The person.
    pub user: User,
    /// The directory's own id.
    pub external_id: Option<String>,
    /// When they were added.
    pub created: Timestamp,
    /// When the directory last changed them.
    pub changed: Timestamp,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Bascule's id.
    pub id: String,
    /// Its name, by which roles are mapped.
    pub name: String,
    /// The directory's own id.
    pub external_id: Option<String>,
    /// Ids of its members.
    pub members: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub changed: Timestamp,
}

/// Members of one group.
pub const MEMBERS_MAX: usize = 50_000;

impl Store {
    /// Everybody but those removed, in the order of their adding.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn directory_users(&self) -> Result<Vec<DirectoryUser>, StoreError> {
        let marks: std::collections::HashMap<String, Marks> = self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, external_id, created, coalesce(changed, created) FROM user WHERE status <> 'removed'",
            )?;
            Ok(statement.query_map([], |row| Ok((row.get(0)?, marks(row)?)))?.collect::<Result<_, _>>()?)
        })?;
        let mut users: Vec<DirectoryUser> = self
            .users()?
            .into_iter()
            .filter_map(|user| {
                let (external_id, created, changed) = marks.get(&user.id)?.clone();
                Some(DirectoryUser { user, external_id, created, changed })
            })
            .collect();
        users.sort_by(|one, other| (one.created, &one.user.id).cmp(&(other.created, &other.user.id)));
        Ok(users)
    }

    /// One of them.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn directory_user(&self, id: &str) -> Result<Option<DirectoryUser>, StoreError> {
        let found: Option<(String, Marks)> = self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, external_id, created, coalesce(changed, created) FROM user
                 WHERE id = ?1 AND status <> 'removed'",
            )?;
            Ok(statement.query_row([id], |row| Ok((row.get(0)?, marks(row)?))).optional()?)
        })?;
        let Some((id, (external_id, created, changed))) = found else { return Ok(None) };
        Ok(self.user(&id)?.map(|user| DirectoryUser { user, external_id, created, changed }))
    }

    /// Writes what the directory says of a person.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError::Exists`] if the login is another's; [`StoreError::Invalid`] without one.
    pub fn set_profile(&self, id: &str, profile: &Profile, now: Timestamp) -> Result<(), StoreError> {
        let login = profile.login.trim();
        if login.is_empty() || login.len() > 256 {
            return Err(StoreError::Invalid("a login has 1 to 256 characters".into()));
        }
        let own = profile.fhir_user.as_ref().map(|(resource, id)| format!("{resource}/{id}"));
        self.write(|transaction| {
            let rows = transaction
                .execute(
                    "UPDATE user SET login = ?2, name = ?3, email = ?4, external_id = ?5,
                     fhir_user = coalesce(?6, fhir_user), changed = ?7 WHERE id = ?1 AND status <> 'removed'",
                    (id, login, &profile.name, &profile.email, &profile.external_id, own, now.micros()),
                )
                .map_err(|error| StoreError::or_exists(error, "user", login))?;
            StoreError::unless_found(rows, "user", id)
        })
    }

    /// Removes a person from the directory: sessions and tokens end, the login becomes free, the row stays.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn remove_user(&self, id: &str, now: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            let rows = transaction.execute(
                "UPDATE user SET status = 'removed', login = login || '#' || id, external_id = NULL,
                 external_issuer = NULL, external_subject = NULL, password = NULL, changed = ?2
                 WHERE id = ?1 AND status <> 'removed'",
                (id, now.micros()),
            )?;
            StoreError::unless_found(rows, "user", id)?;
            transaction.execute("DELETE FROM user_group_member WHERE user = ?1", [id])?;
            transaction.execute("DELETE FROM passkey WHERE user = ?1", [id])?;
            Ok(())
        })?;
        self.end_sessions_of(id, now)?;
        self.end_grants_of_user(id, "user removed", now).map(|_| ())
    }

    /// Adds a group.
    ///
    /// # Errors
    /// [`StoreError::Exists`] by name; [`StoreError::Invalid`] without one or with unknown members.
    pub fn add_group(
        &self,
        name: &str,
        external_id: Option<&str>,
        members: &[String],
        now: Timestamp,
    ) -> Result<Group, StoreError> {
        let id = random::id()?;
        self.write(|transaction| {
            sound_name(name)?;
            transaction
                .execute(
                    "INSERT INTO user_group (id, name, external_id, created, changed) VALUES (?1, ?2, ?3, ?4, ?4)",
                    (&id, name.trim(), external_id, now.micros()),
                )
                .map_err(|error| StoreError::or_exists(error, "group", name))?;
            put_members(transaction, &id, members)
        })?;
        self.group(&id)?.ok_or(StoreError::Missing { what: "group", id })
    }

    /// Replaces a group.
    ///
    /// # Errors
    /// As [`Store::add_group`], and [`StoreError::Missing`].
    pub fn set_group(
        &self,
        id: &str,
        name: &str,
        external_id: Option<&str>,
        members: &[String],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            sound_name(name)?;
            let rows = transaction
                .execute(
                    "UPDATE user_group SET name = ?2, external_id = ?3, changed = ?4 WHERE id = ?1",
                    (id, name.trim(), external_id, now.micros()),
                )
                .map_err(|error| StoreError::or_exists(error, "group", name))?;
            StoreError::unless_found(rows, "group", id)?;
            transaction.execute("DELETE FROM user_group_member WHERE user_group = ?1", [id])?;
            put_members(transaction, id, members)
        })
    }

    /// Removes a group; its members stay.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn remove_group(&self, id: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            let rows = transaction.execute("DELETE FROM user_group WHERE id = ?1", [id])?;
            StoreError::unless_found(rows, "group", id)
        })
    }

    /// One group.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn group(&self, id: &str) -> Result<Option<Group>, StoreError> {
        Ok(self.groups()?.into_iter().find(|group| group.id == id))
    }

    /// All groups with their members, by name.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn groups(&self) -> Result<Vec<Group>, StoreError> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT id, name, external_id, created, changed FROM user_group ORDER BY name")?;
            let mut groups = statement.query_map([], group)?.collect::<Result<Vec<_>, _>>()?;
            let mut members =
                connection.prepare_cached("SELECT user FROM user_group_member WHERE user_group = ?1 ORDER BY user")?;
            for group in &mut groups {
                group.members = members.query_map([&group.id], |row| row.get(0))?.collect::<Result<_, _>>()?;
            }
            Ok(groups)
        })
    }
}

type Marks = (Option<String>, Timestamp, Timestamp);

fn marks(row: &Row<'_>) -> rusqlite::Result<Marks> {
    Ok((row.get(1)?, Timestamp::from_micros(row.get(2)?), Timestamp::from_micros(row.get(3)?)))
}

fn group(row: &Row<'_>) -> rusqlite::Result<Group> {
    Ok(Group {
        id: row.get(0)?,
        name: row.get(1)?,
        external_id: row.get(2)?,
        members: Vec::new(),
        created: Timestamp::from_micros(row.get(3)?),
        changed: Timestamp::from_micros(row.get(4)?),
    })
}

fn sound_name(name: &str) -> Result<(), StoreError> {
    let sound = !name.trim().is_empty() && name.len() <= 256;
    if sound { Ok(()) } else { Err(StoreError::Invalid("a group's name has 1 to 256 characters".into())) }
}

fn put_members(connection: &rusqlite::Connection, group: &str, members: &[String]) -> Result<(), StoreError> {
    if members.len() > MEMBERS_MAX {
        return Err(StoreError::Invalid(format!("a group has at most {MEMBERS_MAX} members")));
    }
    let mut known = connection.prepare_cached("SELECT 1 FROM user WHERE id = ?1 AND status <> 'removed'")?;
    let mut put =
        connection.prepare_cached("INSERT OR IGNORE INTO user_group_member (user_group, user) VALUES (?1, ?2)")?;
    for member in members {
        if !known.exists([member])? {
            return Err(StoreError::Invalid(format!("`{member}` is no user here")));
        }
        put.execute((group, member))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};
    use crate::user::{NewUser, Status};

    fn add(store: &Store, login: &str) -> String {
        store.add_user(&NewUser { login: login.into(), ..NewUser::default() }, None, NOW).unwrap().id
    }

    #[test]
    fn a_profile_is_written_and_a_login_is_one_persons() {
        let (_folder, store) = store();
        let (one, _) = (add(&store, "one"), add(&store, "two"));
        let profile =
            Profile { login: "uno".into(), name: "Uno".into(), external_id: Some("x1".into()), ..Profile::default() };
        store.set_profile(&one, &profile, NOW.plus_seconds(5)).unwrap();
        let found = store.directory_user(&one).unwrap().unwrap();
        assert_eq!((found.user.login.as_str(), found.external_id.as_deref()), ("uno", Some("x1")));
        assert_eq!(found.changed, NOW.plus_seconds(5));
        assert!(store.set_profile(&one, &Profile { login: "TWO".into(), ..profile.clone() }, NOW).is_err());
        assert!(store.set_profile(&one, &Profile { login: " ".into(), ..profile }, NOW).is_err());
    }

    #[test]
    fn who_is_removed_may_do_nothing_and_the_login_is_free() {
        let (_folder, store) = store();
        let one = add(&store, "one");
        let group = store.add_group("Nurses", None, std::slice::from_ref(&one), NOW).unwrap();
        store.remove_user(&one, NOW).unwrap();
        assert!(store.directory_user(&one).unwrap().is_none());
        assert!(store.directory_users().unwrap().is_empty());
        assert_eq!(store.user(&one).unwrap().unwrap().status, Status::Disabled, "the row stays");
        assert!(store.group(&group.id).unwrap().unwrap().members.is_empty());
        add(&store, "one");
        assert!(store.remove_user(&one, NOW).is_err(), "once");
    }

    #[test]
    fn a_group_has_known_members_only_and_all_or_none() {
        let (_folder, store) = store();
        let one = add(&store, "one");
        assert!(store.add_group("Nurses", None, &["nobody".into()], NOW).is_err());
        assert!(store.groups().unwrap().is_empty());
        let group = store.add_group("Nurses", Some("g1"), std::slice::from_ref(&one), NOW).unwrap();
        assert_eq!(group.members, std::slice::from_ref(&one));
        assert!(store.add_group("nurses", None, &[], NOW).is_err(), "by name, whatever its case");
        store.set_group(&group.id, "Ward nurses", None, &[], NOW).unwrap();
        assert_eq!(store.groups().unwrap()[0].name, "Ward nurses");
        store.remove_group(&group.id).unwrap();
        assert!(store.remove_group(&group.id).is_err());
    }
}

//! People out of a CSV feed, for houses whose directory speaks no SCIM: all rows are read before anything changes.

use std::collections::{BTreeMap, BTreeSet};

use bascule_fhir::Timestamp;
use bascule_store::directory::{DirectoryUser, Profile};
use bascule_store::user::{NewUser, Status, parse_reference};
use serde_json::json;

use super::csv::rows;
use super::{Acted, changed, text};
use crate::admin::records::Records;

/// The columns that we know; `userName` must be there.
const COLUMNS: [&str; 7] = ["userName", "displayName", "email", "externalId", "roles", "fhirUser", "active"];

/// One row, understood.
struct Person {
    profile: Profile,
    /// `None` leaves them as they are.
    roles: Option<Vec<String>>,
    active: bool,
}

impl Records {
    pub(super) fn import(&self, csv: &str, complete: bool, now: Timestamp) -> Acted {
        let people = read(csv)?;
        let known: BTreeMap<String, DirectoryUser> = self
            .store
            .directory_users()
            .map_err(text)?
            .into_iter()
            .map(|known| (known.user.login.to_lowercase(), known))
            .collect();
        let (mut added, mut updated, mut disabled) = (0_u64, 0_u64, 0_u64);
        for person in &people {
            match known.get(&person.profile.login.to_lowercase()) {
                None if !person.active => {}
                None => {
                    self.add_person(person, now)?;
                    added += 1;
                }
                Some(known) => {
                    disabled += u64::from(self.update_person(person, known, now)?);
                    updated += 1;
                }
            }
        }
        if complete {
            disabled += self.disable_absent(&people, known.values(), now)?;
        }
        let shown = json!({ "added": added, "updated": updated, "disabled": disabled });
        changed(shown, format!("{} rows", people.len()))
    }

    fn add_person(&self, person: &Person, now: Timestamp) -> Result<(), String> {
        let Profile { login, name, email, fhir_user, .. } = person.profile.clone();
        let roles = person.roles.clone().unwrap_or_default();
        let new = NewUser { login, name, email, roles, fhir_user, ..NewUser::default() };
        let user = self.store.add_user(&new, None, now).map_err(text)?;
        self.store.set_profile(&user.id, &person.profile, now).map_err(text)
    }

    /// Whether the person was disabled by it.
    fn update_person(&self, person: &Person, known: &DirectoryUser, now: Timestamp) -> Result<bool, String> {
        let user = &known.user;
        let mut profile = person.profile.clone();
        profile.external_id = profile.external_id.or_else(|| known.external_id.clone());
        profile.email = profile.email.or_else(|| user.email.clone());
        self.store.set_profile(&user.id, &profile, now).map_err(text)?;
        if let Some(roles) = &person.roles {
            let own = profile.fhir_user.as_ref().or(user.fhir_user.as_ref());
            self.store.update_user(&user.id, roles, own, &user.patients).map_err(text)?;
        }
        let wanted = if person.active { Status::Active } else { Status::Disabled };
        if user.status == wanted {
            return Ok(false);
        }
        self.store.set_user_status(&user.id, wanted, now).map_err(text)?;
        Ok(wanted == Status::Disabled)
    }

    /// Those of earlier feeds (they have the directory's id) who are not in this one.
    fn disable_absent<'a>(
        &self,
        people: &[Person],
        known: impl Iterator<Item = &'a DirectoryUser>,
        now: Timestamp,
    ) -> Result<u64, String> {
        let present: BTreeSet<String> = people.iter().map(|person| person.profile.login.to_lowercase()).collect();
        let mut disabled = 0;
        for known in known {
            let fed = known.external_id.is_some() && known.user.status == Status::Active;
            if fed && !present.contains(&known.user.login.to_lowercase()) {
                self.store.set_user_status(&known.user.id, Status::Disabled, now).map_err(text)?;
                disabled += 1;
            }
        }
        Ok(disabled)
    }
}

fn read(csv: &str) -> Result<Vec<Person>, String> {
    let mut rows = rows(csv)?.into_iter();
    let header = rows.next().ok_or("the file is empty; its first line names the columns")?;
    if let Some(unknown) = header.iter().find(|name| !COLUMNS.contains(&name.as_str())) {
        return Err(format!("there is no column `{unknown}`; there are: {}", COLUMNS.join(", ")));
    }
    if !header.iter().any(|name| name == "userName") {
        return Err("the column `userName` is missing".to_owned());
    }
    let mut seen = BTreeSet::new();
    let people = rows.enumerate().map(|(at, row)| {
        let place = format!("row {}", at + 2);
        let person = person(&header, &row).map_err(|error| format!("{place}: {error}"))?;
        match seen.insert(person.profile.login.to_lowercase()) {
            true => Ok(person),
            false => Err(format!("{place}: `{}` stands there twice", person.profile.login)),
        }
    });
    people.collect()
}

fn person(header: &[String], row: &[String]) -> Result<Person, String> {
    if row.len() != header.len() {
        return Err(format!("{} fields, and the first line names {}", row.len(), header.len()));
    }
    let field = |name: &str| {
        let at = header.iter().position(|known| known == name)?;
        row.get(at).filter(|text| !text.is_empty()).cloned()
    };
    let login = field("userName").ok_or("`userName` is empty")?;
    let fhir_user = match field("fhirUser") {
        None => None,
        Some(text) => Some(
            parse_reference(&text).ok_or_else(|| format!("`{text}` is not a reference; write `Practitioner/d1`"))?,
        ),
    };
    let active = match field("active").as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(other) => return Err(format!("`active` is true or false, not `{other}`")),
    };
    let roles = header.iter().any(|name| name == "roles").then(|| {
        let words = field("roles").unwrap_or_default();
        words.split([' ', ';']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    });
    let name = field("displayName").unwrap_or_else(|| login.clone());
    let profile = Profile { login, name, email: field("email"), external_id: field("externalId"), fhir_user };
    Ok(Person { profile, roles, active })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(csv: &str, expected: &str) {
        let said = match read(csv) {
            Ok(people) => people
                .iter()
                .map(|person| format!("{} {:?} {}", person.profile.login, person.roles, person.active))
                .collect::<Vec<_>>()
                .join("; "),
            Err(error) => error,
        };
        assert!(said.contains(expected), "{said}");
    }

    #[test]
    fn a_feed_is_read_whole_or_not_at_all() {
        check(
            "userName,roles,active\na,nurse;front-desk,true\nb,,false",
            "a Some([\"nurse\", \"front-desk\"]) true; b Some([]) false",
        );
        check("userName\na", "a None true");
        check("userName,rolle\na,b", "no column `rolle`");
        check("displayName\na", "`userName` is missing");
        check("userName,active\na,true\nb,yes", "row 3: `active`");
        check("userName,email\na", "row 2: 1 fields");
        check("userName\na\nA", "row 3: `A` stands there twice");
        check("userName,fhirUser\na,Doctor one", "row 2: `Doctor one`");
        check("", "empty");
    }
}

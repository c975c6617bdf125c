//! A group between our record and SCIM's, and the roles that groups give.

use std::collections::BTreeSet;

use bascule_store::directory::Group;
use bascule_store::user::User;
use serde_json::{Value, json};

use super::RolesOfGroups;
use super::error::ScimError;
use super::schema::GROUP;
use super::user::{member, text};

/// What a directory wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) name: String,
    pub(super) external_id: Option<String>,
    pub(super) members: Vec<String>,
}

/// As it is shown.
pub(super) fn shown(group: &Group, base: &str) -> Value {
    let members: Vec<Value> = group
        .members
        .iter()
        .map(|id| json!({"value": id, "type": "User", "$ref": format!("{base}/Users/{id}")}))
        .collect();
    let mut out = json!({
        "schemas": [GROUP],
        "id": group.id,
        "displayName": group.name,
        "meta": {
            "resourceType": "Group", "created": group.created.to_instant(), "lastModified": group.changed.to_instant(),
            "location": format!("{base}/Groups/{}", group.id),
        },
    });
    if let Some(out) = out.as_object_mut() {
        if !members.is_empty() {
            out.insert("members".into(), Value::Array(members));
        }
        if let Some(id) = &group.external_id {
            out.insert("externalId".into(), json!(id));
        }
    }
    out
}

/// What was sent, understood.
pub(super) fn read(body: &Value) -> Result<Written, ScimError> {
    let fields = body.as_object().ok_or_else(|| ScimError::syntax("a group is an object"))?;
    let name = text(fields, "displayName")?.ok_or_else(|| ScimError::value("`displayName` is missing"))?;
    let members = match member(fields, "members") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list.iter().map(member_id).collect::<Result<_, _>>()?,
        Some(_) => return Err(ScimError::value("`members` is a list")),
    };
    Ok(Written { name, external_id: text(fields, "externalId")?, members })
}

fn member_id(value: &Value) -> Result<String, ScimError> {
    let id = value.get("value").and_then(Value::as_str);
    id.map(str::to_owned).ok_or_else(|| ScimError::value("a member has a `value`: the user's id"))
}

/// A user's roles as their groups have it: those that no group gives stay, those of their groups are added, those of
/// groups that they are not in go.
pub(super) fn roles(user: &User, groups: &[Group], map: &RolesOfGroups) -> Vec<String> {
    let managed: BTreeSet<&String> = map.values().flatten().collect();
    let mut roles: Vec<String> = user.roles.iter().filter(|role| !managed.contains(role)).cloned().collect();
    for group in groups.iter().filter(|group| group.members.contains(&user.id)) {
        let given = map.iter().find(|(name, _)| name.eq_ignore_ascii_case(&group.name));
        for role in given.map(|(_, roles)| roles.as_slice()).unwrap_or_default() {
            if !roles.contains(role) {
                roles.push(role.clone());
            }
        }
    }
    roles
}

#[cfg(test)]
mod tests {
    use bascule_fhir::Timestamp;
    use bascule_store::user::Status;

    use super::*;

    fn check(have: &[&str], of: &[&str], expected: &[&str]) {
        let texts = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let user = User {
            id: "u".into(),
            login: "u".into(),
            name: "u".into(),
            email: None,
            roles: texts(have),
            fhir_user: None,
            patients: vec![],
            status: Status::Active,
            second_factor: false,
            external: None,
        };
        let at = Timestamp::from_seconds(0);
        let group = |name: &&str| Group {
            id: (*name).into(),
            name: (*name).into(),
            external_id: None,
            members: vec!["u".into()],
            created: at,
            changed: at,
        };
        let groups: Vec<Group> = of.iter().map(group).collect();
        let map = [("Nurses".to_owned(), texts(&["nurse"])), ("Doctors".to_owned(), texts(&["physician", "nurse"]))];
        assert_eq!(roles(&user, &groups, &map.into()), texts(expected));
    }

    #[test]
    fn groups_give_and_take_the_roles_that_the_configuration_names_and_no_other() {
        check(&[], &["nurses"], &["nurse"]);
        check(&["nurse", "front-desk"], &[], &["front-desk"]);
        check(&["nurse"], &["Doctors"], &["physician", "nurse"]);
        check(&[], &["administrator"], &[]);
    }

    #[test]
    fn a_group_of_another_shape_is_refused() {
        for body in [
            json!(1),
            json!({}),
            json!({"displayName": "g", "members": 1}),
            json!({"displayName": "g", "members": [{}]}),
        ] {
            assert!(read(&body).is_err(), "{body}");
        }
    }
}

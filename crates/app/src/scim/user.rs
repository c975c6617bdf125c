//! A user between our record and SCIM's.

use bascule_store::directory::{DirectoryUser, Group, Profile};
use bascule_store::user::{Status, parse_reference};
use serde_json::{Map, Value, json};

use super::error::ScimError;
use super::schema::{EXTENSION, USER};

/// What a directory wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) profile: Profile,
    pub(super) active: bool,
}

/// As it is shown.
pub(super) fn shown(known: &DirectoryUser, groups: &[Group], base: &str) -> Value {
    let user = &known.user;
    let own = user.fhir_user.as_ref().map(|(resource, id)| format!("{resource}/{id}"));
    let of: Vec<Value> = groups
        .iter()
        .filter(|group| group.members.contains(&user.id))
        .map(|group| json!({"value": group.id, "display": group.name, "$ref": format!("{base}/Groups/{}", group.id)}))
        .collect();
    let roles: Vec<Value> = user.roles.iter().map(|role| json!({"value": role})).collect();
    let mut out = json!({
        "schemas": [USER],
        "id": user.id,
        "userName": user.login,
        "displayName": user.name,
        "name": {"formatted": user.name},
        "active": user.status == Status::Active,
        "meta": {
            "resourceType": "User", "created": known.created.to_instant(), "lastModified": known.changed.to_instant(),
            "location": format!("{base}/Users/{}", user.id),
        },
    });
    let mut put = |name: &str, value: Option<Value>| {
        if let (Some(members), Some(value)) = (out.as_object_mut(), value) {
            members.insert(name.to_owned(), value);
        }
    };
    put("externalId", known.external_id.as_ref().map(|id| json!(id)));
    put("emails", user.email.as_ref().map(|email| json!([{"value": email}])));
    put("groups", (!of.is_empty()).then_some(Value::Array(of)));
    put("roles", (!roles.is_empty()).then_some(Value::Array(roles)));
    if let Some(own) = own {
        put(EXTENSION, Some(json!({"fhirUser": own})));
        put("schemas", Some(json!([USER, EXTENSION])));
    }
    out
}

/// Names the one address kept as directories address it in a patch: `emails[type eq "work"].value`.
pub(super) fn addressed(shown: &mut Value) {
    if let Some(email) = shown.pointer_mut("/emails/0").and_then(Value::as_object_mut) {
        email.insert("type".to_owned(), json!("work"));
        email.insert("primary".to_owned(), json!(true));
    }
}

/// What was sent, understood. Passwords and roles are not taken from a directory: the one is the provider's, the other
/// the configuration's.
pub(super) fn read(body: &Value) -> Result<Written, ScimError> {
    let members = body.as_object().ok_or_else(|| ScimError::syntax("a user is an object"))?;
    let login = text(members, "userName")?.ok_or_else(|| ScimError::value("`userName` is missing"))?;
    let name = match (text(members, "displayName")?, member(members, "name")) {
        (_, Some(Value::Object(name))) => full_name(name)?,
        (display, _) => display,
    };
    let display = text(members, "displayName")?.or(name).unwrap_or_else(|| login.clone());
    let active = match member(members, "active") {
        None | Some(Value::Null) => true,
        Some(Value::Bool(active)) => *active,
        // Some directories write it as a word.
        Some(Value::String(word)) if word.eq_ignore_ascii_case("true") => true,
        Some(Value::String(word)) if word.eq_ignore_ascii_case("false") => false,
        Some(_) => return Err(ScimError::value("`active` is true or false")),
    };
    let own = match member(members, EXTENSION) {
        Some(Value::Object(own)) => text(own, "fhirUser")?,
        _ => None,
    };
    let fhir_user = match own {
        None => None,
        Some(own) => {
            Some(parse_reference(&own).ok_or_else(|| ScimError::value("`fhirUser` is written as `Practitioner/d1`"))?)
        }
    };
    let profile =
        Profile { login, name: display, email: email(members)?, external_id: text(members, "externalId")?, fhir_user };
    Ok(Written { profile, active })
}

fn full_name(name: &Map<String, Value>) -> Result<Option<String>, ScimError> {
    if let Some(formatted) = text(name, "formatted")? {
        return Ok(Some(formatted));
    }
    let parts: Vec<String> = [text(name, "givenName")?, text(name, "familyName")?].into_iter().flatten().collect();
    Ok((!parts.is_empty()).then(|| parts.join(" ")))
}

/// The primary address, or the first.
fn email(members: &Map<String, Value>) -> Result<Option<String>, ScimError> {
    let list = match member(members, "emails") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(ScimError::value("`emails` is a list")),
    };
    let primary = list.iter().find(|one| one.get("primary") == Some(&Value::Bool(true))).or_else(|| list.first());
    match primary {
        Some(Value::Object(one)) => text(one, "value"),
        _ => Ok(None),
    }
}

pub(super) fn member<'m>(members: &'m Map<String, Value>, name: &str) -> Option<&'m Value> {
    members.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A text of at most 256 bytes; an empty one is as none.
pub(super) fn text(members: &Map<String, Value>, name: &str) -> Result<Option<String>, ScimError> {
    match member(members, name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= 256 => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(_) => Err(ScimError::value(format!("`{name}` is a text of at most 256 bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_read_in_the_ways_that_directories_write() {
        let body = json!({
            "userName": "amal", "name": {"givenName": "Amal", "familyName": "Noor"}, "active": "False",
            "emails": [{"value": "one@x.example"}, {"value": "two@x.example", "primary": true}],
            "externalId": "x1", "roles": ["administrator"], "password": "secret", EXTENSION: {"fhirUser": "Practitioner/d1"},
        });
        let written = read(&body).unwrap();
        assert_eq!(written.profile.name, "Amal Noor");
        assert_eq!(written.profile.email.as_deref(), Some("two@x.example"));
        assert_eq!(written.profile.fhir_user, parse_reference("Practitioner/d1"));
        assert!(!written.active);
    }

    #[test]
    fn a_user_of_another_shape_is_refused() {
        for body in [
            json!([]),
            json!({}),
            json!({"userName": 1}),
            json!({"userName": ""}),
            json!({"userName": "a", "active": "perhaps"}),
            json!({"userName": "a", "emails": "x"}),
            json!({"userName": "x".repeat(300)}),
            json!({"userName": "a", EXTENSION: {"fhirUser": "a doctor"}}),
        ] {
            assert!(read(&body).is_err(), "{body}");
        }
    }
}

//! What we offer, as documents: ServiceProviderConfig, ResourceTypes, Schemas.

use serde_json::{Value, json};

pub(super) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(super) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// Our own attributes of a user.
pub(super) const EXTENSION: &str = "urn:ietf:params:scim:schemas:extension:bascule:2.0:User";
pub(super) const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// Resources on one page.
pub(super) const PAGE_MAX: usize = 500;

pub(super) fn service_provider(base: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": PAGE_MAX},
        "changePassword": {"supported": false},
        "sort": {"supported": false},
        "etag": {"supported": false},
        "authenticationSchemes": [{
            "type": "oauthbearertoken", "name": "OAuth Bearer Token", "primary": true,
            "description": "an access token by client_credentials with the scope bascule/provision",
            "specUri": "https://www.rfc-editor.org/rfc/rfc6750",
        }],
        "meta": {"resourceType": "ServiceProviderConfig", "location": format!("{base}/ServiceProviderConfig")},
    })
}

pub(super) fn resource_types(base: &str) -> Vec<Value> {
    let kind = |name: &str, endpoint: &str, schema: &str| {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "id": name, "name": name, "endpoint": endpoint, "schema": schema, "description": name,
            "meta": {"resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{name}")},
        })
    };
    let mut user = kind("User", "/Users", USER);
    if let Some(user) = user.as_object_mut() {
        user.insert("schemaExtensions".into(), json!([{"schema": EXTENSION, "required": false}]));
    }
    vec![user, kind("Group", "/Groups", GROUP)]
}

pub(super) fn schemas(base: &str) -> Vec<Value> {
    let schema = |id: &str, name: &str, attributes: Value| {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
            "id": id, "name": name, "description": name, "attributes": attributes,
            "meta": {"resourceType": "Schema", "location": format!("{base}/Schemas/{id}")},
        })
    };
    let text = |name: &str| attribute(name, "string");
    let user = json!([
        with(text("userName"), json!({"required": true, "uniqueness": "server"})),
        text("displayName"),
        text("externalId"),
        with(attribute("name", "complex"), json!({"subAttributes": [text("formatted")]})),
        with(attribute("emails", "complex"), json!({"multiValued": true, "subAttributes": [text("value")]})),
        attribute("active", "boolean"),
        with(
            attribute("groups", "complex"),
            json!({"multiValued": true, "mutability": "readOnly", "subAttributes": [
                with(text("value"), json!({"mutability": "readOnly"})), with(text("display"), json!({"mutability": "readOnly"})),
                with(attribute("$ref", "reference"), json!({"mutability": "readOnly", "referenceTypes": ["Group"]})),
            ]})
        ),
        with(
            attribute("roles", "complex"),
            json!({"multiValued": true, "mutability": "readOnly", "subAttributes": [with(text("value"), json!({"mutability": "readOnly"}))]})
        ),
    ]);
    let group = json!([
        with(text("displayName"), json!({"required": true, "uniqueness": "server"})),
        text("externalId"),
        with(
            attribute("members", "complex"),
            json!({"multiValued": true, "subAttributes": [
                with(text("value"), json!({"mutability": "immutable"})), with(text("display"), json!({"mutability": "readOnly"})),
            ]})
        ),
    ]);
    let own = json!([text("fhirUser")]);
    vec![schema(USER, "User", user), schema(GROUP, "Group", group), schema(EXTENSION, "BasculeUser", own)]
}

fn attribute(name: &str, kind: &str) -> Value {
    let mut out = json!({
        "name": name, "type": kind, "multiValued": false, "required": false, "description": name,
        "mutability": "readWrite", "returned": "default",
    });
    if kind == "string" {
        out = with(out, json!({"caseExact": false, "uniqueness": "none"}));
    }
    out
}

fn with(mut attribute: Value, changes: Value) -> Value {
    if let (Some(members), Value::Object(changes)) = (attribute.as_object_mut(), changes) {
        members.extend(changes);
    }
    attribute
}

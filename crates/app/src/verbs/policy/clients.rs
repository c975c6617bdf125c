//! Which clients may come to what is asked about: by a role of their own, or as apps through which people act.

use std::collections::BTreeMap;

use bascule_fhir::ResourceType;
use bascule_smart::Requested;
use bascule_smart::scope::Scope;
use serde_json::Value;

use super::change;
use crate::admin::{Act, Outcome, socket};
use crate::cli::RecordsArgs;
use crate::exit::Exit;

/// Clients by role, and apps of people. Only a running house can say; without one there are none.
pub(super) async fn that_reach(
    element: &str,
    records: &RecordsArgs,
) -> Result<(BTreeMap<String, Vec<String>>, Vec<String>), Exit> {
    let settings = change::settings(records)?;
    let rows = match socket::ask(&settings.store, &Act::ClientList).await {
        Ok(Some(Outcome::Done(Value::Array(rows)))) => rows,
        _ => Vec::new(),
    };
    let resource = element.split('.').next().and_then(ResourceType::parse);
    let (mut by_role, mut apps): (BTreeMap<String, Vec<String>>, Vec<String>) = (BTreeMap::new(), Vec::new());
    for row in rows.iter().filter(|row| row["status"] == "active" && covers(&row["scope"], resource)) {
        let words =
            |name: &str| row[name].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        let Some(id) = row["client_id"].as_str() else { continue };
        for role in words("roles") {
            by_role.entry(role).or_default().push(id.to_owned());
        }
        if words("grant_types").any(|grant| grant == "authorization_code") {
            apps.push(id.to_owned());
        }
    }
    Ok((by_role, apps))
}

/// Whether a scope of the client lets read or search the type; of another kind of API it is not asked.
fn covers(scope: &Value, resource: Option<ResourceType>) -> bool {
    let Some(resource) = resource else { return true };
    let requested = Requested::parse(scope.as_str().unwrap_or_default());
    requested.is_ok_and(|requested| {
        requested.scopes.0.iter().any(|scope| match scope {
            Scope::Resource { resource: of, rights, .. } => {
                of.is_none_or(|of| of == resource) && (rights.read || rights.search)
            }
            _ => false,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_reaches_what_its_scopes_cover() {
        let reaches = |scope: &str, kind: &str| covers(&Value::from(scope), ResourceType::parse(kind));
        assert!(reaches("system/Appointment.rs", "Appointment"));
        assert!(!reaches("system/Appointment.rs", "Observation"));
        assert!(!reaches("system/Observation.cud", "Observation"));
        assert!(reaches("openid patient/*.rs", "Observation"));
        assert!(reaches("", "visits"), "scopes are said in types of FHIR");
    }
}

//! Who is meant where a Consent names a care team, a group or somebody's position: the chart says who that is today. Read with
//! the Consents, so that whoever joins or leaves is seen when they are next read.

use std::collections::{BTreeMap, BTreeSet};

use bascule_fhir::{ResourceType, Timestamp};
use serde_json::Value;

use super::moment::{first_of, last_of};
use super::read::{Origin, local};

/// Types that stand for others.
const COLLECTIVE: [&str; 3] = ["CareTeam", "Group", "PractitionerRole"];

/// The members of what stands for others, by its reference (`CareTeam/7`), each as the chart refers to it. What could not be
/// read is not here, and is not understood.
pub type Groups = BTreeMap<String, Vec<Value>>;

/// Whether a type stands for others.
pub(crate) fn is_collective(kind: ResourceType) -> bool {
    COLLECTIVE.contains(&kind.name())
}

/// Everything that stands for others and is named as an actor, by its reference.
#[must_use]
pub fn named(consents: &[Value], origin: &Origin<'_>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for provision in consents.iter().filter_map(|consent| consent.get("provision")) {
        of_provision(provision, origin, &mut found);
    }
    found
}

fn of_provision(provision: &Value, origin: &Origin<'_>, found: &mut BTreeSet<String>) {
    let list = |name: &str| provision.get(name).and_then(Value::as_array).into_iter().flatten();
    for reference in list("actor").filter_map(|actor| actor.get("reference")) {
        if let Some((kind, id)) = local(reference, origin).filter(|(kind, _)| is_collective(*kind)) {
            found.insert(format!("{kind}/{id}"));
        }
    }
    for nested in list("provision") {
        of_provision(nested, origin, found);
    }
}

/// The members of a resource now; `None` if it is none that has any, or says of them something that cannot be understood.
#[must_use]
pub fn members(resource: &Value, now: Timestamp) -> Option<Vec<Value>> {
    match resource.get("resourceType").and_then(Value::as_str)? {
        "CareTeam" => listed(resource, "participant", "member", now),
        // A group by characteristics names nobody.
        "Group" if resource.get("actual").and_then(Value::as_bool) == Some(true) => {
            listed(resource, "member", "entity", now)
        }
        "PractitionerRole" => resource.get("practitioner").map(|practitioner| vec![practitioner.clone()]),
        _ => None,
    }
}

fn listed(resource: &Value, list: &str, who: &str, now: Timestamp) -> Option<Vec<Value>> {
    let mut all = Vec::new();
    for member in resource.get(list).and_then(Value::as_array).into_iter().flatten() {
        let inactive = member.get("inactive").and_then(Value::as_bool) == Some(true);
        if !inactive && holds(member.get("period"), now)? {
            all.push(member.get(who)?.clone());
        }
    }
    Some(all)
}

/// Whether a period holds; `None` if it cannot be read.
fn holds(period: Option<&Value>, now: Timestamp) -> Option<bool> {
    let part = |name: &str, read: fn(&str) -> Option<Timestamp>| match period
        .and_then(|period| period.get(name))
        .and_then(Value::as_str)
    {
        None => Some(None),
        Some(text) => read(text).map(Some),
    };
    let (start, end) = (part("start", first_of)?, part("end", last_of)?);
    Some(start.is_none_or(|start| start <= now) && end.is_none_or(|end| now < end))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn names(resource: &Value) -> Option<Vec<String>> {
        let all = members(resource, NOW)?;
        Some(all.iter().map(|one| one["reference"].as_str().unwrap().to_owned()).collect())
    }

    #[test]
    fn a_care_team_is_who_takes_part_now() {
        let team = json!({ "resourceType": "CareTeam", "participant": [
            { "member": { "reference": "Practitioner/1" } },
            { "member": { "reference": "Practitioner/2" }, "period": { "end": "2020-01-01" } },
            { "member": { "reference": "Practitioner/3" }, "period": { "start": "2999-01-01" } },
            { "member": { "reference": "Organization/4" }, "period": { "start": "2020-01-01" } },
        ] });
        assert_eq!(names(&team).unwrap(), ["Practitioner/1", "Organization/4"]);
        let unread = json!({ "resourceType": "CareTeam", "participant": [
            { "member": { "reference": "Practitioner/1" }, "period": { "end": "last summer" } }] });
        assert_eq!(names(&unread), None);
        assert_eq!(names(&json!({ "resourceType": "CareTeam", "participant": [{ "role": [] }] })), None);
    }

    #[test]
    fn a_group_is_its_active_members_and_a_position_is_who_holds_it() {
        let group = json!({ "resourceType": "Group", "actual": true, "member": [
            { "entity": { "reference": "Practitioner/1" } },
            { "entity": { "reference": "Practitioner/2" }, "inactive": true },
        ] });
        assert_eq!(names(&group).unwrap(), ["Practitioner/1"]);
        assert_eq!(names(&json!({ "resourceType": "Group", "actual": false })), None);
        let role = json!({ "resourceType": "PractitionerRole", "practitioner": { "reference": "Practitioner/9" } });
        assert_eq!(names(&role).unwrap(), ["Practitioner/9"]);
        assert_eq!(names(&json!({ "resourceType": "PractitionerRole" })), None);
        assert_eq!(names(&json!({ "resourceType": "Patient" })), None);
    }

    #[test]
    fn only_what_stands_for_others_is_named() {
        let organizations = BTreeMap::new();
        let groups = Groups::new();
        let origin = Origin { api: "ehr", bases: &[], organizations: &organizations, groups: &groups };
        let actor = |reference: &str| json!({ "reference": { "reference": reference } });
        let consent = json!({ "resourceType": "Consent", "provision": {
            "actor": [actor("CareTeam/1"), actor("Practitioner/2")],
            "provision": [{ "actor": [actor("Group/3"), actor("#x")] }] } });
        assert_eq!(named(&[consent], &origin), ["CareTeam/1".to_owned(), "Group/3".to_owned()].into());
    }
}

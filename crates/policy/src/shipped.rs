//! The roles that are shipped, as the binary carries them: a start to copy from, and what the demo runs on.

use crate::{Policy, PolicyFile};

/// Name and text of each file of the folder `policy/`.
pub const FILES: [(&str, &str); 23] = [
    ("policy/administrator.toml", include_str!("../../../policy/administrator.toml")),
    ("policy/auditor-counts.toml", include_str!("../../../policy/auditor-counts.toml")),
    ("policy/auditor.toml", include_str!("../../../policy/auditor.toml")),
    ("policy/biller.toml", include_str!("../../../policy/biller.toml")),
    ("policy/diagnostic-tool.toml", include_str!("../../../policy/diagnostic-tool.toml")),
    ("policy/elements.toml", include_str!("../../../policy/elements.toml")),
    ("policy/exchange.toml", include_str!("../../../policy/exchange.toml")),
    ("policy/front-desk.toml", include_str!("../../../policy/front-desk.toml")),
    ("policy/lab.toml", include_str!("../../../policy/lab.toml")),
    ("policy/mobile-app.toml", include_str!("../../../policy/mobile-app.toml")),
    ("policy/nurse.toml", include_str!("../../../policy/nurse.toml")),
    ("policy/outside-provider.toml", include_str!("../../../policy/outside-provider.toml")),
    ("policy/patient.toml", include_str!("../../../policy/patient.toml")),
    ("policy/payer.toml", include_str!("../../../policy/payer.toml")),
    ("policy/personal-representative.toml", include_str!("../../../policy/personal-representative.toml")),
    ("policy/pharmacist.toml", include_str!("../../../policy/pharmacist.toml")),
    ("policy/physician.toml", include_str!("../../../policy/physician.toml")),
    ("policy/privacy-officer.toml", include_str!("../../../policy/privacy-officer.toml")),
    ("policy/public-health.toml", include_str!("../../../policy/public-health.toml")),
    ("policy/radiologist.toml", include_str!("../../../policy/radiologist.toml")),
    ("policy/researcher.toml", include_str!("../../../policy/researcher.toml")),
    ("policy/scheduler.toml", include_str!("../../../policy/scheduler.toml")),
    ("policy/telehealth.toml", include_str!("../../../policy/telehealth.toml")),
];

/// The files, to be loaded as any others.
#[must_use]
pub fn files() -> Vec<PolicyFile> {
    FILES.iter().map(|(name, text)| PolicyFile { name: (*name).to_owned(), text: (*text).to_owned() }).collect()
}

/// The shipped policy.
///
/// # Errors
/// None that a test of this file has not ruled out.
pub fn policy() -> Result<Policy, Vec<crate::fault::Fault>> {
    Policy::load(&files())
}

#[cfg(test)]
mod tests {
    use bascule_fhir::ResourceType;

    use super::*;
    use crate::Elements;

    #[test]
    fn the_shipped_policy_loads_and_every_file_is_carried() {
        let policy = policy().unwrap_or_else(|faults| panic!("{}", crate::fault::render(&faults, "")));
        assert!(policy.roles().count() >= 20);
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policy");
        let there = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let toml = there.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).count();
        assert_eq!(toml, FILES.len());
    }

    /// Care comes first: of allergies, medications, problems and results, who treats sees whole resources or none.
    #[test]
    fn roles_that_treat_withhold_no_element_of_a_safety_type() {
        let safety = crate::SAFETY_TYPES.map(|name| ResourceType::parse(name).unwrap());
        let policy = policy().unwrap();
        let mut looked_at = 0;
        for role in policy.roles().filter(|role| role.treating) {
            for grant in role.grants.iter().filter(|grant| !grant.terms.only_count) {
                for resource in safety.iter().filter(|resource| grant.elements.contains_key(resource)) {
                    let whole = grant.elements.get(resource).is_some_and(|elements| **elements == Elements::Whole);
                    assert!(whole, "{} withholds elements of {resource}", grant.id);
                    looked_at += 1;
                }
            }
            for deny in role.denies.iter().chain(policy.denies()) {
                let about = |resource: &ResourceType| deny.types.as_ref().is_none_or(|types| types.contains(resource));
                let elements = matches!(deny.what, crate::rules::Denied::Elements(_));
                assert!(!(elements && safety.iter().any(about)), "{} withholds elements", deny.id);
            }
        }
        assert!(looked_at > 10, "{looked_at}");
    }
}

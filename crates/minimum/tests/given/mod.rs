//! A permit that the shipped policy has given.

use bascule_fhir::{Interaction, Query, ResourceType, Timestamp, Within};
use bascule_policy::party::Organization;
use bascule_policy::{Api, ApiKind, Asked, Exposure, Fact, Facts, Mode, Permit, shipped};
use bascule_smart::scope::{Context, Rights, Scope};
use bascule_smart::{Credentials, Scopes, TokenRecord, authenticate};

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

#[cfg(test)]
/// What the shipped policy lets a scheduling app do with a search for that type.
pub(crate) fn permit(resource: &str) -> Permit {
    let api = Api {
        name: "ehr".to_owned(),
        kind: ApiKind::Fhir,
        service: "ehr".to_owned(),
        exposure: Exposure::ThirdParty,
        mode: Mode::Enforce,
    };
    let house = Organization {
        id: "house".to_owned(),
        name: "Mercy".to_owned(),
        address: None,
        class: Some("workforce".to_owned()),
        verified: None,
    };
    let rights = Rights { create: false, read: true, update: false, delete: false, search: true };
    let token = TokenRecord {
        token_id: "t".to_owned(),
        client: "app".to_owned(),
        organization: Some("house".to_owned()),
        apis: vec!["ehr".to_owned()],
        scopes: Scopes(vec![Scope::Resource {
            context: Context::System,
            resource: None,
            rights,
            narrowing: Vec::new(),
            v1: false,
        }]),
        roles: vec!["scheduler".to_owned()],
        user: None,
        fhir_user: None,
        patient: None,
        encounter: None,
        purpose: None,
        expires: NOW.plus_seconds(60),
        active: true,
        origin: bascule_smart::Origin::default(),
    };
    let credentials =
        Credentials { token: Some(token), presented: true, address: "192.0.2.1".to_owned(), user_agent: String::new() };
    let principal = authenticate(credentials, "ehr", NOW).unwrap();
    let facts = Facts { organization: Fact::Known(Some(house)), ..Facts::nothing_on_file() };
    let within = Within::Type(ResourceType::parse(resource).unwrap());
    let interaction = Interaction::Search { within, query: Query::default() };
    let asked = Asked { api: "ehr".to_owned(), interaction };
    shipped::policy().unwrap().decide(principal, asked, &facts, &api, NOW).unwrap()
}

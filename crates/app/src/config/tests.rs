//! What the sections about identity say of a slip, and what they make of a sound one.

use bascule_gateway::settings::{ClientProof, UpstreamCredential, Verification};
use bascule_policy::fault::Fault;

use super::Settings;
use super::read::read;

const KEY: &str = "-----BEGIN PRIVATE KEY-----
MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDAq7GIb7+BU3y8x0CdG
";

fn house(upstream: &str, rest: &str) -> (tempfile::TempDir, Result<Settings, Vec<Fault>>) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    write("ec.pem", &pair.serialize_pem());
    write("broken.pem", KEY);
    write("secret", "s3cret\n");
    write("ca.pem", "-----BEGIN CERTIFICATE-----\n");
    let text = format!(
        r#"[listen]
https = "127.0.0.1:8443"
public_url = "https://gateway.example"
tls = {{ certificate = "c", key = "k" }}
[store]
folder = "data"
[audit]
folder = "data/audit"
origin = "gateway.example/audit"
lock = "lock/l.db"
emergency = "deny"
[policy]
folder = "policy"
[[api]]
name = "ehr"
kind = "fhir"
service = "ehr"
exposure = "internal"
path = "/fhir"
mode = "enforce"
upstream = {{ url = "https://ehr.example/fhir", {upstream} }}
{rest}
"#
    );
    let read = read("bascule.toml", &text, folder.path());
    (folder, read)
}

fn credential(written: &str) -> UpstreamCredential {
    let (_folder, settings) = house(&format!("credential = {written}"), "");
    settings.unwrap().gateway.apis.remove(0).upstream.credential
}

#[track_caller]
fn fault(upstream: &str, rest: &str, expected: &str) {
    let (_folder, settings) = house(upstream, rest);
    let faults = settings.map(drop).unwrap_err();
    let said: Vec<String> = faults.iter().map(|fault| format!("{} ({})", fault.message, fault.mend)).collect();
    assert!(said.iter().any(|one| one.contains(expected)), "{expected}: {said:#?}");
    assert!(!said.iter().any(|one| one.contains("s3cret") || one.contains("PRIVATE KEY")), "{said:#?}");
}

#[test]
fn each_way_of_coming_to_an_upstream_is_read() {
    assert!(matches!(credential("\"none\""), UpstreamCredential::None));
    assert!(matches!(credential("{ bearer = \"file:secret\" }"), UpstreamCredential::Bearer(_)));
    let service =
        "{ service = { token_url = \"https://ehr.example/token\", client_id = \"b\", key = \"file:ec.pem\" } }";
    let UpstreamCredential::Service { client, .. } = credential(service) else { panic!("not a service") };
    assert!(matches!(client.proof, ClientProof::Key(_)));
    let exchange = "{ exchange = { token_url = \"https://ehr.example/token\", client_id = \"b\", secret = \"file:secret\", audience = \"e\" } }";
    let UpstreamCredential::Exchange(exchange) = credential(exchange) else { panic!("not an exchange") };
    assert_eq!(exchange.audience.as_deref(), Some("e"));
}

#[test]
fn a_slip_in_a_credential_is_told_with_its_mend() {
    fault("credential = { bearer = \"file:secret\", basic = \"file:secret\" }", "", "no way, or two");
    fault("credential = { bearer = \"s3cret\" }", "", "a secret is written into the configuration");
    fault("credential = { servce = {} }", "", "no way, or two");
    let service = |inner: &str| format!("credential = {{ service = {{ client_id = \"b\", {inner} }} }}");
    fault(&service("key = \"file:ec.pem\""), "", "has no `token_url`");
    fault(&service("token_url = \"http://ehr.example/token\", key = \"file:ec.pem\""), "", "in the clear");
    fault(&service("token_url = \"https://ehr.example/token\""), "", "no proof of itself");
    fault(&service("token_url = \"https://ehr.example/token\", key = \"file:broken.pem\""), "", "openssl genpkey");
    fault("credential = \"none\", acting_user = { header = \"Authorization\" }", "", "`header` cannot be");
}

const ISSUER: &str = r#"[[api.issuer]]
issuer = "https://login.example"
audience = ["https://ehr.example/fhir"]
clients = { "theirs" = "ours" }
scopes = { "read" = "user/*.rs" }
users = "none"
"#;

#[test]
fn an_issuer_without_an_audience_or_with_a_weak_algorithm_is_a_fault() {
    let (_folder, settings) = house("credential = \"none\"", ISSUER);
    let api = settings.unwrap().gateway.apis.remove(0);
    assert!(matches!(api.issuers[0].verification, Verification::Keys { jwks_url: None, .. }));
    let without = |line: &str| ISSUER.lines().filter(|one| !one.starts_with(line)).collect::<Vec<_>>().join("\n");
    fault("credential = \"none\"", &without("audience"), "no `audience`");
    fault("credential = \"none\"", &without("clients"), "has no `clients`");
    for weak in ["none", "HS256", "RS512"] {
        fault("credential = \"none\"", &format!("{ISSUER}algorithms = [\"{weak}\"]"), "is not accepted");
    }
    fault("credential = \"none\"", &ISSUER.replace("user/*.rs", "user/Nothing.rs"), "write a SMART scope");
}

#[test]
fn a_relay_needs_an_issuer_that_makes_tokens_for_that_upstream_only() {
    let relay = "credential = { relay = { issuer = \"https://login.example\" } }";
    let (_folder, settings) = house(relay, ISSUER);
    assert!(settings.is_ok());
    fault(relay, "", "whose tokens this API does not take");
    fault(relay, &ISSUER.replace("https://ehr.example/fhir", "https://gateway.example/fhir"), "another audience");
}

#[test]
fn the_bridge_reads_for_itself_only_where_it_comes_as_itself() {
    let feed = "consents = {}\n";
    let (_folder, settings) = house("credential = \"none\"", feed);
    assert!(settings.is_ok());
    let relay = "credential = { relay = { issuer = \"https://login.example\" } }";
    fault(relay, &format!("{feed}{ISSUER}"), "cannot read consents or relations");
    fault(relay, &format!("relations = {{}}\n{ISSUER}"), "cannot read consents or relations");
}

#[test]
fn lesson_15_a_time_in_another_unit_is_refused() {
    let bearer = "credential = { bearer = \"file:secret\" }";
    for (written, said) in [
        ("{ poll_minutes = 1 }", "poll_minutes"),
        ("{ poll_hours = 1, age_hours_max = 24 }", "poll_hours"),
        ("{ poll_seconds = \"60s\" }", "poll_seconds"),
        ("{ poll_seconds = 60000000 }", "between 1 and 86400"),
        ("{ poll_seconds = 3600, age_seconds_max = 60 }", "too old before the next"),
    ] {
        fault(bearer, &format!("consents = {written}"), said);
    }
    let (_folder, settings) = house(bearer, "consents = { poll_seconds = 60, age_seconds_max = 300 }");
    let feed = settings.unwrap().gateway.apis.remove(0).feeds.consents.unwrap();
    assert_eq!((feed.poll_seconds, feed.age_seconds_max), (60, 300));
}

#[test]
fn an_api_is_not_mounted_over_the_bridge_itself() {
    let at = |path: &str| {
        let other = format!(
            "[[api]]\nname = \"other\"\nkind = \"fhir\"\nservice = \"billing\"\nexposure = \"internal\"\nmode = \"enforce\"\n\
             path = \"{path}\"\nupstream = {{ url = \"https://other.example\", credential = \"none\" }}\n"
        );
        let (_folder, settings) = house("credential = \"none\"", &other);
        settings.map(drop).map_err(|faults| faults.iter().map(|fault| fault.message.clone()).collect::<String>())
    };
    for own in [
        "/oauth",
        "/oauth/apps",
        "/.well-known",
        "/healthz",
        "/audit",
        "/admin",
        "/admin/act",
        "/scim",
        "/scim/v2",
        "/",
    ] {
        let said = at(own).unwrap_err();
        assert!(said.contains("belongs to the bridge itself") || said.contains("not a path"), "{own}: {said}");
    }
    let free = at("/administration");
    assert!(free.is_ok(), "{free:?}");
}

const PROVIDER: &str = r#"[[provider]]
name = "mercy"
title = "Mercy"
issuer = "https://login.example"
client_id = "bascule"
secret = "file:secret"
scope = "openid"
[provider.claims]
role = "groups"
patient = { claim = "p", api = "ehr", assured = { acr = ["ial2"] } }
[provider.roles]
"g" = "physician"
"#;

#[test]
fn a_provider_is_read_and_its_slips_are_told() {
    let (_folder, settings) = house("credential = \"none\"", PROVIDER);
    let provider = settings.unwrap().providers.remove(0);
    assert_eq!((provider.claims.login.as_str(), provider.recheck_seconds), ("preferred_username", Some(300)));
    let none = "credential = \"none\"";
    fault(none, &PROVIDER.replace("\"openid\"", "\"profile\""), "`openid`");
    fault(none, &PROVIDER.replace(", assured = { acr = [\"ial2\"] }", ""), "nothing assures");
    fault(none, &PROVIDER.replace("\"g\" = \"physician\"", ""), "nobody would come in");
    fault(none, &PROVIDER.replace("api = \"ehr\"", "api = \"er\""), "there is no api");
    fault(none, &PROVIDER.replace("\"mercy\"", "\"mercy/../x\""), "letters, digits and hyphens");
    fault(none, &format!("{PROVIDER}\n{PROVIDER}"), "two providers");
    fault("credential = { launch = \"mercy\" }", PROVIDER, "names no [[provider]] that launches");
}

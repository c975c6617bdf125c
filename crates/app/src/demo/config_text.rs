//! The demo's own `bascule.toml`: the demo is started from it like any house.

use bascule_demo::cast::LABORATORY;

use super::folder::DemoFolder;

/// The text for these ports.
pub(crate) fn config_text(port: u16, ehr: &str, laboratory: &str) -> String {
    format!(
        r#"# The demo's configuration, written anew at each start. For your own, begin with bascule.example.toml.

[listen]
https = "127.0.0.1:{port}"
public_url = "https://localhost:{port}"
tls = {{ certificate = "tls/server.pem", key = "tls/server.key" }}

[store]
folder = "data"

[audit]
folder = "data/audit"
node = "demo"
origin = "localhost/bascule-demo"
lock = "lock/bascule-lock.db"
emergency = {{ file = "reserve/emergency", hours = 4, accesses_per_hour = 500 }}

[policy]
folder = "policy"

[[api]]
name = "ehr"
title = "Mercy Hospital, medical record"
kind = "fhir"
service = "ehr"
exposure = "third-party"
path = "/fhir"
owner = "the demo"
mode = "enforce"
upstream = {{ url = "{ehr}", credential = {{ bearer = "file:ehr/bearer" }} }}
consents = {{ poll_seconds = 5, age_seconds_max = 60 }}
relations = {{ poll_seconds = 60 }}

# Its ids are its own: `p0001` here is somebody else than there. Only a link says who is who.
[[api]]
name = "lab"
title = "Mercy Hospital, laboratory"
kind = "fhir"
service = "laboratory"
exposure = "external"
path = "/lab"
owner = "the demo"
mode = "enforce"
upstream = {{ url = "{laboratory}", credential = {{ bearer = "file:ehr/bearer" }} }}
"#
    )
}

/// The laboratory: results on orders that the chart has, over MLLP.
fn laboratory(mllp_port: u16) -> String {
    format!(
        r#"
[[partner]]
name = "{LABORATORY}"
listen = "127.0.0.1:{mllp_port}"
api = "ehr"
client = "{LABORATORY}"
key = "keys/{LABORATORY}.pem"
ca = "tls/ca.pem"
scope = "system/Patient.rs system/ServiceRequest.rs system/Specimen.cruds system/Observation.cruds system/DiagnosticReport.cruds system/Provenance.crs"
base = "https://mercy.example/lab"
utc_offset = "+00:00"
kinds = ["ORU^R01"]
facilities = ["MERCYLAB"]
orders = "known"

[partner.authorities]
MERCY = ["https://mercy.example/mrn"]
ORDERS = ["https://mercy.example/order"]
"#
    )
}

/// Writes configuration and, where they are not yet there, the shipped policy files.
///
/// A demo of before there was a laboratory has no key of it, and goes on without one.
pub(crate) fn write(folder: &DemoFolder, port: u16, mllp_port: u16, (ehr, lab): (&str, &str)) -> Result<(), String> {
    let said = |error: std::io::Error| format!("{}: {error}", folder.root.display());
    let mut text = config_text(port, ehr, lab);
    if !folder.state().exists() || folder.key(LABORATORY).exists() {
        text.push_str(&laboratory(mllp_port));
    }
    std::fs::write(folder.config(), text).map_err(said)?;
    let own = ("policy/care-manager.toml", CARE_MANAGER);
    for (name, text) in bascule_policy::shipped::FILES.into_iter().chain([own]) {
        let file = folder.root.join(name);
        if !file.exists() {
            std::fs::write(file, for_both_apis(name, text)).map_err(said)?;
        }
    }
    Ok(())
}

/// Who reads at the laboratory as well: patients, who represents them, and who treats.
const BOTH: [&str; 4] = ["patient.toml", "personal-representative.toml", "physician.toml", "nurse.toml"];

fn for_both_apis(name: &str, text: &str) -> String {
    let both = BOTH.iter().any(|file| name.ends_with(&format!("/{file}")));
    if both { text.replace("= \"ehr\"\n", "= [\"ehr\", \"lab\"]\n") } else { text.to_owned() }
}

/// A role with a hard panel, which the shipped policy has none of: here one can see how it is walled in.
const CARE_MANAGER: &str = r#"# The demo's own: a hard panel. The shipped roles that treat are not walled in; this one is, by choice.

[role.care-manager]
title       = "Care managers, about their own panel"
purpose     = ["CAREMGT"]
api         = "ehr"
patients    = "related"
no-relation = "refuse"

[[role.care-manager.grant]]
resource     = ["Patient", "Condition", "CarePlan", "CareTeam", "Goal"]
relations    = ["care-team"]
interactions = ["read", "search"]
elements     = "*"
because      = "164.514(d)(2): who manages the care of a patient, while that lasts"
"#;

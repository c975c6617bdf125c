//! The demo's own `bascule.toml`: the demo is started from it like any house.

use bascule_demo::cast::LABORATORY;

use super::folder::DemoFolder;

/// The text for these ports.
pub(crate) fn config_text(port: u16, ehr: &str) -> String {
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
pub(crate) fn write(folder: &DemoFolder, port: u16, mllp_port: u16, ehr: &str) -> Result<(), String> {
    let said = |error: std::io::Error| format!("{}: {error}", folder.root.display());
    let mut text = config_text(port, ehr);
    if !folder.state().exists() || folder.key(LABORATORY).exists() {
        text.push_str(&laboratory(mllp_port));
    }
    std::fs::write(folder.config(), text).map_err(said)?;
    for (name, text) in bascule_policy::shipped::FILES {
        let file = folder.root.join(name);
        if !file.exists() {
            std::fs::write(file, text).map_err(said)?;
        }
    }
    Ok(())
}

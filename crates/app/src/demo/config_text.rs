//! The demo's own `bascule.toml`: the demo is started from it like any house.

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

/// Writes configuration and, where they are not yet there, the shipped policy files.
pub(crate) fn write(folder: &DemoFolder, port: u16, ehr: &str) -> Result<(), String> {
    let said = |error: std::io::Error| format!("{}: {error}", folder.root.display());
    std::fs::write(folder.config(), config_text(port, ehr)).map_err(said)?;
    for (name, text) in bascule_policy::shipped::FILES {
        let file = folder.root.join(name);
        if !file.exists() {
            std::fs::write(file, text).map_err(said)?;
        }
    }
    Ok(())
}

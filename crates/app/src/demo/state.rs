//! `demo.json`: what the demo remembers between starts, and what scripts read. It holds the demo's own passwords.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The state of a demo folder. Written last: when it is there, everything else is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Base of the FHIR API at the bridge.
    pub(crate) fhir: String,
    /// Base of the laboratory's API at the bridge.
    #[serde(default)]
    pub(crate) laboratory: String,
    /// The bridge itself.
    pub(crate) issuer: String,
    /// The portal.
    pub(crate) portal: String,
    /// The development authority that signed both certificates.
    pub(crate) ca: String,
    /// Where the laboratory sends its messages (MLLP).
    #[serde(default)]
    pub(crate) mllp: String,
    /// The embedded EHR behind the bridge.
    pub(crate) ehr: String,
    /// File with the bearer that the EHR asks for.
    pub(crate) ehr_bearer: String,
    /// The day on which the hospital was made, `YYYY-MM-DD`.
    pub(crate) anchor: String,
    /// Its seed.
    pub(crate) seed: u64,
    /// Its patients.
    pub(crate) patients: u32,
    /// Who can sign in.
    pub(crate) users: BTreeMap<String, DemoUser>,
    /// Which apps connect.
    pub(crate) clients: BTreeMap<String, DemoClient>,
}

/// Somebody who can sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DemoUser {
    pub(crate) password: String,
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) patient: Option<String>,
    pub(crate) about: String,
}

/// An app that connects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DemoClient {
    pub(crate) name: String,
    pub(crate) scope: String,
    /// Its private key, in a PEM file; a public client has none.
    pub(crate) key: Option<String>,
    pub(crate) redirect_uri: Option<String>,
}

impl State {
    /// Reads it; `None` if there is none yet.
    pub(crate) fn read(file: &Path) -> Result<Option<Self>, String> {
        match std::fs::read_to_string(file) {
            Ok(text) => {
                let state = serde_json::from_str(&text);
                state
                    .map(Some)
                    .map_err(|error| format!("{} is damaged: {error}; start over with --fresh", file.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("cannot read {}: {error}", file.display())),
        }
    }

    /// Writes it, whole or not at all, for its owner's eyes only.
    pub(crate) fn write(&self, file: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        super::folder::write_private(file, text.as_bytes())
            .map_err(|error| format!("cannot write {}: {error}", file.display()))
    }
}

//! The sealed parts of an entry: who asked, and each patient. Every value here is an identifier of a person.

use bascule_crypto::digest::Sha256;
use serde::{Deserialize, Serialize};

/// Bytes of the longest text in a sealed part.
pub const TEXT_BYTES_MAX: usize = 1024;
/// Resources that one patient's part names; the number of the others is kept.
pub const RESOURCES_MAX: usize = 100;

/// Roles that an entry names.
pub const ROLES_MAX: usize = 16;

/// To whom it went, as an accounting of disclosures must tell it: a snapshot, not a reference.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Recipient {
    /// Postal address, if known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<String>,
    /// Name.
    pub name: String,
}

/// SHA-256 of bodies that passed. An entry says them keyed only ([`crate::clear::KeyedDigests`]), because a digest of a short
/// body tells the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digests {
    /// Of what came from the upstream.
    pub received: Option<Sha256>,
    /// Of what left to the client.
    pub released: Option<Sha256>,
    /// Of what was sent to the upstream.
    pub sent: Option<Sha256>,
}

/// Who asked. Sealed under the month's staff key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentPart {
    /// Network address of the client.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<String>,
    /// What was refused, in words that may hold what the caller wrote.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// The user's own resource: `Practitioner/p1`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fhir_user: Option<String>,
    /// Who issued the user's identity.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub issuer: Option<String>,
    /// The user's name, if known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// The organization that owns the client.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub organization: Option<String>,
    /// The request's query, if it names no single patient.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub query: Option<String>,
    /// To whom it went.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recipient: Option<Recipient>,
    /// Role names.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub roles: Vec<String>,
    /// The token's scopes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scopes: Option<String>,
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subject: Option<String>,
    /// The token's name (not the token).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub token_id: Option<String>,
    /// The client's user agent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user_agent: Option<String>,
}

/// A resource that left, and its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceVersion {
    /// `Observation/o1`
    pub reference: String,
    /// `meta.versionId`
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<String>,
}

/// One patient. Sealed under the patient's key and the month's key together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PatientPart {
    /// The consent that allowed or forbade.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub consent: Option<String>,
    /// The request's query, if it names this patient alone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub query: Option<String>,
    /// `Patient/1`, at the API of the entry.
    pub reference: String,
    /// The resources that left.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub resources: Vec<ResourceVersion>,
    /// How many more there were than `resources` names.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub resources_unnamed: u64,
}

impl AgentPart {
    pub(crate) fn bounded(mut self) -> Self {
        for text in [
            &mut self.address,
            &mut self.detail,
            &mut self.fhir_user,
            &mut self.issuer,
            &mut self.name,
            &mut self.organization,
            &mut self.query,
            &mut self.scopes,
            &mut self.subject,
            &mut self.token_id,
            &mut self.user_agent,
        ] {
            text.as_mut().into_iter().for_each(cut);
        }
        if let Some(recipient) = &mut self.recipient {
            cut(&mut recipient.name);
            recipient.address.as_mut().into_iter().for_each(cut);
        }
        self.roles.truncate(ROLES_MAX);
        self.roles.iter_mut().for_each(|role| {
            role.truncate(floor(role, 160));
        });
        self
    }
}

impl PatientPart {
    /// How long it is in JSON, about.
    pub(crate) fn bytes_about(&self) -> usize {
        let of_resource = |resource: &ResourceVersion| {
            32 + resource.reference.len() + resource.version.as_ref().map_or(0, String::len)
        };
        let texts = self.reference.len()
            + self.query.as_ref().map_or(0, String::len)
            + self.consent.as_ref().map_or(0, String::len);
        64 + texts + self.resources.iter().map(of_resource).sum::<usize>()
    }

    pub(crate) fn bounded(mut self) -> Self {
        let unnamed = self.resources.len().saturating_sub(RESOURCES_MAX) as u64;
        self.resources_unnamed = self.resources_unnamed.saturating_add(unnamed);
        self.resources.truncate(RESOURCES_MAX);
        for resource in &mut self.resources {
            resource.reference.truncate(floor(&resource.reference, 160));
            let version = resource.version.as_mut();
            version.into_iter().for_each(|version| version.truncate(floor(version, 64)));
        }
        self.query.as_mut().into_iter().for_each(cut);
        self.consent.as_mut().into_iter().for_each(|consent| consent.truncate(floor(consent, 160)));
        self.reference.truncate(floor(&self.reference, 256));
        self
    }
}

/// A text as a sealed part holds it.
pub(crate) fn bounded_text(mut text: String) -> String {
    cut(&mut text);
    text
}

fn cut(text: &mut String) {
    text.truncate(floor(text, TEXT_BYTES_MAX));
    if text.bytes().any(|byte| byte.is_ascii_control() || !byte.is_ascii()) && text.contains(char::is_control) {
        *text = text.replace(char::is_control, " ");
    }
}

/// The largest boundary between letters at or below `bytes`.
fn floor(text: &str, bytes: usize) -> usize {
    (0..=bytes.min(text.len())).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(value: &u64) -> bool {
    *value == 0
}

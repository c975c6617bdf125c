//! Passkeys over `webauthn-rs`: what is asked of a browser, and whether what it sends back holds. The shelf keeps the
//! state of a question and the credentials, as text; nothing of the library's types leaves this file.
//!
//! User verification is always required, so that a passkey is two factors by itself. A counter that does not go forward
//! means that somebody may hold a copy of the key, and is told apart from every other refusal.

use bascule_crypto::digest::sha256_parts;
use bascule_store::user::User;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use url::{Host, Url};
use uuid::Uuid;
use webauthn_rs::WebauthnBuilder;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey as Key, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential,
    Webauthn, WebauthnError,
};

use super::passkey::{Asked, Kept, NotValid};

/// What this server is to browsers: its host name is the relying party.
#[derive(Debug, Clone)]
pub(crate) struct Passkeys(std::sync::Arc<Webauthn>);

impl Passkeys {
    /// For this issuer; `None` if its host is a number, to which browsers bind no passkey.
    pub(crate) fn of(issuer: &str, name: &str) -> Option<Self> {
        let origin = Url::parse(issuer).ok()?;
        let Some(Host::Domain(domain)) = origin.host() else { return None };
        let builder = WebauthnBuilder::new(domain, &origin).ok()?.rp_name(name);
        Some(Self(std::sync::Arc::new(builder.build().ok()?)))
    }

    /// What a browser is asked in order to make a new passkey, and what must be remembered meanwhile.
    pub(crate) fn ask_new(&self, user: &User, have: &[String]) -> Result<Asked, NotValid> {
        let exclude = have.iter().filter_map(|text| credential(text)).map(|key| key.cred_id().clone()).collect();
        let (options, state) = self
            .0
            .start_passkey_registration(handle(&user.id), &user.login, &user.name, Some(exclude))
            .map_err(|error| not_valid(&error))?;
        let mut options = to_value(&options)?;
        // So that it can be found without a user name. An authenticator that cannot store one still serves as second factor.
        if let Some(selection) = options.pointer_mut("/publicKey/authenticatorSelection").and_then(Value::as_object_mut)
        {
            selection.insert("residentKey".into(), json!("preferred"));
        }
        Ok(Asked { options: options.to_string(), state: to_value(&state)?.to_string() })
    }

    /// The passkey that a browser made.
    pub(crate) fn keep_new(&self, state: &str, sent: &str) -> Result<Kept, NotValid> {
        let state: PasskeyRegistration = of_text(state)?;
        let sent: RegisterPublicKeyCredential = of_text(sent)?;
        let made = self.0.finish_passkey_registration(&sent, &state).map_err(|error| not_valid(&error))?;
        Ok(Kept { id: id_of(&made), credential: to_value(&made)?.to_string() })
    }

    /// What a browser is asked in order to show a passkey: one of `have`, or any that it holds for us.
    pub(crate) fn ask(&self, have: &[String]) -> Result<Asked, NotValid> {
        let (options, state) = self.0.start_discoverable_authentication().map_err(|error| not_valid(&error))?;
        let mut options = to_value(&options)?;
        if let Some(options) = options.as_object_mut() {
            options.remove("mediation");
        }
        let known: Vec<Value> = have
            .iter()
            .filter_map(|text| credential(text))
            .map(|key| json!({"type": "public-key", "id": id_of(&key)}))
            .collect();
        if let Some(asked) = options.pointer_mut("/publicKey").and_then(Value::as_object_mut) {
            asked.insert("allowCredentials".into(), Value::Array(known));
        }
        Ok(Asked { options: options.to_string(), state: to_value(&state)?.to_string() })
    }

    /// Which credential was shown, as the shelf names it. Nothing is proved by that yet.
    pub(crate) fn named(&self, sent: &str) -> Result<String, NotValid> {
        let sent: PublicKeyCredential = of_text(sent)?;
        Ok(URL_SAFE_NO_PAD.encode(sent.get_credential_id()))
    }

    /// Whether what was shown is this credential, by its owner, for this question; the credential as it is afterwards.
    pub(crate) fn check(&self, state: &str, sent: &str, kept: &str) -> Result<Kept, NotValid> {
        let state: DiscoverableAuthentication = of_text(state)?;
        let sent: PublicKeyCredential = of_text(sent)?;
        let mut key: Key = of_text(kept)?;
        let checked =
            self.0.finish_discoverable_authentication_v2(&sent, state, &key).map_err(|error| not_valid(&error))?;
        if !checked.user_verified() {
            return Err(NotValid::Wrong("the authenticator did not ask its owner".into()));
        }
        key.update_credential(&checked);
        Ok(Kept { id: id_of(&key), credential: to_value(&key)?.to_string() })
    }
}

/// The handle by which an authenticator knows a person: nothing that names anybody.
fn handle(user: &str) -> Uuid {
    let digest = sha256_parts(&[b"passkey handle|", user.as_bytes()]);
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    Uuid::from_bytes(bytes)
}

fn credential(text: &str) -> Option<Key> {
    serde_json::from_str(text).ok()
}

fn id_of(key: &Key) -> String {
    URL_SAFE_NO_PAD.encode(key.cred_id())
}

fn to_value(value: &impl serde::Serialize) -> Result<Value, NotValid> {
    serde_json::to_value(value).map_err(|error| NotValid::Wrong(error.to_string()))
}

fn of_text<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, NotValid> {
    serde_json::from_str(text).map_err(|error| NotValid::Wrong(error.to_string()))
}

fn not_valid(error: &WebauthnError) -> NotValid {
    match error {
        WebauthnError::CredentialPossibleCompromise => NotValid::Copied,
        other => NotValid::Wrong(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_a_number_has_no_passkeys() {
        assert!(Passkeys::of("https://192.0.2.1:8443", "x").is_none());
        assert!(Passkeys::of("nonsense", "x").is_none());
        assert!(Passkeys::of("https://localhost:8443", "x").is_some());
    }

    #[test]
    fn what_is_asked_requires_the_owner() {
        let passkeys = Passkeys::of("https://bridge.example", "x").unwrap();
        let asked: Value = serde_json::from_str(&passkeys.ask(&[]).unwrap().options).unwrap();
        assert_eq!(asked["publicKey"]["userVerification"], "required");
        assert_eq!(asked["publicKey"]["rpId"], "bridge.example");
        assert!(asked.get("mediation").is_none());
    }

    #[test]
    fn nonsense_is_refused() {
        let passkeys = Passkeys::of("https://bridge.example", "x").unwrap();
        let state = passkeys.ask(&[]).unwrap().state;
        for sent in ["", "{}", "null", "[1]", "{\"id\":\"a\"}"] {
            assert!(passkeys.named(sent).is_err(), "{sent}");
            assert!(passkeys.check(&state, sent, "{}").is_err(), "{sent}");
            assert!(passkeys.keep_new("{}", sent).is_err(), "{sent}");
        }
    }
}

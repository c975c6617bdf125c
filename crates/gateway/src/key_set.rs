//! The published keys of an issuer: kept as long as its headers say, fetched again for a `kid` that we do not know, once
//! and with a growing pause, so that a stranger's tokens cannot make us knock at its door.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bascule_fhir::Timestamp;
use bascule_smart::jose;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::outside::Outbound;

/// Kept at most so long, in seconds, whatever the headers say.
const KEEP_SECONDS_MAX: u64 = 3_600;
/// Kept so long, in seconds, if they say nothing.
const KEEP_SECONDS: u64 = 300;
/// While the issuer cannot be reached, the last keys serve so long, in seconds, past their time.
const STALE_SECONDS: i64 = 3_600;
/// The first pause before another fetch, in seconds; each that brings nothing doubles it.
const PAUSE_SECONDS: i64 = 5;
/// The longest pause, in seconds.
const PAUSE_SECONDS_MAX: i64 = 300;

/// Where the keys are.
#[derive(Debug, Clone)]
pub(crate) enum KeysAt {
    /// Here.
    Url(String),
    /// Where the issuer's discovery document says: its address, and the issuer that it must name.
    Discovery {
        /// `{issuer}/.well-known/openid-configuration`
        url: String,
        /// `issuer`
        issuer: String,
    },
}

impl KeysAt {
    /// Where an OpenID provider says.
    pub(crate) fn of_issuer(issuer: &str) -> Self {
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        Self::Discovery { url, issuer: issuer.to_owned() }
    }
}

/// An issuer's keys. Who asks with a key that is kept never waits for a fetch that a stranger's token has caused.
pub(crate) struct KeySet {
    outbound: Outbound,
    at: KeysAt,
    kept: ArcSwap<Kept>,
    turn: Mutex<()>,
}

#[derive(Clone)]
struct Kept {
    keys: Option<Value>,
    until: Timestamp,
    next: Timestamp,
    pause_seconds: i64,
}

impl Kept {
    const fn nothing() -> Self {
        let long_ago = Timestamp::from_seconds(0);
        Self { keys: None, until: long_ago, next: long_ago, pause_seconds: 0 }
    }

    fn usable(&self, token: &str, now: Timestamp) -> Option<&Value> {
        self.keys.as_ref().filter(|keys| self.until > now && has_key(keys, token))
    }
}

impl KeySet {
    pub(crate) fn new(outbound: Outbound, at: KeysAt) -> Self {
        Self { outbound, at, kept: ArcSwap::from_pointee(Kept::nothing()), turn: Mutex::new(()) }
    }

    /// The keys with which `token` may be verified. For one that is signed by a key that we do not know, they are fetched
    /// again if the pause is over.
    ///
    /// # Errors
    /// A sentence for the log: there are no keys.
    pub(crate) async fn keys_for(&self, token: &str, now: Timestamp) -> Result<Value, String> {
        if let Some(keys) = self.kept.load().usable(token, now) {
            return Ok(keys.clone());
        }
        let _turn = self.turn.lock().await;
        let kept = self.kept.load_full();
        if let Some(keys) = kept.usable(token, now) {
            return Ok(keys.clone());
        }
        let mut kept = Kept::clone(&kept);
        let failed = if kept.next <= now { self.renew(&mut kept, token, now).await.err() } else { None };
        let stale = kept.keys.clone().filter(|_| kept.until.plus_seconds(STALE_SECONDS) > now);
        self.kept.store(Arc::new(kept));
        stale.ok_or_else(|| failed.unwrap_or_else(|| "its keys could not be fetched a moment ago".to_owned()))
    }

    async fn renew(&self, kept: &mut Kept, token: &str, now: Timestamp) -> Result<(), String> {
        let fetched = self.fetch().await;
        let found = fetched.as_ref().is_ok_and(|(keys, _)| has_key(keys, token));
        kept.pause_seconds =
            if found { PAUSE_SECONDS } else { (kept.pause_seconds * 2).clamp(PAUSE_SECONDS, PAUSE_SECONDS_MAX) };
        kept.next = now.plus_seconds(kept.pause_seconds);
        let (keys, seconds) = fetched?;
        let seconds = seconds.unwrap_or(KEEP_SECONDS).min(KEEP_SECONDS_MAX);
        kept.keys = Some(keys);
        kept.until = now.plus_seconds(i64::try_from(seconds).unwrap_or_default());
        Ok(())
    }

    async fn fetch(&self) -> Result<(Value, Option<u64>), String> {
        let url = match &self.at {
            KeysAt::Url(url) => url.clone(),
            KeysAt::Discovery { url, issuer } => {
                let document = self.outbound.get(url, None).await?.ok()?;
                let text = |name: &str| document.get(name).and_then(Value::as_str);
                if text("issuer") != Some(issuer) {
                    return Err("its discovery document names another issuer".to_owned());
                }
                text("jwks_uri").ok_or("its discovery document names no `jwks_uri`")?.to_owned()
            }
        };
        if !is_https_or_here(&url) {
            return Err("its keys stand at an address without TLS".to_owned());
        }
        let fetched = self.outbound.get(&url, None).await?;
        let seconds = fetched.max_age_seconds;
        let body = fetched.ok()?;
        let keys = body.get("keys").filter(|keys| keys.is_array()).ok_or("what stands there is no key set")?;
        Ok((json!({"keys": keys}), seconds))
    }
}

/// https, or http on this machine only.
pub(crate) fn is_https_or_here(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| match (url.scheme(), url.host()) {
        ("https", Some(_)) => true,
        ("http", Some(url::Host::Ipv4(address))) => address.is_loopback(),
        ("http", Some(url::Host::Ipv6(address))) => address.is_loopback(),
        ("http", Some(url::Host::Domain(name))) => name == "localhost",
        _ => false,
    })
}

/// Whether the set holds the key that the token names; one that names none is judged by the verification.
fn has_key(keys: &Value, token: &str) -> bool {
    let Ok(said) = jose::unverified(token) else { return true };
    let Some(kid) = said.header.get("kid") else { return true };
    keys.get("keys").and_then(Value::as_array).into_iter().flatten().any(|key| key.get("kid") == Some(kid))
}

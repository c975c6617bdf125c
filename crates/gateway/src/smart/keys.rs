//! Keys: our own, made when the house opens and anew in time; those of clients, fetched from their registered address
//! and kept no longer than they say.

use std::sync::Arc;

use bascule_fhir::Timestamp;
use bascule_smart::jose::{self, SigningAlgorithm};
use bascule_smart::{ClientMetadata, Lifetimes, Refusal, SmartEvent};
use bascule_store::{Store, StoreError};
use serde_json::Value;

use super::state::SmartState;

/// A fetched key set is kept at most this long, whatever its headers say.
const KEEP_SECONDS_MAX: u64 = 3_600;
/// And this long if they say nothing.
const KEEP_SECONDS: u64 = 300;
/// An unknown `kid` makes us fetch again, but no sooner than this after the last time.
const REFETCH_SECONDS: i64 = 10;
/// How long a new signing key is published before it is used.
const PUBLISH_FIRST_SECONDS: i64 = 3_600;
/// How long a signing key signs.
const SIGNING_KEY_SECONDS: i64 = 90 * 86_400;

/// A client's key set and when it was fetched.
pub(crate) struct CachedKeys {
    keys: Value,
    fetched: Timestamp,
    until: Timestamp,
}

/// What we sign with: RS256 for id_tokens, ES384 for those who ask for it and for what upstreams verify.
const OWN_ALGORITHMS: [SigningAlgorithm; 2] = [SigningAlgorithm::Rs256, SigningAlgorithm::Es384];

/// Makes the first key of each algorithm, or the next one when the present one is old. Called when the house opens and daily.
/// The next one is published before it signs, the present one until what it signed has expired.
///
/// # Errors
/// [`StoreError`].
pub fn ensure_signing_keys(
    store: &Store,
    lifetimes: &Lifetimes,
    now: Timestamp,
) -> Result<Vec<SmartEvent>, StoreError> {
    let made = OWN_ALGORITHMS.into_iter().map(|algorithm| ensure_key(store, algorithm, lifetimes, now));
    made.filter_map(Result::transpose).collect()
}

fn ensure_key(
    store: &Store,
    algorithm: SigningAlgorithm,
    lifetimes: &Lifetimes,
    now: Timestamp,
) -> Result<Option<SmartEvent>, StoreError> {
    let published = store.published_keys(now)?;
    let newest = published.iter().filter(|key| key.algorithm == algorithm).map(|key| key.use_from).max();
    let use_from = match newest {
        None => now,
        Some(newest) if newest.plus_seconds(SIGNING_KEY_SECONDS) <= now => now.plus_seconds(PUBLISH_FIRST_SECONDS),
        Some(_) => return Ok(None),
    };
    let old_until = use_from.plus_seconds(lifetimes.id_token_seconds + lifetimes.leeway_seconds);
    let made = store.make_signing_key(algorithm, use_from, old_until)?;
    Ok(Some(SmartEvent::KeyMade { key: made.id, algorithm: algorithm.name() }))
}

/// The registered keys of a client that can verify `assertion`.
pub(crate) async fn of_client(
    state: &SmartState,
    metadata: &ClientMetadata,
    assertion: &str,
) -> Result<Value, Refusal> {
    if let Some(keys) = &metadata.jwks {
        return Ok(keys.clone());
    }
    let uri = metadata.jwks_uri.as_deref().ok_or_else(|| Refusal::client("this client has no registered keys"))?;
    let now = state.now();
    if let Some(cached) = state.key_cache().get(uri) {
        let just_fetched = cached.fetched.plus_seconds(REFETCH_SECONDS) > now;
        if cached.until > now && (just_fetched || has_key(&cached.keys, assertion)) {
            return Ok(cached.keys.clone());
        }
        if just_fetched {
            return Ok(cached.keys.clone());
        }
    }
    let fetched = state.fetch_keys(uri).await.map_err(|error| {
        tracing::warn!(%error, "a client's key set could not be fetched");
        Refusal::client("the keys at the registered jwks_uri could not be fetched")
    })?;
    let seconds = fetched.max_age_seconds.unwrap_or(KEEP_SECONDS).min(KEEP_SECONDS_MAX);
    let until = now.plus_seconds(i64::try_from(seconds).unwrap_or_default());
    let kept = CachedKeys { keys: fetched.keys.clone(), fetched: now, until };
    state.key_cache().insert(uri.to_owned(), Arc::new(kept));
    Ok(fetched.keys)
}

fn has_key(keys: &Value, assertion: &str) -> bool {
    let Ok(said) = jose::unverified(assertion) else { return true };
    let Some(kid) = said.header.get("kid") else { return true };
    keys.get("keys").and_then(Value::as_array).into_iter().flatten().any(|key| key.get("kid") == Some(kid))
}

//! What the shelf knows of the presented token, as values: whether it suffices is decided by `smart`.

use bascule_crypto::digest::sha256;
use bascule_fhir::Timestamp;
use bascule_smart::binding::{Possession, Scheme};
use bascule_smart::{Credentials, dpop};
use bascule_store::replay::Use;
use bascule_store::{Store, StoreError};

use crate::head::{Head, Presented};
use crate::issuers::Issuers;

/// Looks the token up and lets go of it. A token bound to a key or certificate that the caller did not prove to hold is
/// treated as unknown; one that we did not make is looked at by the issuers of the API. `address` is the request's own, as the caller writes it, which a DPoP proof must name.
///
/// # Errors
/// [`StoreError`]: the shelf cannot say, and nothing passes.
pub(crate) async fn credentials(
    store: &Store,
    issuers: Option<(&Issuers, &str)>,
    head: &Head,
    address: &str,
    now: Timestamp,
) -> Result<Credentials, StoreError> {
    let (scheme, token) = match head.presented() {
        Presented::Nothing => return Ok(unknown(head, false)),
        Presented::Unreadable => return Ok(unknown(head, true)),
        Presented::Bearer(token) => (Scheme::Bearer, token),
        Presented::Dpop(token) => (Scheme::Dpop, token),
    };
    let held = match (store.credentials(&sha256(token.as_bytes()))?, issuers) {
        (None, Some((issuers, api))) => issuers.read(store, api, token, now).await?,
        (held, _) => held,
    };
    let Some(held) = held else { return Ok(unknown(head, true)) };
    let dpop_key = match scheme {
        Scheme::Bearer => None,
        Scheme::Dpop => proved(store, head, token, address, now)?,
    };
    let possession = Possession { scheme, dpop_key, certificate: head.certificate };
    Ok(Credentials { token: held.possessed(&possession).ok(), ..unknown(head, true) })
}

/// The key of a proof over this very request and token, used for the first time.
fn proved(
    store: &Store,
    head: &Head,
    token: &str,
    address: &str,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    let Some(proof) = head.header("dpop") else { return Ok(None) };
    let Ok(proof) = dpop::verify(proof, head.method.as_str(), address, Some(token.as_bytes()), now) else {
        return Ok(None);
    };
    let first = store.use_once(&format!("dpop:{}", proof.key), &proof.jti, proof.remember_until, now)? == Use::First;
    Ok(first.then_some(proof.key))
}

fn unknown(head: &Head, presented: bool) -> Credentials {
    Credentials { token: None, presented, address: head.address.clone(), user_agent: head.user_agent.clone() }
}

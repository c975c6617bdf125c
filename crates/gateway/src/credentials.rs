//! What the shelf knows of the presented token, as values: whether it suffices is decided by `smart`.

use bascule_crypto::digest::sha256;
use bascule_smart::Credentials;
use bascule_smart::binding::{Possession, Scheme};
use bascule_store::{Store, StoreError};

use crate::head::{Head, Presented};

/// Looks the token up and lets go of it. A token bound to a key or certificate that the caller did not prove to hold is
/// treated as unknown.
///
/// # Errors
/// [`StoreError`]: the shelf cannot say, and nothing passes.
pub(crate) fn credentials(store: &Store, head: &Head) -> Result<Credentials, StoreError> {
    let (scheme, token) = match head.presented() {
        Presented::Nothing => return Ok(unknown(head, false)),
        Presented::Unreadable => return Ok(unknown(head, true)),
        Presented::Bearer(token) => (Scheme::Bearer, token),
        Presented::Dpop(token) => (Scheme::Dpop, token),
    };
    let Some(held) = store.credentials(&sha256(token.as_bytes()))? else { return Ok(unknown(head, true)) };
    let possession = Possession { scheme, dpop_key: None, certificate: head.certificate };
    Ok(Credentials { token: held.possessed(&possession).ok(), ..unknown(head, true) })
}

fn unknown(head: &Head, presented: bool) -> Credentials {
    Credentials { token: None, presented, address: head.address.clone(), user_agent: head.user_agent.clone() }
}

//! Who acts: a user of the house, proved by password and one-time password, whose role looks after what is asked.

use std::sync::Arc;
use std::time::Duration;

use bascule_crypto::Secret;
use bascule_fhir::Timestamp;
use bascule_policy::Policy;
use bascule_policy::rules::Keeps;
use bascule_smart::totp;
use bascule_store::Store;
use bascule_store::user::{SignIn, User};

use super::act::Signed;

/// A wrong password is answered after so long.
const REFUSED_AFTER: Duration = Duration::from_secs(1);

/// The user who signed, if it is one whose role looks after that.
///
/// # Errors
/// A sentence: nobody signed, the proof is not right, or the right is missing.
pub(crate) async fn keeper(
    store: &Arc<Store>,
    policy: &Policy,
    what: Keeps,
    signed: Option<Signed>,
    now: Timestamp,
) -> Result<User, String> {
    let signed = signed.ok_or("say who you are: --as NAME, with the password on a terminal or in --password-file")?;
    let user = match known(store, signed, now).await? {
        Some(user) => user,
        None => {
            tokio::time::sleep(REFUSED_AFTER).await;
            return Err("name, password or one-time password is not right".to_owned());
        }
    };
    let roles = user.roles.iter().map(String::as_str);
    policy.keeper(roles, what).map_err(|missing| missing.to_string())?;
    Ok(user)
}

async fn known(store: &Arc<Store>, signed: Signed, now: Timestamp) -> Result<Option<User>, String> {
    let shelf = Arc::clone(store);
    let checking = move || {
        let Signed { login, password, code } = signed;
        match shelf.sign_in(&login, &Secret::new(password))? {
            SignIn::Refused { .. } => Ok(None),
            SignIn::Accepted(user) if !user.second_factor => Ok(Some(user)),
            SignIn::Accepted(user) => {
                let secret = shelf.second_factor(&user.id)?;
                let step = secret.and_then(|secret| totp::step(&secret, code.as_deref().unwrap_or_default(), now));
                let right = step.is_some_and(|step| shelf.use_second_factor_step(&user.id, step).is_ok());
                Ok(right.then_some(user))
            }
        }
    };
    let checked = tokio::task::spawn_blocking(checking).await.map_err(|error| error.to_string())?;
    checked.map_err(|error: bascule_store::StoreError| error.to_string())
}

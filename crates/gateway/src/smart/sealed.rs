//! A sealed emergency account was opened: the alarm, the entry, and the review that is due.

use bascule_smart::SmartEvent;
use bascule_store::alert::NewAlert;
use bascule_store::user::User;

use super::pages::PageFailure;
use super::state::{Caller, SmartState};

/// Whether this is a sealed account. Then the alarm is raised and the entry durable before anybody goes on. Its secret
/// comes out of a safe and is replaced after each use; that counts as a strong and fresh proof.
pub(crate) async fn opened(state: &SmartState, user: &User, caller: &Caller) -> Result<bool, PageFailure> {
    let Some(broken) = state.store().break_seal(&user.id, state.now())? else { return Ok(false) };
    let (severity, said) = if broken.drill {
        ("low", "a sealed emergency account was opened in an announced drill")
    } else {
        ("high", "a sealed emergency account was opened: find out who and why, review it, and seal it anew")
    };
    state.store().raise_alert(&NewAlert {
        at: broken.at,
        rule: "sealed-account-opened".to_owned(),
        severity: severity.to_owned(),
        client: None,
        user: Some(user.id.clone()),
        api: None,
        said: format!("{said} (use {})", broken.number),
    })?;
    tracing::error!(user = user.id, drill = broken.drill, "a sealed emergency account was opened");
    state.record(SmartEvent::SealBroken { user: user.id.clone(), drill: broken.drill }, caller).await?;
    Ok(true)
}

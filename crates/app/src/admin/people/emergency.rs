//! Sealed emergency accounts: their secret is shown once, for the safe.

use bascule_crypto::Secret;
use bascule_fhir::Timestamp;
use bascule_store::random;
use bascule_store::user::NewUser;
use serde_json::{Value, json};

use super::{Acted, changed, text};
use crate::admin::records::Records;

/// A house keeps so many: one may be lost, or its keeper away.
const WANTED: usize = 2;
/// Days after which the next drill is due.
const DRILL_DAYS: i64 = 180;

impl Records {
    pub(super) fn seal(&self, name: String, roles: Vec<String>, display: Option<String>, now: Timestamp) -> Acted {
        if roles.is_empty() {
            return Err("an account without a role opens nothing; name one with --role".to_owned());
        }
        let secret = random::token().map_err(text)?;
        let new = NewUser {
            name: display.unwrap_or_else(|| format!("Emergency account {name}")),
            login: name,
            roles,
            ..NewUser::default()
        };
        let user = self.store.add_user(&new, Some(&secret), now).map_err(text)?;
        self.store.seal(&user.id, now).map_err(text)?;
        changed(self.for_the_safe(&user.login, &secret)?, user.id)
    }

    pub(super) fn reseal(&self, name: &str, now: Timestamp) -> Acted {
        let user = self.named(name)?;
        let sealed = self.store.sealed_accounts().map_err(text)?;
        if !sealed.iter().any(|sealed| sealed.user == user.id) {
            return Err(format!("`{name}` is not a sealed account; see `bascule emergency list`"));
        }
        let secret = random::token().map_err(text)?;
        self.store.set_password(&user.id, &secret, now).map_err(text)?;
        self.store.seal(&user.id, now).map_err(text)?;
        changed(self.for_the_safe(name, &secret)?, user.id)
    }

    fn for_the_safe(&self, name: &str, secret: &Secret) -> Result<Value, String> {
        let have = self.store.sealed_accounts().map_err(text)?.len();
        let missing = WANTED.saturating_sub(have);
        Ok(json!({
            "name": name,
            "secret": random::text(secret),
            "how": "print it, put it into a sealed envelope and that into a safe; it is not shown again, and each use is an alarm",
            "still-missing": missing,
        }))
    }

    pub(super) fn announce_drill(&self, name: &str, now: Timestamp) -> Acted {
        let user = self.named(name)?;
        self.store.announce_drill(&user.id, now).map_err(text)?;
        let until = now.plus_seconds(bascule_store::sealed::DRILL_SECONDS).to_instant();
        changed(json!({ "name": name, "drill-until": until }), user.id)
    }

    /// Accounts first, then their uses.
    pub(super) fn sealed(&self, now: Timestamp) -> Acted {
        let login = |id: &str| -> Result<String, String> {
            Ok(self.store.user(id).map_err(text)?.map_or_else(|| id.to_owned(), |user| user.login))
        };
        let mut rows = Vec::new();
        for sealed in self.store.sealed_accounts().map_err(text)? {
            let drilled = sealed.drilled.is_some_and(|at| at.plus_seconds(DRILL_DAYS * 86_400) >= now);
            rows.push(json!({
                "what": "account",
                "name": login(&sealed.user)?,
                "at": sealed.sealed.to_instant(),
                "state": if sealed.broken { "opened: seal it anew" } else if drilled { "sealed" } else { "sealed, a drill is due" },
            }));
        }
        for broken in self.store.broken_seals().map_err(text)? {
            let kind = if broken.drill { "drill" } else { "emergency" };
            let state = broken.reviewed.map_or_else(
                || "a review is due".to_owned(),
                |(at, by, note)| format!("reviewed {} by {by}: {note}", at.to_instant()),
            );
            rows.push(json!({
                "what": format!("use {} ({kind})", broken.number),
                "name": login(&broken.user)?,
                "at": broken.at.to_instant(),
                "state": state,
            }));
        }
        Ok((Value::Array(rows), None))
    }
}

//! The mode in which an API is decided now: that of the configuration, and what somebody said of it since.

use std::borrow::Cow;

use bascule_policy::{Api, Mode};
use bascule_store::Store;
use bascule_store::mode::ModeWord;

/// The API as it is decided now. Where the shelf cannot say, the rules hold.
pub(crate) fn in_force<'a>(store: &Store, api: &'a Api) -> Cow<'a, Api> {
    if api.mode == Mode::Enforce {
        return Cow::Borrowed(api);
    }
    let mode = match (store.mode_said(&api.name), &api.mode) {
        (Ok(None), _) => return Cow::Borrowed(api),
        (Ok(Some((ModeWord::Observe, _))), Mode::Canary { until, owner, reason, clients, .. }) => {
            Mode::Observe { until: *until, owner: owner.clone(), reason: reason.clone(), clients: clients.clone() }
        }
        (Ok(Some((ModeWord::Observe, _))), _) => return Cow::Borrowed(api),
        (Ok(Some((ModeWord::Enforce, _))), _) => Mode::Enforce,
        (Err(error), _) => {
            tracing::error!(%error, api = api.name, "what was said of the mode is not known: the rules hold");
            Mode::Enforce
        }
    };
    Cow::Owned(Api { mode, ..api.clone() })
}

#[cfg(test)]
mod tests {
    use bascule_fhir::Timestamp;
    use bascule_policy::{ApiKind, Exposure};

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn api(mode: Mode) -> Api {
        Api {
            name: "ehr".to_owned(),
            kind: ApiKind::Fhir,
            service: "ehr".to_owned(),
            exposure: Exposure::Internal,
            mode,
        }
    }

    fn observe() -> Mode {
        Mode::Observe { until: NOW, owner: String::new(), reason: String::new(), clients: vec!["app".to_owned()] }
    }

    fn canary() -> Mode {
        let (owner, reason, clients) = (String::new(), String::new(), vec!["app".to_owned()]);
        Mode::Canary { until: NOW, owner, reason, clients, enforced: vec!["app".to_owned()], percent: 50 }
    }

    #[test]
    fn a_word_takes_a_canary_back_or_ends_observing_and_loosens_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("bascule.db"), NOW).unwrap();
        let mode = |configured: Mode| in_force(&store, &api(configured)).mode.clone();
        assert_eq!(mode(canary()), canary());
        store.say_mode("ehr", Some(ModeWord::Observe), NOW).unwrap();
        assert_eq!(mode(canary()), observe(), "for nobody any more");
        assert_eq!(mode(observe()), observe());
        assert_eq!(mode(Mode::Enforce), Mode::Enforce, "what the configuration enforces is not loosened");
        store.say_mode("ehr", Some(ModeWord::Enforce), NOW).unwrap();
        assert_eq!((mode(canary()), mode(observe())), (Mode::Enforce, Mode::Enforce));
        store.say_mode("ehr", None, NOW).unwrap();
        assert_eq!(mode(canary()), canary(), "as configured");
    }
}

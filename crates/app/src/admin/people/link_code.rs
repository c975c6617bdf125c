//! A code on paper: it links an account to the person's own record, or files that they stand for a patient.

use bascule_fhir::{Id, Timestamp};
use bascule_store::filed::Born;
use bascule_store::link_code::{LinkTarget, StandsFor};
use serde_json::json;

use super::{Acted, changed, text};
use crate::admin::filed::BASES;
use crate::admin::records::Records;

/// Hours for which a code on paper counts at most.
const LINK_HOURS_MAX: u32 = 24 * 30;

/// What an administrator asks for.
pub(super) struct LinkAsked {
    pub(super) patient: String,
    pub(super) api: Option<String>,
    pub(super) kind: String,
    pub(super) label: Option<String>,
    pub(super) document: Option<String>,
    pub(super) born: Option<String>,
    pub(super) hours: u32,
}

impl Records {
    pub(super) fn link_code(&self, asked: LinkAsked, by: &str, now: Timestamp) -> Acted {
        let patient = Id::parse(&asked.patient).ok_or_else(|| format!("`{}` is not a FHIR id", asked.patient))?;
        if asked.hours == 0 || asked.hours > LINK_HOURS_MAX {
            return Err(format!("a code counts for 1 to {LINK_HOURS_MAX} hours"));
        }
        let represents = stands_for(&asked)?;
        let LinkAsked { api, kind, label, hours, .. } = asked;
        let target = LinkTarget { api: api.unwrap_or_else(|| self.api.clone()), patient, kind, label, represents };
        let until = now.plus_seconds(i64::from(hours) * 3_600);
        let code = self.store.make_link_code(&target, by, until, now).map_err(text)?;
        let shown = json!({
            "code": code,
            "patient": target.patient.as_str(),
            "kind": target.kind,
            "until": until.to_instant(),
            "how": "print it, see an identity document, hand it over in person; it works once, at /oauth/link",
        });
        changed(shown, format!("{}/Patient/{}", target.api, target.patient))
    }
}

/// What is filed when the code is used; nothing for the patient's own account.
fn stands_for(asked: &LinkAsked) -> Result<Option<StandsFor>, String> {
    if asked.kind == "self" {
        return Ok(None);
    }
    if !BASES.contains(&asked.kind.as_str()) {
        return Err(format!("there is no kind `{}`; choose one of self, {}", asked.kind, BASES.join(", ")));
    }
    if asked.label.is_none() {
        return Err("whose record is it? Name the patient as the person will read it: --label NAME".to_owned());
    }
    let document = asked.document.clone().filter(|document| !document.is_empty());
    let document = document.ok_or("a representation rests on a paper: --document WHAT")?;
    let born = match asked.born.as_deref() {
        None if matches!(asked.kind.as_str(), "parent" | "guardian-of-minor") => {
            return Err("a representation of a minor ends when the child comes of age: --born DAY".to_owned());
        }
        None => None,
        Some(day) => Some(Born::parse(day).ok_or_else(|| format!("`{day}` is not a day; write 2026-12-31"))?),
    };
    Ok(Some(StandsFor { document, born }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(kind: &str, label: Option<&str>, document: Option<&str>, born: Option<&str>) -> String {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let asked = LinkAsked {
            patient: "p1".into(),
            api: None,
            kind: kind.into(),
            label: own(label),
            document: own(document),
            born: own(born),
            hours: 1,
        };
        stands_for(&asked).map(|stands| format!("{stands:?}")).unwrap_or_else(|error| error)
    }

    #[test]
    fn a_representative_needs_a_paper_a_name_and_for_a_child_a_day() {
        assert_eq!(refused("self", None, None, None), "None");
        assert!(refused("aunt", None, None, None).contains("choose one of self, parent"));
        assert!(refused("parent", None, Some("x"), Some("2012-05-01")).contains("--label"));
        assert!(refused("parent", Some("Ana"), None, Some("2012-05-01")).contains("--document"));
        assert!(refused("parent", Some("Ana"), Some("x"), None).contains("--born"));
        assert!(refused("guardian-of-minor", Some("Ana"), Some("x"), None).contains("--born"));
        assert!(refused("parent", Some("Ana"), Some("x"), Some("May")).contains("not a day"));
        assert!(refused("parent", Some("Ana"), Some("x"), Some("2012-05-01")).contains("StandsFor"));
        assert!(refused("guardian", Some("Ana"), Some("x"), None).contains("born: None"));
    }
}

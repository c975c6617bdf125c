//! Where a person goes after signing in.

use bascule_smart::Parameters;
use serde_json::{Value, json};

use super::browser::Browser;
use super::flow::Waiting;
use super::state::SmartState;

/// Where a person goes after signing in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Then {
    /// On with an app's request.
    Request(String),
    /// To the list of apps.
    Apps,
    /// To how they sign in.
    Account,
    /// To where a code on paper is typed in.
    Link,
}

impl Then {
    /// As a form says.
    pub(crate) fn of(parameters: &Parameters) -> Self {
        match (parameters.value("request"), parameters.value("then")) {
            (Some(request), _) => Self::Request(request.to_owned()),
            (None, then) => Self::of_word(then),
        }
    }

    fn of_word(word: Option<&str>) -> Self {
        match word {
            Some("account") => Self::Account,
            Some("link") => Self::Link,
            _ => Self::Apps,
        }
    }

    /// The app's request, if there is one.
    pub(crate) fn request(&self) -> Option<&str> {
        match self {
            Self::Request(name) => Some(name),
            _ => None,
        }
    }

    /// The word in forms.
    pub(crate) const fn word(&self) -> Option<&'static str> {
        match self {
            Self::Account => Some("account"),
            Self::Link => Some("link"),
            Self::Apps | Self::Request(_) => None,
        }
    }

    /// As it is remembered.
    pub(crate) fn to_value(&self) -> Value {
        json!({"request": self.request(), "then": self.word()})
    }

    /// As it was remembered.
    pub(crate) fn of_value(value: &Value) -> Self {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        text("request").map_or_else(|| Self::of_word(text("then")), |request| Self::Request(request.to_owned()))
    }

    /// The address.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Request(name) => format!("/oauth/continue?request={name}"),
            Self::Apps => "/oauth/apps".to_owned(),
            Self::Account => "/oauth/account".to_owned(),
            Self::Link => "/oauth/link".to_owned(),
        }
    }

    /// Where a form on the way may end in a redirect: the app's address.
    pub(crate) fn leads_to(&self, state: &SmartState, browser: &Browser) -> Option<String> {
        let waiting = Waiting::load(state, browser, Some(self.request()?)).ok()?;
        Some(waiting.request.redirect_uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_go_is_remembered_and_nothing_else_is_gone_to() {
        for then in [Then::Request("r".into()), Then::Apps, Then::Account, Then::Link] {
            assert_eq!(Then::of_value(&then.to_value()), then);
        }
        assert_eq!(Then::of_value(&json!({"then": "https://evil.example"})).address(), "/oauth/apps");
    }
}

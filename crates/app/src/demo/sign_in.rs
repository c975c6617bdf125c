//! A person signs in without a browser: authorization code with PKCE, page by page, as the forms ask.

use bascule_crypto::digest::sha256;
use bascule_wire::{Client, collect, empty, full};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, Request, StatusCode, header};
use url::Url;
use url::form_urlencoded::Serializer;

use super::state::{DemoUser, State};
use super::token::{ANSWER_BYTES_MAX, access_token};

/// The demo's public client for experiments on the command line.
pub(crate) const EXPERIMENT: &str = "experiment";
/// Where its codes go; nobody listens there.
pub(crate) const EXPERIMENT_REDIRECT: &str = "http://127.0.0.1:8445/callback";
/// Pages between asking and the code; more is a circle.
const PAGES_MAX: usize = 8;

/// Walks the pages and redeems the code.
pub(super) async fn sign_in(
    client: &Client,
    state: &State,
    name: &str,
    user: &DemoUser,
    scope: Option<&str>,
    patient: Option<&str>,
) -> Result<String, String> {
    let verifier = bascule_store::random::text(&bascule_store::random::token().map_err(|error| error.to_string())?);
    let default = if user.patient.is_some() {
        "openid fhirUser launch/patient patient/*.rs"
    } else {
        "openid fhirUser user/*.rs"
    };
    let query = Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", EXPERIMENT)
        .append_pair("redirect_uri", EXPERIMENT_REDIRECT)
        .append_pair("scope", scope.unwrap_or(default))
        .append_pair("state", "command-line")
        .append_pair("aud", &state.fhir)
        .append_pair("resource", &state.laboratory)
        .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes())))
        .append_pair("code_challenge_method", "S256")
        .finish();
    let start = Url::parse(&format!("{}/oauth/authorize?{query}", state.issuer)).map_err(|error| error.to_string())?;
    let code = Visit { client, name, user, patient, cookies: Vec::new() }.walk(start).await?;
    let form = Serializer::new(String::new())
        .append_pair("grant_type", "authorization_code")
        .append_pair("client_id", EXPERIMENT)
        .append_pair("code", &code)
        .append_pair("redirect_uri", EXPERIMENT_REDIRECT)
        .append_pair("code_verifier", &verifier)
        .finish();
    access_token(client, state, form).await
}

/// What a browser remembers on the way.
struct Visit<'a> {
    client: &'a Client,
    name: &'a str,
    user: &'a DemoUser,
    /// Whose record to pick, where there is a choice.
    patient: Option<&'a str>,
    cookies: Vec<(String, String)>,
}

/// The next step of a page.
enum Step {
    Go(Url),
    Send(Url, String),
}

impl Visit<'_> {
    async fn walk(mut self, start: Url) -> Result<String, String> {
        let mut step = Step::Go(start);
        for _ in 0..PAGES_MAX {
            let (at, answer) = self.take(step).await?;
            if let Some(target) = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok()) {
                let target = at.join(target).map_err(|error| error.to_string())?;
                if target.as_str().starts_with(EXPERIMENT_REDIRECT) {
                    return code_of(&target);
                }
                step = Step::Go(target);
                continue;
            }
            let status = answer.status();
            let body = collect(answer.into_body(), ANSWER_BYTES_MAX).await.map_err(|error| error.to_string())?;
            let page = String::from_utf8_lossy(&body).into_owned();
            if status != StatusCode::OK {
                return Err(format!("signing in answered {status} at {}", at.path()));
            }
            step = self.fill(&at, &page)?;
        }
        Err("signing in goes round in a circle".to_owned())
    }

    async fn take(&mut self, step: Step) -> Result<(Url, http::Response<bascule_wire::Body>), String> {
        let (method, at, body) = match step {
            Step::Go(at) => (Method::GET, at, None),
            Step::Send(at, form) => (Method::POST, at, Some(form)),
        };
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let mut request = Request::builder().method(method).uri(at.as_str());
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies);
        }
        if body.is_some() {
            request = request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(header::ORIGIN, at.origin().ascii_serialization());
        }
        let request = request.body(body.map_or_else(empty, full)).map_err(|error| error.to_string())?;
        let answer = self.client.send(request).await.map_err(|error| format!("{at}: {error}; does the demo run?"))?;
        for cookie in answer.headers().get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.retain(|(known, _)| known != name);
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        Ok((at, answer))
    }

    /// Fills the page's first form: credentials where they are asked for, everything else as it stands.
    fn fill(&self, at: &Url, page: &str) -> Result<Step, String> {
        let form = tags(page, "form").next().ok_or("a page on the way has no form")?;
        let rest = page.split_once("<form").map_or("", |(_, rest)| rest);
        let inner = rest.split_once("</form>").map_or(rest, |(inner, _)| inner);
        let mut pairs = Serializer::new(String::new());
        for input in tags(inner, "input") {
            let Some(field) = attribute(input, "name") else { continue };
            let kind = attribute(input, "type").unwrap_or_else(|| "text".to_owned());
            let value = attribute(input, "value").unwrap_or_default();
            let checked = input.split_ascii_whitespace().any(|word| word.trim_end_matches(['>', '/']) == "checked");
            match kind.as_str() {
                "password" => drop(pairs.append_pair(&field, &self.user.password)),
                "text" | "email" => drop(pairs.append_pair(&field, self.name)),
                "radio" if self.patient.is_some_and(|patient| patient != value) => {}
                "radio" if self.patient.is_some() => drop(pairs.append_pair(&field, &value)),
                "checkbox" | "radio" if !checked => {}
                "submit" => {}
                _ => drop(pairs.append_pair(&field, &value)),
            }
        }
        if let Some(button) = tags(inner, "button").next()
            && let Some(field) = attribute(button, "name")
        {
            pairs.append_pair(&field, &attribute(button, "value").unwrap_or_default());
        }
        let target = attribute(form, "action").unwrap_or_default();
        let target = at.join(&target).map_err(|error| error.to_string())?;
        Ok(Step::Send(target, pairs.finish()))
    }
}

fn code_of(target: &Url) -> Result<String, String> {
    let value = |name| target.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    value("code").ok_or_else(|| {
        let error = value("error").unwrap_or_default();
        format!("signing in ended with {error}: {}", value("error_description").unwrap_or_default())
    })
}

/// The opening tags of that name.
fn tags<'p>(page: &'p str, name: &'p str) -> impl Iterator<Item = &'p str> {
    page.split('<').filter_map(move |rest| {
        let tag = rest.split_once('>').map_or(rest, |(tag, _)| tag);
        let named = tag.strip_prefix(name)?;
        (named.is_empty() || named.starts_with(char::is_whitespace)).then_some(tag)
    })
}

/// The value of an attribute, its character references resolved.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\""))?;
    let value = tag.get(start..)?.split('"').nth(1)?;
    Some(
        value
            .replace("&quot;", "\"")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&#39;", "'")
            .replace("&amp;", "&"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_attributes_are_found_and_resolved() {
        let page = r#"<form action="/go?a=1&amp;b=2" method="post"><input type="hidden" name="csrf" value="x&quot;y"><inputs></form>"#;
        assert_eq!(tags(page, "form").next().and_then(|tag| attribute(tag, "action")).as_deref(), Some("/go?a=1&b=2"));
        let inputs = tags(page, "input").collect::<Vec<_>>();
        assert_eq!(inputs.len(), 1);
        assert_eq!(attribute(inputs[0], "value").as_deref(), Some("x\"y"));
    }
}

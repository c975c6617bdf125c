//! A person at the pages of the bridge, without a script: keeps cookies, follows redirects, fills in forms.

use bascule_crypto::digest::sha256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method};
use url::Url;
use url::form_urlencoded::Serializer;

use crate::support::Demo;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXkA";

/// A page.
struct Page {
    location: Option<Url>,
    text: String,
}

/// Somebody with a browser.
pub(crate) struct Visitor<'d> {
    demo: &'d Demo,
    client: String,
    redirect: String,
    cookies: Vec<(String, String)>,
    password: String,
    login: String,
}

impl<'d> Visitor<'d> {
    pub(crate) fn new(demo: &'d Demo, client: &str, redirect: &str) -> Self {
        let (client, redirect) = (client.to_owned(), redirect.to_owned());
        Self { demo, client, redirect, cookies: Vec::new(), password: String::new(), login: String::new() }
    }

    fn authorize(&self, scope: &str) -> String {
        let query = Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client)
            .append_pair("redirect_uri", &self.redirect)
            .append_pair("scope", scope)
            .append_pair("state", "s")
            .append_pair("aud", self.demo.state["fhir"].as_str().unwrap())
            .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(sha256(VERIFIER.as_bytes())))
            .append_pair("code_challenge_method", "S256")
            .finish();
        format!("/oauth/authorize?{query}")
    }

    /// A token of a launch, or what the app was told instead.
    pub(crate) async fn sign_in(&mut self, login: &str, password: &str, scope: &str) -> Result<String, String> {
        (self.login, self.password) = (login.to_owned(), password.to_owned());
        self.go_on(scope).await
    }

    /// The same by whom is signed in.
    pub(crate) async fn go_on(&mut self, scope: &str) -> Result<String, String> {
        let page = self.go(Method::GET, &self.authorize(scope), None).await;
        self.through(page, None).await
    }

    /// The same, with the digits when they are asked for.
    pub(crate) async fn step_up(&mut self, scope: &str, digits: &str) -> Result<String, String> {
        let address = format!("{}&acr_values=urn:bascule:acr:2", self.authorize(scope));
        let page = self.go(Method::GET, &address, None).await;
        self.through(page, Some(digits)).await
    }

    async fn through(&mut self, mut page: Page, digits: Option<&str>) -> Result<String, String> {
        for _ in 0..6 {
            if let Some(back) = page.location.clone() {
                return self.redeem(&back).await;
            }
            let (login, password) = (self.login.clone(), self.password.clone());
            page = if page.text.contains("name=\"password\"") {
                if page.text.contains("role=\"alert\"") {
                    return Err(page.text);
                }
                self.submit(&page, "/oauth/login", &[("login", &login), ("password", &password)]).await
            } else if page.text.contains("name=\"otp\"") {
                self.submit(&page, "/oauth/second-factor", &[("otp", digits.unwrap_or("000000"))]).await
            } else if page.text.contains("value=\"allow\"") {
                self.submit(&page, "/oauth/consent", &[("decision", "allow")]).await
            } else if page.text.contains("name=\"patient\"") {
                self.submit(&page, "/oauth/patient", &[("patient", "p1")]).await
            } else {
                return Err(page.text);
            };
        }
        Err("a circle of pages".to_owned())
    }

    async fn redeem(&self, back: &Url) -> Result<String, String> {
        let of = |name: &str| back.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
        let code = of("code").ok_or_else(|| back.to_string())?;
        let form = Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("client_id", &self.client)
            .append_pair("redirect_uri", &self.redirect)
            .append_pair("code", &code)
            .append_pair("code_verifier", VERIFIER)
            .finish();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let answer = self.demo.send(Method::POST, "/oauth/token", &headers, Some(form.into_bytes())).await;
        let token = answer.json()["access_token"].as_str().map(str::to_owned);
        token.ok_or_else(|| String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// The account page, as it is shown.
    pub(crate) async fn account(&mut self) -> String {
        self.go(Method::GET, "/oauth/account", None).await.text
    }

    /// Sets up one-time passwords; the secret in hex. The digits of now are used up.
    pub(crate) async fn set_up_one_time_passwords(&mut self) -> String {
        let page = self.go(Method::GET, "/oauth/account", None).await;
        let page = self.submit(&page, "/oauth/account/otp/new", &[]).await;
        let letters = page.text.split("secret=").nth(1).unwrap().split('&').next().unwrap();
        let secret = hex::encode(base32(letters));
        let digits = totp(&secret, 0);
        let page = self.submit(&page, "/oauth/account/otp/keep", &[("otp", &digits)]).await;
        assert!(page.text.contains("Set up in your authenticator app."), "{}", page.text);
        secret
    }

    /// Types a code in that was on paper.
    pub(crate) async fn link(&mut self, code: &str) -> String {
        let page = self.go(Method::GET, "/oauth/link", None).await;
        self.submit(&page, "/oauth/link", &[("code", code)]).await.text
    }

    async fn submit(&mut self, page: &Page, action: &str, fill: &[(&str, &str)]) -> Page {
        let at = page.text.find(&format!("action=\"{action}\"")).unwrap_or_else(|| panic!("{action}: {}", page.text));
        let form = page.text[at..].split("</form>").next().unwrap();
        let mut pairs = Serializer::new(String::new());
        for input in form.split("<input").skip(1) {
            let input = input.split('>').next().unwrap();
            let (name, kind) = (attribute(input, "name"), attribute(input, "type"));
            let sent = kind == "hidden" || (input.contains(" checked") && !name.starts_with("kind"));
            if sent && !fill.iter().any(|(filled, _)| *filled == name) {
                pairs.append_pair(&name, &attribute(input, "value"));
            }
        }
        pairs.extend_pairs(fill);
        let form = pairs.finish();
        self.go(Method::POST, action, Some(form)).await
    }

    async fn go(&mut self, method: Method, path: &str, form: Option<String>) -> Page {
        let mut page = self.visit(method, path, form).await;
        for _ in 0..5 {
            let Some(next) = page.location.clone().filter(|next| next.path().starts_with("/oauth/")) else {
                return page;
            };
            let path = format!("{}?{}", next.path(), next.query().unwrap_or_default());
            page = self.visit(Method::GET, &path, None).await;
        }
        panic!("too many redirects");
    }

    async fn visit(&mut self, method: Method, path: &str, form: Option<String>) -> Page {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let mut headers = vec![("cookie", cookies.as_str())];
        if form.is_some() {
            headers.push(("content-type", "application/x-www-form-urlencoded"));
        }
        let answer = self.demo.send(method, path, &headers, form.map(String::into_bytes)).await;
        self.keep(&answer.headers);
        let base = Url::parse(self.demo.state["issuer"].as_str().unwrap()).unwrap();
        let location = answer.headers.get("location").map(|value| base.join(value.to_str().unwrap()).unwrap());
        Page { location, text: String::from_utf8_lossy(&answer.body).into_owned() }
    }

    fn keep(&mut self, headers: &HeaderMap) {
        for value in headers.get_all("set-cookie") {
            let (name, rest) = value.to_str().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            let value = rest.split(';').next().unwrap();
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }
}

fn attribute(tag: &str, name: &str) -> String {
    let Some(at) = tag.find(&format!(" {name}=\"")) else { return String::new() };
    let value = tag[at + name.len() + 3..].split('"').next().unwrap();
    value.replace("&amp;", "&").replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">")
}

fn base32(letters: &str) -> Vec<u8> {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String = letters.chars().map(|c| format!("{:05b}", alphabet.find(c).unwrap())).collect();
    (0..bits.len() / 8).map(|at| u8::from_str_radix(&bits[at * 8..at * 8 + 8], 2).unwrap()).collect()
}

/// The digits `ahead` steps from now, as an authenticator app makes them.
pub(crate) fn totp(secret: &str, ahead: u64) -> String {
    let bytes: [u8; 20] = hex::decode(secret).unwrap().try_into().unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let generator = totp_rs::Builder::new().with_secret(bytes).build().unwrap();
    generator.generate(now + 30 * ahead).to_string()
}

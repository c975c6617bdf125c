//! A hospital's authorization server with its apps and people, and a browser to visit it.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::body::Body;
use bascule_crypto::Secret;
use bascule_crypto::digest::sha256;
use bascule_fhir::{Id, Timestamp};
use bascule_gateway::smart::{self, FetchedKeys, SmartLimits, SmartState};
use bascule_policy::record::{Period, Representation};
use bascule_smart::jose::{SigningAlgorithm, SigningKey};
use bascule_smart::{ApiBase, ClientMetadata, Server, SmartEvent, TokenRecord};
use bascule_store::Store;
use bascule_store::client::Client;
use bascule_store::filed::{Filed, Record, Represented};
use bascule_store::user::{NewUser, Status, UserPatient, parse_reference};
use bascule_wire::Peer;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use url::Url;

pub(crate) const ISSUER: &str = "https://bridge.example";
pub(crate) const BASE: &str = "https://bridge.example/fhir";
pub(crate) const TOKEN_URL: &str = "https://bridge.example/oauth/token";
pub(crate) const BACK: &str = "https://portal.example/back";
pub(crate) const SECRET: &str = "a-secret-of-the-portal-that-nobody-guesses";
pub(crate) const PASSWORD: &str = "correct horse battery";
/// RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const FULL: &str = "openid fhirUser launch/patient offline_access patient/*.rs";

/// The types that US Core puts into the patient's compartment.
pub(crate) const US_CORE: [&str; 17] = [
    "Patient",
    "AllergyIntolerance",
    "CarePlan",
    "CareTeam",
    "Condition",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Goal",
    "Immunization",
    "MedicationRequest",
    "Observation",
    "Procedure",
    "Encounter",
    "ServiceRequest",
    "Coverage",
    "MedicationDispense",
];

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub(crate) fn location(&self) -> Url {
        Url::parse(ISSUER).unwrap().join(self.header("location")).unwrap()
    }

    /// A parameter of the address to which the browser is sent.
    pub(crate) fn sent(&self, name: &str) -> Option<String> {
        self.location().query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    #[track_caller]
    pub(crate) fn refused(&self, statuses: &[u16], error: &str) {
        assert!(statuses.contains(&self.status.as_u16()), "{} {}", self.status, self.text);
        assert_eq!(self.json()["error"], error, "{}", self.text);
        assert!(!self.json()["error_description"].as_str().unwrap_or_default().is_empty());
    }
}

pub(crate) struct House {
    _folder: tempfile::TempDir,
    pub(crate) store: Arc<Store>,
    pub(crate) router: Router,
    pub(crate) state: SmartState,
    pub(crate) events: Arc<Mutex<Vec<SmartEvent>>>,
    /// Seconds since the epoch.
    pub(crate) clock: Arc<AtomicI64>,
    /// What stands at a client's `jwks_uri`, and how often it was asked for.
    pub(crate) remote_keys: Arc<Mutex<(Value, u32)>>,
    /// Whether the log refuses to be written.
    pub(crate) log_broken: Arc<AtomicBool>,
}

pub(crate) fn metadata(value: Value) -> ClientMetadata {
    ClientMetadata::parse(&value).unwrap()
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(|_| (), SmartLimits::default())
    }

    pub(crate) fn with(change: impl FnOnce(&mut Server), limits: SmartLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let start = 1_800_000_000;
        let clock = Arc::new(AtomicI64::new(start));
        let store = Arc::new(Store::open(&folder.path().join("bascule.db"), Timestamp::from_seconds(start)).unwrap());
        let api = |name: &str, path: &str| ApiBase {
            name: name.into(),
            base: format!("{ISSUER}{path}"),
            fhir: true,
            title: "Mercy Hospital".into(),
        };
        let mut server = Server::new(ISSUER, vec![api("ehr", "/fhir"), api("lab", "/lab")]);
        change(&mut server);
        // Elliptic keys are made in no time; RSA once per house.
        smart::ensure_signing_keys(&store, &server.lifetimes, Timestamp::from_seconds(start)).unwrap();
        let events: Arc<Mutex<Vec<SmartEvent>>> = Arc::default();
        let remote_keys = Arc::new(Mutex::new((json!({"keys": []}), 0)));
        let log_broken: Arc<AtomicBool> = Arc::default();
        let broken = Arc::clone(&log_broken);
        let (told, time, remote) = (Arc::clone(&events), Arc::clone(&clock), Arc::clone(&remote_keys));
        let state = SmartState::new(
            Arc::clone(&store),
            server,
            Arc::new(move || Timestamp::from_seconds(time.load(Ordering::Relaxed))),
            Arc::new(move |event, _| {
                let kept = if broken.load(Ordering::Relaxed) { Err("the disk is full".to_owned()) } else { Ok(()) };
                told.lock().unwrap().push(event);
                Box::pin(async move { kept })
            }),
            Arc::new(move |_| {
                let mut remote = remote.lock().unwrap();
                remote.1 += 1;
                let keys = remote.0.clone();
                Box::pin(async move { Ok(FetchedKeys { keys, max_age_seconds: Some(60) }) })
            }),
            limits,
        );
        let router = smart::router(state.clone());
        let house = Self { _folder: folder, store, router, state, events, clock, remote_keys, log_broken };
        house.furnish();
        house
    }

    fn furnish(&self) {
        let all = "openid fhirUser profile launch launch/patient launch/encounter offline_access online_access \
                   patient/*.cruds user/*.cruds";
        self.add_client(
            "portal",
            json!({"client_name": "Mercy Portal", "redirect_uris": [BACK],
            "grant_types": ["authorization_code", "refresh_token"], "scope": all,
            "initiate_login_uri": "https://portal.example/launch",
            "post_logout_redirect_uris": ["https://portal.example/bye"]}),
        );
        let now = self.now();
        self.store.put_client_secret("portal", &Secret::new(SECRET), now, now).unwrap();
        self.add_client(
            "native",
            json!({"client_name": "Pocket Health", "token_endpoint_auth_method": "none",
            "redirect_uris": ["https://native.example/back", "org.example.native:/back"],
            "grant_types": ["authorization_code", "refresh_token"], "scope": all}),
        );
        self.add_client(
            "other",
            json!({"redirect_uris": ["https://other.example/back"], "scope": all,
            "grant_types": ["authorization_code", "refresh_token"]}),
        );
        self.store.put_client_secret("other", &Secret::new(format!("{SECRET}-2")), now, now).unwrap();
        let user = |login: &str, role: &str, own: &str, patients: Vec<UserPatient>| NewUser {
            id: Some(format!("u-{login}")),
            login: login.into(),
            name: format!("{login} Silva"),
            roles: vec![role.into()],
            fhir_user: parse_reference(own),
            patients,
            ..NewUser::default()
        };
        let stands_for = |id: &str, kind: &str| UserPatient {
            api: "ehr".into(),
            patient: Id::parse(id).unwrap(),
            label: id.to_uppercase(),
            kind: kind.into(),
        };
        let password = Secret::new(PASSWORD);
        let add = |user: NewUser| drop(self.store.add_user(&user, Some(&password), now).unwrap());
        add(user("maria", "patient", "Patient/p1", vec![stands_for("p1", "self")]));
        add(user("joana", "patient", "Patient/p3", vec![stands_for("p3", "self")]));
        self.represents("u-joana", "p4", now);
        add(user("amal", "physician", "Practitioner/dr1", vec![]));
        add(user("nobody", "patient", "Patient/p9", vec![]));
    }

    /// The record of a representation, the only source of whom else a person may pick.
    fn represents(&self, user: &str, patient: &str, now: Timestamp) {
        let record = Representation {
            id: "r1".into(),
            user: user.into(),
            patient: Id::parse(patient).unwrap(),
            basis: "parent".into(),
            document: "certificate".into(),
            scope: Vec::new(),
            period: Period { from: now.plus_seconds(-60), until: None },
            verified_by: "registrar".into(),
            suspended: false,
        };
        let represented = Represented { record, label: patient.to_uppercase(), born: None };
        let filed = Filed {
            id: "r1".into(),
            api: "ehr".into(),
            record: Record::Representation(represented),
            source: "registrar".into(),
            filed_by: "uid 0".into(),
            filed_at: now,
            ended: None,
        };
        self.store.file(&filed).unwrap();
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.clock.load(Ordering::Relaxed))
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(crate) fn add_client(&self, id: &str, value: Value) {
        let client = Client {
            id: id.into(),
            organization: None,
            metadata: metadata(value),
            status: Status::Active,
            created: self.now(),
        };
        self.store.add_client(&client).unwrap();
    }

    /// A backend client with an elliptic key.
    pub(crate) fn add_backend(&self, id: &str, scope: &str) -> SigningKey {
        let key = key(SigningAlgorithm::Es384);
        self.add_client(
            id,
            json!({"grant_types": ["client_credentials"], "scope": scope,
            "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.public_jwk()]},
            "bascule_roles": ["scheduler"], "bascule_apis": ["ehr"]}),
        );
        key
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], pairs: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(encode(pairs))).unwrap()).await
    }

    /// The token endpoint with the portal's secret.
    pub(crate) async fn token(&self, pairs: &[(&str, &str)]) -> Answer {
        self.post("/oauth/token", &[("authorization", &basic("portal", SECRET))], pairs).await
    }

    /// What the walk would read of an access token.
    pub(crate) fn record(&self, token: &Value) -> Option<TokenRecord> {
        let held = self.store.credentials(&sha256(token.as_str()?.as_bytes())).unwrap()?;
        Some(held.described().clone())
    }

    /// Whether a request with this access token would find a principal now.
    pub(crate) fn opens(&self, token: &Value) -> bool {
        self.record(token).is_some_and(|record| record.active && record.expires > self.now())
    }

    pub(crate) fn event_names(&self) -> Vec<&'static str> {
        self.events.lock().unwrap().iter().map(SmartEvent::name).collect()
    }

    /// A whole launch of the portal by Maria: from the authorization request to the code.
    pub(crate) async fn code(&self, changes: &[(&str, &str)]) -> String {
        let mut browser = Browser::new(self);
        let answer = browser.launch("maria", changes, |_| true).await;
        answer.sent("code").unwrap_or_else(|| panic!("{}", answer.location()))
    }

    /// A whole launch of the portal by Maria, with tokens.
    pub(crate) async fn tokens(&self, changes: &[(&str, &str)]) -> Value {
        let code = self.code(changes).await;
        let answer = self.token(&redeem(&code)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }
}

pub(crate) fn redeem(code: &str) -> [(&str, &str); 4] {
    [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", BACK), ("code_verifier", VERIFIER)]
}

pub(crate) fn encode(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

pub(crate) fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// The parameters of a sound request of the portal, with changes; an empty value takes one away.
pub(crate) fn request(changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let sound = [
        ("response_type", "code"),
        ("client_id", "portal"),
        ("redirect_uri", BACK),
        ("scope", FULL),
        ("state", "a state, with & and +"),
        ("aud", BASE),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("nonce", "n-1"),
    ];
    let mut pairs: Vec<(String, String)> = sound.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    for (name, value) in changes {
        pairs.retain(|(known, _)| known != name);
        if !value.is_empty() {
            pairs.push(((*name).to_owned(), (*value).to_owned()));
        }
    }
    pairs
}

pub(crate) fn authorize_path(changes: &[(&str, &str)]) -> String {
    let pairs = request(changes);
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
    format!("/oauth/authorize?{query}")
}

/// A browser without JavaScript: keeps cookies, follows redirects within the house, fills in forms.
pub(crate) struct Browser<'a> {
    house: &'a House,
    address: Option<String>,
    cookies: Vec<(String, String)>,
    pub(crate) seen: Vec<String>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(house: &'a House) -> Self {
        Self { house, address: None, cookies: Vec::new(), seen: Vec::new() }
    }

    /// One at a network address.
    pub(crate) fn at(house: &'a House, address: &str) -> Self {
        Self { address: Some(address.to_owned()), ..Self::new(house) }
    }

    pub(crate) async fn visit(&mut self, method: Method, path: &str, form: Option<String>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", cookies.join("; "));
        }
        let body = match form {
            None => Body::empty(),
            Some(form) => {
                request = request.header("content-type", "application/x-www-form-urlencoded");
                Body::from(form)
            }
        };
        let mut request = request.body(body).unwrap();
        if let Some(address) = &self.address {
            let address = std::net::SocketAddr::new(address.parse().unwrap(), 1);
            request.extensions_mut().insert(Peer { address, ..peer() });
        }
        let answer = self.house.send(request).await;
        for value in answer.headers.get_all("set-cookie") {
            let value = value.to_str().unwrap();
            for needed in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
                assert!(value.contains(needed), "{value}");
            }
            let (name, rest) = value.split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            let value = rest.split(';').next().unwrap();
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        self.seen.push(answer.text.clone());
        answer
    }

    /// Comes back from another site.
    pub(crate) async fn come_back(&mut self, path: &str) -> Answer {
        self.visit(Method::GET, path, None).await
    }

    /// Visits and follows redirects until a page, or an address outside the house.
    pub(crate) async fn go(&mut self, method: Method, path: &str, form: Option<String>) -> Answer {
        let mut answer = self.visit(method, path, form).await;
        for _ in 0..5 {
            if !answer.status.is_redirection() || answer.location().host_str() != Some("bridge.example") {
                return answer;
            }
            let next = answer.location();
            let path = format!("{}?{}", next.path(), next.query().unwrap_or_default());
            answer = self.visit(Method::GET, &path, None).await;
        }
        panic!("too many redirects");
    }

    /// Sends the form of a page with what a person fills in, and those of its ticks that `keep` keeps.
    pub(crate) async fn submit(&mut self, page: &Answer, fill: &[(&str, &str)], keep: impl Fn(&str) -> bool) -> Answer {
        let action = attribute(&page.text[page.text.find("<form").expect(&page.text)..], "action");
        let mut pairs: Vec<(String, String)> = Vec::new();
        for input in page.text.split("<input").skip(1) {
            let input = input.split('>').next().unwrap();
            let (name, kind) = (attribute(input, "name"), attribute(input, "type"));
            let sent = match kind.as_str() {
                "hidden" => true,
                "checkbox" => keep(&name) && (input.contains(" checked") || name.starts_with("kind")),
                "radio" => input.contains(" checked"),
                _ => false,
            };
            if sent && !fill.iter().any(|(filled, _)| *filled == name) {
                pairs.push((name, attribute(input, "value")));
            }
        }
        pairs.extend(fill.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
        self.go(Method::POST, &action, Some(form)).await
    }

    /// From the authorization request over sign-in to the consent page.
    pub(crate) async fn until_consent(&mut self, login: &str, changes: &[(&str, &str)]) -> Answer {
        let page = self.go(Method::GET, &authorize_path(changes), None).await;
        assert!(page.text.contains("name=\"password\""), "{} {}", page.status, page.text);
        self.submit(&page, &[("login", login), ("password", PASSWORD)], |_| true).await
    }

    /// From the authorization request to where the app's address takes over. `keep` says which ticks stay.
    pub(crate) async fn launch(
        &mut self,
        login: &str,
        changes: &[(&str, &str)],
        keep: impl Fn(&str) -> bool,
    ) -> Answer {
        let page = self.until_consent(login, changes).await;
        if page.status.is_redirection() {
            return page;
        }
        assert!(page.text.contains("value=\"allow\""), "{} {}", page.status, page.text);
        self.submit(&page, &[("decision", "allow")], |name| keep(name) && !name.starts_with("kind")).await
    }
}

pub(crate) fn peer() -> Peer {
    Peer { address: "192.0.2.1:1".parse().unwrap(), encrypted: true, certificate: None, verified: false }
}

fn attribute(tag: &str, name: &str) -> String {
    let Some(at) = tag.find(&format!(" {name}=\"")) else { return String::new() };
    let value = &tag[at + name.len() + 3..];
    let value = value.split('"').next().unwrap();
    value.replace("&amp;", "&").replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">")
}

pub(crate) fn key(algorithm: SigningAlgorithm) -> SigningKey {
    let ec = |alg| EcdsaKeyPair::generate(alg).unwrap().to_pkcs8v1().unwrap().as_ref().to_vec();
    let der = match algorithm {
        SigningAlgorithm::Es256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
        SigningAlgorithm::Es384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
        SigningAlgorithm::Rs256 | SigningAlgorithm::Rs384 => {
            let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
            let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
            der.as_ref().to_vec()
        }
    };
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
    SigningKey::from_pem(algorithm, &Secret::new(pem)).unwrap()
}

/// A client assertion as Inferno makes it: `exp` exactly 300 seconds ahead.
pub(crate) fn assertion(house: &House, key: &SigningKey, client: &str) -> String {
    assertion_with(house, key, client, |_| ())
}

pub(crate) fn assertion_with(house: &House, key: &SigningKey, client: &str, change: impl FnOnce(&mut Value)) -> String {
    use std::sync::atomic::AtomicU64;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let jti = format!("jti-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut claims =
        json!({"iss": client, "sub": client, "aud": TOKEN_URL, "exp": house.now().seconds() + 300, "jti": jti});
    change(&mut claims);
    key.sign(&claims, "JWT").unwrap()
}

pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A DPoP proof.
pub(crate) fn proof(house: &House, key: &SigningKey, method: &str, address: &str, token: Option<&str>) -> String {
    use std::sync::atomic::AtomicU64;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut jwk = key.public_jwk().clone();
    for name in ["kid", "use", "alg"] {
        jwk.as_object_mut().unwrap().remove(name);
    }
    let header = json!({"typ": "dpop+jwt", "alg": key.algorithm().name(), "jwk": jwk});
    let jti = format!("proof-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut claims = json!({"htm": method, "htu": address, "iat": house.now().seconds(), "jti": jti});
    if let Some(token) = token {
        claims["ath"] = json!(URL_SAFE_NO_PAD.encode(sha256(token.as_bytes())));
    }
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&header), part(&claims));
    format!("{message}.{}", key.sign_bytes(message.as_bytes()).unwrap())
}

/// The set of scopes of a text.
pub(crate) fn scope_set(text: &Value) -> std::collections::BTreeSet<String> {
    text.as_str().unwrap_or_default().split(' ').map(str::to_owned).collect()
}

//! A house with its rooms, in a temporary folder, in front of an upstream.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use bascule_audit::Record;
use bascule_crypto::digest::sha256;
use bascule_fhir::{Id, ResourceType, Timestamp};
use bascule_gateway::settings::Feeds;
use bascule_gateway::{ApiSettings, Gateway, Limits, Rooms, Settings, UpstreamCredential, UpstreamSettings};
use bascule_ledger::tiles::TileReader;
use bascule_policy::load::PolicyFile;
use bascule_policy::party::Organization;
use bascule_policy::{Api, ApiKind, Exposure, Mode, Policy};
use bascule_smart::grant::LaunchContext;
use bascule_smart::{ClientMetadata, Grant};
use bascule_store::Store;
use bascule_store::client::Client;
use bascule_store::log::{Log, LogSettings};
use bascule_store::token::NewTokens;
use bascule_store::user::{NewUser, Status};
use bascule_wire::{Body, collect, empty, full};
use http::{Method, Request, Response};
use serde_json::{Value, json};
use tower::ServiceExt;
use url::Url;

pub(crate) const PUBLIC: &str = "https://bridge.example/fhir";

/// The whole of it.
pub(crate) struct House {
    pub(crate) gateway: Gateway,
    pub(crate) store: Arc<Store>,
    pub(crate) log: Log,
    pub(crate) policy: Arc<ArcSwap<Policy>>,
    folder: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The resources of a Bundle, as `Type/id`.
    pub(crate) fn resources(&self) -> Vec<String> {
        let bundle = self.json();
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        let name = |entry: &Value| {
            let resource = &entry["resource"];
            format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap())
        };
        entries.iter().filter(|entry| entry["resource"]["resourceType"] != "OperationOutcome").map(name).collect()
    }

    pub(crate) fn link(&self, relation: &str) -> Option<String> {
        let bundle = self.json();
        let links = bundle["link"].as_array()?;
        let link = links.iter().find(|link| link["relation"] == relation)?;
        link["url"].as_str().map(ToOwned::to_owned)
    }
}

/// Who asks.
pub(crate) struct Caller<'a> {
    pub(crate) roles: &'a [&'a str],
    pub(crate) scopes: &'a str,
    pub(crate) patient: Option<&'a str>,
    pub(crate) fhir_user: Option<&'a str>,
    pub(crate) purpose: &'a str,
}

impl House {
    pub(crate) async fn before(address: std::net::SocketAddr) -> Self {
        Self::with(&format!("http://{address}/fhir"), Limits::default()).await
    }

    /// One that reads consents and relations from its chart.
    pub(crate) async fn fed(upstream: &str, feeds: Feeds) -> Self {
        Self::changed(upstream, Limits::default(), |api| api.feeds = feeds).await
    }

    pub(crate) async fn with(upstream: &str, limits: Limits) -> Self {
        Self::changed(upstream, limits, |_| ()).await
    }

    /// With the API as `change` makes it.
    pub(crate) async fn changed(upstream: &str, limits: Limits, change: impl FnOnce(&mut ApiSettings)) -> Self {
        Self::made(upstream, limits, change, |_, settings| settings).await
    }

    /// With other settings of the log, made of the folder and the usual ones.
    pub(crate) async fn with_log(
        upstream: &str,
        limits: Limits,
        change: impl FnOnce(&Path, LogSettings) -> LogSettings,
    ) -> Self {
        Self::made(upstream, limits, |_| (), change).await
    }

    /// Before a system of another organization.
    pub(crate) async fn of_organization(upstream: &str, organization: &str) -> Self {
        let owned = organization.to_owned();
        Self::changed(upstream, Limits::default(), |api| api.upstream.organization = Some(owned)).await
    }

    /// Before a system that takes `POST _search`.
    pub(crate) async fn posting(upstream: &str) -> Self {
        Self::changed(upstream, Limits::default(), |api| api.upstream.post_search = true).await
    }

    async fn made(
        upstream: &str,
        limits: Limits,
        change: impl FnOnce(&mut ApiSettings),
        change_log: impl FnOnce(&Path, LogSettings) -> LogSettings,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir_all(&data).unwrap();
        let store = Arc::new(Store::open(&data.join("bascule.db"), now()).unwrap());
        let settings = LogSettings::new(&data, folder.path().join("lock/lock.db"), "n1", "bridge.example/audit");
        let log = Log::open(change_log(folder.path(), settings), now()).unwrap();
        let policy = Arc::new(ArcSwap::from_pointee(policy("", "")));
        let api = Api {
            name: "ehr".into(),
            kind: ApiKind::Fhir,
            service: "ehr".into(),
            exposure: Exposure::ThirdParty,
            mode: Mode::Enforce,
        };
        let upstream = UpstreamSettings {
            url: Url::parse(upstream).unwrap(),
            ca_pem: None,
            credential: UpstreamCredential::Bearer(bascule_crypto::Secret::new("upstream-secret")),
            post_search: false,
            organization: None,
            acting_user: None,
            unversioned: None,
            files: Vec::new(),
        };
        let mut served =
            ApiSettings { api, path: "/fhir".into(), upstream, issuers: Vec::new(), feeds: Feeds::default() };
        change(&mut served);
        let lifetimes = bascule_smart::Lifetimes::default();
        bascule_gateway::smart::ensure_signing_keys(&store, &lifetimes, now()).unwrap();
        let settings =
            Settings { public_url: Url::parse("https://bridge.example").unwrap(), apis: vec![served], limits };
        let rooms = Rooms {
            policy: Arc::clone(&policy),
            store: Arc::clone(&store),
            log: log.clone(),
            smart: axum::Router::new(),
            page_key: store.derived_key("page links").unwrap(),
            code_key: store.derived_key("codes").unwrap(),
        };
        let gateway = Gateway::new(&settings, rooms).unwrap();
        let house = Self { gateway, store, log, policy, folder };
        house.furnish();
        house
    }

    /// Another policy takes force; it says the same in other bytes.
    pub(crate) fn change_policy(&self) {
        self.policy.store(Arc::new(policy("\n# reviewed\n", "")));
    }

    /// The roles of the house and more.
    pub(crate) fn add_policy(&self, text: &str) {
        self.policy.store(Arc::new(policy("", text)));
    }

    /// A token of a system of the house.
    pub(crate) fn backend(&self, caller: &Caller<'_>) -> String {
        let metadata = json!({
            "client_name": "backend", "redirect_uris": [], "grant_types": ["client_credentials"],
            "scope": caller.scopes, "bascule_roles": caller.roles, "jwks": { "keys": [] },
            "token_endpoint_auth_method": "private_key_jwt",
        });
        let client = Client {
            id: format!("backend-{}", bascule_store::random::id().unwrap()),
            organization: Some("clinic".into()),
            metadata: ClientMetadata::parse(&metadata).unwrap(),
            status: Status::Active,
            created: now(),
        };
        self.store.add_client(&client).unwrap();
        self.issue(&Grant {
            client: client.id,
            user: None,
            apis: vec!["ehr".into()],
            scopes: caller.scopes.parse().unwrap(),
            context: LaunchContext::default(),
            purpose: Some(caller.purpose.into()),
            session: None,
            authenticated: None,
            nonce: None,
            binding: None,
        })
    }

    fn furnish(&self) {
        for (id, class) in [("vendor", "patient-app"), ("clinic", "workforce")] {
            let organization = Organization {
                id: id.into(),
                name: id.into(),
                address: None,
                class: Some(class.into()),
                verified: Some(now()),
            };
            self.store.add_organization(&organization, now()).unwrap();
            let metadata = json!({
                "client_name": id, "redirect_uris": ["https://app.example/back"],
                "grant_types": ["authorization_code"], "scope": "patient/*.cruds user/*.cruds",
                "bascule_origins": ["https://app.example"]
            });
            let client = Client {
                id: format!("{id}-app"),
                organization: Some(id.into()),
                metadata: ClientMetadata::parse(&metadata).unwrap(),
                status: Status::Active,
                created: now(),
            };
            self.store.add_client(&client).unwrap();
        }
    }

    /// A token for somebody new.
    pub(crate) fn token(&self, caller: &Caller<'_>) -> String {
        self.issue(&self.grant(caller))
    }

    /// What somebody new gives to an app.
    pub(crate) fn grant(&self, caller: &Caller<'_>) -> Grant {
        let name = format!("u-{}", bascule_store::random::id().unwrap());
        let fhir_user = caller.fhir_user.and_then(|reference| reference.split_once('/'));
        let user = NewUser {
            id: Some(name.clone()),
            login: name.clone(),
            roles: caller.roles.iter().map(|role| (*role).to_owned()).collect(),
            fhir_user: fhir_user.map(|(kind, id)| (ResourceType::parse(kind).unwrap(), Id::parse(id).unwrap())),
            ..NewUser::default()
        };
        self.store.add_user(&user, None, now()).unwrap();
        let client = if caller.roles.contains(&"patient") { "vendor-app" } else { "clinic-app" };
        Grant {
            client: client.into(),
            user: Some(name),
            apis: vec!["ehr".into()],
            scopes: caller.scopes.parse().unwrap(),
            context: LaunchContext { patient: caller.patient.and_then(Id::parse), ..LaunchContext::default() },
            purpose: Some(caller.purpose.into()),
            session: None,
            authenticated: Some(now()),
            nonce: None,
            binding: None,
        }
    }

    /// A token under a grant.
    pub(crate) fn issue(&self, grant: &Grant) -> String {
        let token = bascule_store::random::text(&bascule_store::random::token().unwrap());
        let tokens = NewTokens {
            grant: String::new(),
            access: sha256(token.as_bytes()),
            id: bascule_store::random::id().unwrap(),
            scopes: grant.scopes.clone(),
            expires: now().plus_seconds(300),
            refresh: None,
        };
        self.store.issue(grant, tokens, now()).unwrap();
        token
    }

    /// What a patient gives to an app.
    pub(crate) fn patients_grant(&self, id: &str) -> Grant {
        let fhir_user = format!("Patient/{id}");
        self.grant(&Caller {
            roles: &["patient"],
            scopes: "patient/*.rs",
            patient: Some(id),
            fhir_user: Some(&fhir_user),
            purpose: "PATRQT",
        })
    }

    pub(crate) fn patient(&self, id: &str) -> String {
        self.issue(&self.patients_grant(id))
    }

    pub(crate) fn scheduler(&self) -> String {
        self.token(&Caller {
            roles: &["scheduler"],
            scopes: "user/*.cruds",
            patient: None,
            fhir_user: None,
            purpose: "HOPERAT",
        })
    }

    pub(crate) async fn get(&self, token: &str, address: &str) -> Answer {
        self.ask(Method::GET, token, address, &[], "").await
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        token: &str,
        address: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let body = if body.is_empty() { empty() } else { full(body.to_owned()) };
        let mut request = Request::builder().method(method).uri(format!("/fhir{address}"));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, body) = self.send(request.body(body).unwrap()).await.into_parts();
        let bytes = collect(body, 100_000_000).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: head.status.as_u16(), headers: head.headers, text }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.gateway.service().oneshot(request).await.unwrap()
    }

    /// Every entry of the log but those of the house itself, with the clear part as JSON and the agent's part opened.
    pub(crate) async fn entries(&self) -> Vec<Value> {
        self.log.flush().await.unwrap();
        let shard = shard(&self.folder.path().join("data/audit/n1"));
        let note = std::fs::read_to_string(shard.join("checkpoint")).unwrap();
        let size: u64 = note.lines().nth(1).unwrap().parse().unwrap();
        let reader = TileReader::new(size, |path: &str| std::fs::read(shard.join(path)).ok());
        let clear = |index: u64| -> Value {
            let bytes = reader.entry(index).unwrap();
            Record::parse(&bytes).unwrap();
            serde_json::from_slice::<Value>(&bytes).unwrap()["clear"].take()
        };
        (0..size).map(clear).filter(|clear| clear["kind"] != "system").collect()
    }
}

fn shard(node: &Path) -> PathBuf {
    let folders = std::fs::read_dir(node).unwrap().map(|entry| entry.unwrap().path());
    folders.filter(|path| path.join("checkpoint").exists() && !path.ends_with("logs")).max().unwrap()
}

/// The roles that come with the house, and more.
fn policy(comment: &str, more: &str) -> Policy {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy");
    let mut files: Vec<PolicyFile> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| PolicyFile {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            text: std::fs::read_to_string(path).unwrap() + comment,
        })
        .collect();
    if !more.is_empty() {
        files.push(PolicyFile { name: "more.toml".into(), text: more.to_owned() });
    }
    Policy::load(&files).unwrap_or_else(|faults| panic!("{faults:?}"))
}

#[expect(clippy::disallowed_methods, reason = "a test has no door to bring the time in")]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
}

/// Two patients, each with an observation that nobody else may see, and an appointment of both kinds of people.
pub(crate) fn hospital() -> Vec<Value> {
    let observation = |id: &str, patient: &str, token: &str| {
        json!({
            "resourceType": "Observation", "id": id, "status": "final",
            "meta": { "versionId": "1" },
            "code": { "text": token },
            "subject": { "reference": format!("Patient/{patient}"), "display": format!("DISPLAY-{token}") },
        })
    };
    let patient = |id: &str, family: &str| {
        json!({
            "resourceType": "Patient", "id": id, "meta": { "versionId": "1" },
            "name": [{ "family": family }], "birthDate": "1980-01-01",
            "telecom": [{ "system": "phone", "value": "555" }],
        })
    };
    let appointment = |id: &str, patient: &str| {
        json!({
            "resourceType": "Appointment", "id": id, "status": "booked", "meta": { "versionId": "1" },
            "start": "2026-12-01T10:00:00Z", "end": "2026-12-01T10:30:00Z",
            "description": "HIDDEN-DIAGNOSIS",
            "reasonCode": [{ "text": "HIDDEN-REASON" }],
            "text": { "status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">HIDDEN-NARRATIVE</div>" },
            "contained": [{ "resourceType": "Condition", "id": "c", "code": { "text": "HIDDEN-CONTAINED" } }],
            "participant": [{
                "actor": { "reference": format!("Patient/{patient}"), "display": "HIDDEN-DISPLAY" }, "status": "accepted",
            }],
        })
    };
    vec![
        patient("a", "Alpha"),
        patient("b", "Beta"),
        observation("oa", "a", "TOKEN-OF-A"),
        observation("ob", "b", "TOKEN-OF-B"),
        appointment("aa", "a"),
        appointment("ab", "b"),
    ]
}

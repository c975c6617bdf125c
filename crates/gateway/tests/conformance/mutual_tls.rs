//! Mutual TLS (RFC 8705): real handshakes, certificates of an authority that the test makes, and what a copied token is worth.

use std::sync::Arc;

use bascule_gateway::smart::{self, FetchedKeys, SmartLimits, SmartState};
use bascule_smart::server::MutualTls;
use bascule_smart::{ApiBase, Server};
use bascule_store::Store;
use bascule_store::client::Client as Registered;
use bascule_store::user::Status;
use bascule_wire::{Client, ClientSettings, Identity, ListenLimits, ReloadableTls, TlsFiles, collect, full, serve};
use http::Request;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::authority_of::{Authority, identity};
use crate::house::metadata;

struct Served {
    url: String,
    ca_pem: String,
    store: Arc<Store>,
    _folder: tempfile::TempDir,
}

/// The authorization server behind a real listener that asks for certificates.
async fn served(authority: &Authority) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let made = bascule_wire::tls::development::ensure(&folder.path().join("tls"), &["localhost"]).unwrap();
    let client_ca = folder.path().join("clients.pem");
    std::fs::write(&client_ca, &authority.pem).unwrap();
    let files = TlsFiles { client_ca: Some(client_ca), self_signed_clients: true, ..made.files() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let now = authority.now;
    let store = Arc::new(Store::open(&folder.path().join("bascule.db"), now).unwrap());
    let api = ApiBase { name: "ehr".into(), base: format!("{url}/fhir"), fhir: true, title: "Mercy".into() };
    let mut server = Server::new(&url, vec![api]);
    server.mutual_tls = MutualTls { by_authority: true, self_signed: true, url: Some(url.clone()) };
    let state = SmartState::new(
        Arc::clone(&store),
        server,
        Arc::new(move || now),
        Arc::new(|_, _| Box::pin(async { Ok(()) })),
        Arc::new(|_| Box::pin(async { Ok(FetchedKeys { keys: json!({"keys": []}), max_age_seconds: None }) })),
        SmartLimits::default(),
    );
    let router = smart::router(state);
    let service = tower::service_fn(move |request: Request<bascule_wire::Body>| {
        let router = router.clone();
        async move { tower::ServiceExt::oneshot(router, request).await }
    });
    let tls = ReloadableTls::load(files).unwrap();
    tokio::spawn(serve(listener, Some(tls), service, ListenLimits::default(), std::future::pending()));
    Served { url, ca_pem: made.ca_pem, store, _folder: folder }
}

impl Served {
    fn add(&self, id: &str, members: Value) {
        let mut all = json!({"grant_types": ["client_credentials"], "scope": "system/*.rs", "bascule_apis": ["ehr"]});
        all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let created = bascule_fhir::Timestamp::from_seconds(1);
        let client =
            Registered { id: id.into(), organization: None, metadata: metadata(all), status: Status::Active, created };
        self.store.add_client(&client).unwrap();
    }

    async fn post(
        &self,
        path: &str,
        identity: Option<&Identity>,
        bearer: Option<&str>,
        form: &[(&str, &str)],
    ) -> (u16, Value) {
        let settings = ClientSettings {
            ca_pem: Some(self.ca_pem.clone()),
            identity: identity.cloned(),
            ..ClientSettings::default()
        };
        let client = Client::new(&settings).unwrap();
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request =
            Request::post(format!("{}{path}", self.url)).header("content-type", "application/x-www-form-urlencoded");
        if let Some(bearer) = bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        let answer = client.send(request.body(full(body)).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let body = collect(answer.into_body(), 1_000_000).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn token(&self, client: &str, identity: Option<&Identity>) -> (u16, Value) {
        let form = [("grant_type", "client_credentials"), ("client_id", client), ("scope", "system/Patient.rs")];
        self.post("/oauth/token", identity, None, &form).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_known_by_the_name_in_its_certificate_and_its_token_is_bound_to_it() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let served = served(&authority).await;
    served.add(
        "lab",
        json!({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "lab.example",
        "tls_client_certificate_bound_access_tokens": true}),
    );
    let lab = authority.identity("lab.example");
    let (status, said) = served.token("lab", Some(&lab)).await;
    assert_eq!(status, 200, "{said}");
    let token = said["access_token"].as_str().unwrap();
    // The token with its certificate is looked at; copied, it is unknown.
    let form = [("token", token)];
    let (status, told) = served.post("/oauth/introspect", Some(&lab), Some(token), &form).await;
    assert_eq!((status, &told["active"]), (200, &json!(true)), "{told}");
    assert!(told["cnf"]["x5t#S256"].is_string(), "{told}");
    for (what, identity) in [("without", None), ("with another", Some(authority.identity("other.example")))] {
        let (status, said) = served.post("/oauth/introspect", identity.as_ref(), Some(token), &form).await;
        assert_eq!((status, &said["error"]), (401, &json!("invalid_token")), "{what}");
    }
    for (what, identity) in [
        ("no certificate", None),
        ("another name", Some(authority.identity("other.example"))),
        ("of an unknown authority", Some(stranger.identity("lab.example"))),
        ("self-signed", Some(identity("lab.example"))),
        ("expired", Some(authority.expired("lab.example"))),
    ] {
        let (status, said) = served.token("lab", identity.as_ref()).await;
        assert_eq!((status, &said["error"]), (401, &json!("invalid_client")), "{what}: {said}");
    }
    let (status, said) = served.token("nobody", Some(&lab)).await;
    assert_eq!((status, &said["error"]), (401, &json!("invalid_client")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_self_signed_certificate_is_known_by_its_registration_only() {
    let authority = Authority::new();
    let served = served(&authority).await;
    let own = identity("device.example");
    let der = bascule_crypto::certificate::chain_from_pem(&own.certificate_pem).unwrap().remove(0);
    let read = bascule_crypto::certificate::Certificate::read(&der).unwrap();
    let jwk = bascule_smart::tls_auth::jwk(&read.key);
    served.add("device", json!({"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": {"keys": [jwk]}}));
    let (status, said) = served.token("device", Some(&own)).await;
    assert_eq!(status, 200, "{said}");
    let (status, said) = served.token("device", Some(&identity("device.example"))).await;
    assert_eq!((status, &said["error"]), (401, &json!("invalid_client")), "the same name, another key");
    let (status, _) = served.token("device", None).await;
    assert_eq!(status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_names_both_methods_and_the_aliases_where_certificates_are_asked_for() {
    let served = served(&Authority::new()).await;
    let settings = ClientSettings { ca_pem: Some(served.ca_pem.clone()), ..ClientSettings::default() };
    let client = Client::new(&settings).unwrap();
    let request = Request::get(format!("{}/.well-known/openid-configuration", served.url));
    let answer = client.send(request.body(bascule_wire::empty()).unwrap()).await.unwrap();
    let said: Value = serde_json::from_slice(&collect(answer.into_body(), 1_000_000).await.unwrap()).unwrap();
    let methods = said["token_endpoint_auth_methods_supported"].as_array().unwrap();
    assert!(methods.contains(&json!("tls_client_auth")) && methods.contains(&json!("self_signed_tls_client_auth")));
    assert_eq!(said["mtls_endpoint_aliases"]["token_endpoint"], json!(format!("{}/oauth/token", served.url)));
    let without = crate::house::House::new();
    let said = without.get("/.well-known/openid-configuration", &[]).await.json();
    assert!(!said.to_string().contains("tls_client_auth") && said.get("mtls_endpoint_aliases").is_none());
}

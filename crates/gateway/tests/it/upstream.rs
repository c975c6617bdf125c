//! A toy FHIR server that ignores every search parameter: whatever leaves the bridge narrowed was narrowed by the bridge.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bascule_wire::{Body, ListenLimits, collect, full, serve};
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower::service_fn;

/// What the upstream was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) address: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: String,
}

/// The toy.
pub(crate) struct Toy {
    pub(crate) address: SocketAddr,
    resources: Arc<Mutex<Vec<Value>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    _stop: oneshot::Sender<()>,
}

impl Toy {
    /// With these resources.
    pub(crate) async fn start(resources: Vec<Value>) -> Self {
        Self::answering(resources, |resources, asked, base| {
            let path = asked.address.split('?').next().unwrap();
            answer(resources, &asked.method, path, &asked.body, base)
        })
        .await
    }

    /// With these resources, and answers of the test's own.
    pub(crate) async fn answering(
        resources: Vec<Value>,
        answers: impl Fn(&mut Vec<Value>, &Asked, &str) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let (resources, asked) = (Arc::new(Mutex::new(resources)), Arc::<Mutex<Vec<Asked>>>::default());
        let (kept, noted, answers) = (Arc::clone(&resources), Arc::clone(&asked), Arc::new(answers));
        let service = service_fn(move |request: Request<Body>| {
            let (resources, noted, answers) = (Arc::clone(&kept), Arc::clone(&noted), Arc::clone(&answers));
            async move {
                let (head, body) = request.into_parts();
                let body = String::from_utf8(collect(body, 10_000_000).await.unwrap().to_vec()).unwrap();
                let address = head.uri.to_string();
                let asked = Asked {
                    method: head.method.to_string(),
                    address: address.strip_prefix("/fhir").unwrap_or(&address).to_owned(),
                    headers: head.headers.clone(),
                    body,
                };
                noted.lock().unwrap().push(asked.clone());
                let base = format!("http://{}/fhir", head.headers["host"].to_str().unwrap());
                let mut resources = resources.lock().unwrap();
                Ok::<_, Infallible>(answers(&mut resources, &asked, &base))
            }
        });
        tokio::spawn(serve(listener, None, service, ListenLimits::default(), async {
            let _ = stopped.await;
        }));
        Self { address, resources, asked, _stop: stop }
    }

    /// What it was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// Puts a resource there, behind the bridge's back.
    pub(crate) fn put(&self, resource: Value) {
        let mut resources = self.resources.lock().unwrap();
        resources.retain(|one| one["resourceType"] != resource["resourceType"] || one["id"] != resource["id"]);
        resources.push(resource);
    }

    /// A resource as it is there now.
    pub(crate) fn resource(&self, kind: &str, id: &str) -> Option<Value> {
        let resources = self.resources.lock().unwrap();
        resources.iter().find(|one| one["resourceType"] == kind && one["id"] == id).cloned()
    }
}

pub(crate) fn answer(resources: &mut Vec<Value>, method: &str, path: &str, body: &str, base: &str) -> Response<Body> {
    let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
    let same = |one: &Value, kind: &str, id: &str| one["resourceType"] == kind && one["id"] == id;
    match (method, steps.as_slice()) {
        ("GET", [kind, id]) | ("GET", [kind, id, "_history", _]) if !id.starts_with('_') => {
            match resources.iter().find(|one| same(one, kind, id)) {
                Some(found) => reply(200, found.clone(), &[("etag", "W/\"1\"")]),
                None => reply(404, outcome(), &[]),
            }
        }
        ("POST", [""]) => {
            let bundle: Value = serde_json::from_str(body).unwrap();
            let entries = bundle["entry"].as_array().unwrap().iter().map(|entry| {
                let stored = entry.get("resource").cloned().unwrap_or(Value::Null);
                let location = format!("{}/new/_history/1", entry["request"]["url"].as_str().unwrap());
                json!({ "resource": stored, "response": { "status": "201 Created", "location": location } })
            });
            let entries: Vec<Value> = entries.collect();
            reply(200, json!({ "resourceType": "Bundle", "type": "transaction-response", "entry": entries }), &[])
        }
        ("POST", [kind]) => {
            let mut created: Value = serde_json::from_str(body).unwrap();
            created["id"] = json!("new");
            created["meta"] = json!({ "versionId": "1" });
            resources.push(created.clone());
            reply(201, created, &[("location", &format!("{base}/{kind}/new/_history/1"))])
        }
        ("PUT", [kind, id]) => {
            let changed: Value = serde_json::from_str(body).unwrap();
            resources.retain(|one| !same(one, kind, id));
            resources.push(changed.clone());
            reply(200, changed, &[])
        }
        ("DELETE", [kind, id]) => {
            resources.retain(|one| !same(one, kind, id));
            Response::builder().status(204).body(bascule_wire::empty()).unwrap()
        }
        // Whatever else is asked is answered with everything there is.
        _ => {
            let entry = |one: &Value| {
                let address =
                    format!("{base}/{}/{}", one["resourceType"].as_str().unwrap(), one["id"].as_str().unwrap());
                json!({ "fullUrl": address, "resource": one, "search": { "mode": "match" } })
            };
            let entries: Vec<Value> = resources.iter().map(entry).collect();
            let links = json!([
                { "relation": "self", "url": format!("{base}{path}?internal=1") },
                { "relation": "next", "url": format!("{base}?_getpages=abc&_getpagesoffset=20") },
                { "relation": "elsewhere", "url": "http://admin.internal/secret" },
            ]);
            let total = entries.len();
            reply(
                200,
                json!({ "resourceType": "Bundle", "type": "searchset", "total": total, "link": links, "entry": entries }),
                &[],
            )
        }
    }
}

pub(crate) fn reply(status: u16, body: Value, headers: &[(&str, &str)]) -> Response<Body> {
    let mut response = Response::builder().status(status).header("content-type", "application/fhir+json");
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.header("set-cookie", "upstream=1").body(full(body.to_string())).unwrap()
}

fn outcome() -> Value {
    json!({ "resourceType": "OperationOutcome", "issue": [{ "diagnostics": "SECRET-DIAGNOSTICS" }] })
}

//! A toy authorization server of somebody else: gives tokens, tells of them, publishes keys. What it answers, a test says.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use bascule_crypto::Secret;
use bascule_smart::jose::{SigningAlgorithm, SigningKey};
use bascule_wire::{Body, ListenLimits, collect, full, serve};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower::service_fn;

/// What it was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) authorization: String,
    pub(crate) form: Vec<(String, String)>,
}

impl Asked {
    pub(crate) fn value(&self, name: &str) -> &str {
        self.form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

type Answers = Arc<Mutex<Box<dyn FnMut(&Asked) -> (u16, Value) + Send>>>;

/// The toy.
pub(crate) struct Authority {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    _stop: oneshot::Sender<()>,
}

impl Authority {
    /// Starts it with what it answers.
    pub(crate) async fn start(answer: impl FnMut(&Asked) -> (u16, Value) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let noted = Arc::clone(&asked);
        let answers: Answers = Arc::new(Mutex::new(Box::new(answer)));
        let service = service_fn(move |request: Request<Body>| {
            let (noted, answers) = (Arc::clone(&noted), Arc::clone(&answers));
            async move {
                let (head, body) = request.into_parts();
                let body = collect(body, 1_000_000).await.unwrap();
                let one = Asked {
                    path: head.uri.path().to_owned(),
                    authorization: head
                        .headers
                        .get("authorization")
                        .map(|value| value.to_str().unwrap().to_owned())
                        .unwrap_or_default(),
                    form: url::form_urlencoded::parse(&body).into_owned().collect(),
                };
                let (status, said) = (answers.lock().unwrap())(&one);
                noted.lock().unwrap().push(one);
                // Long enough for a crowd to gather.
                tokio::time::sleep(std::time::Duration::from_millis(30)).await;
                let answer = Response::builder().status(status).header("content-type", "application/json");
                Ok::<_, Infallible>(answer.body(full(said.to_string())).unwrap())
            }
        });
        tokio::spawn(serve(listener, None, service, ListenLimits::default(), async {
            let _ = stopped.await;
        }));
        Self { address, asked, _stop: stop }
    }

    pub(crate) fn url(&self, path: &str) -> url::Url {
        url::Url::parse(&format!("http://{}{path}", self.address)).unwrap()
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

pub(crate) fn key() -> SigningKey {
    let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let der = STANDARD.encode(pair.to_pkcs8v1().unwrap().as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
    SigningKey::from_pem(SigningAlgorithm::Es384, &Secret::new(pem)).unwrap()
}

//! A browser without a screen: cookies, and redirects that are followed one at a time.

use std::collections::HashMap;

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use axum::http::{Method, Request, StatusCode};
use bascule_wire::{Client, ClientSettings, collect, empty, full};

pub(crate) struct Browser {
    client: Client,
    pub(crate) cookies: HashMap<String, String>,
    portal: String,
}

pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) to: Option<String>,
    pub(crate) text: String,
    pub(crate) policy: Option<String>,
}

impl Browser {
    pub(crate) fn new(ca_pem: &str, portal: &str) -> Self {
        let settings = ClientSettings { ca_pem: Some(ca_pem.to_owned()), ..ClientSettings::default() };
        Self { client: Client::new(&settings).unwrap(), cookies: HashMap::new(), portal: portal.to_owned() }
    }

    /// A page of the portal.
    pub(crate) async fn get(&mut self, path: &str) -> Page {
        let url = format!("{}{path}", self.portal);
        self.ask(Method::GET, &url, None).await
    }

    /// A form of the portal, sent from a page of `origin`.
    pub(crate) async fn post(&mut self, path: &str, origin: &str) -> Page {
        let url = format!("{}{path}", self.portal);
        self.ask(Method::POST, &url, Some(origin)).await
    }

    /// A filled form of the portal, sent from a page of `origin`.
    pub(crate) async fn send(&mut self, path: &str, origin: &str, form: &str) -> Page {
        let url = format!("{}{path}", self.portal);
        self.request(Method::POST, &url, Some(origin), Some(form)).await
    }

    /// Any address. Cookies are the portal's alone: the bridge of these tests sets none.
    pub(crate) async fn ask(&mut self, method: Method, url: &str, origin: Option<&str>) -> Page {
        self.request(method, url, origin, None).await
    }

    async fn request(&mut self, method: Method, url: &str, origin: Option<&str>, form: Option<&str>) -> Page {
        let mut request = Request::builder().method(method).uri(url);
        if url.starts_with(&self.portal) {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(COOKIE, cookies.join("; "));
        }
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        let request = match form {
            Some(form) => request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(full(form.to_owned())),
            None => request.body(empty()),
        };
        let response = self.client.send(request.unwrap()).await.unwrap();
        for set in response.headers().get_all(SET_COOKIE) {
            let (name, value) = set.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name)
            } else {
                self.cookies.insert(name.into(), value.into())
            };
        }
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (to, policy, status) = (header(LOCATION), header(CONTENT_SECURITY_POLICY), response.status());
        let bytes = collect(response.into_body(), 4 << 20).await.unwrap();
        Page { status, to, policy, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    /// From the portal to the bridge and back; the answer of the portal to what came back.
    pub(crate) async fn sign_in(&mut self) -> Page {
        let to_bridge = self.get("/sign-in").await.to.unwrap();
        let back = self.ask(Method::GET, &to_bridge, None).await.to.unwrap();
        self.ask(Method::GET, &back, None).await
    }
}

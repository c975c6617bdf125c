//! A demo of its own for tests: the real binary, in a temporary folder, on free ports, stopped by its own id.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bascule_wire::{Client, ClientSettings, collect, empty, full};
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::Value;

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_bascule");
/// How long a demo may take to open in a debug build on a busy machine.
const OPEN_SECONDS_MAX: u64 = 240;

/// A running demo.
pub(crate) struct Demo {
    child: Child,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) state: Value,
    client: Client,
    tokens: BTreeMap<String, String>,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A port that nobody listens on, below those that the system gives away by itself and of this process alone, so that it is
/// still free when it is taken again after a restart.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(16).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 10_000 + u16::try_from(number % 20_000).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Demo {
    /// Starts a demo and waits until it is open.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Self::spawn(&folder, arguments);
        let (state, client) = Self::opened(&folder, &mut child);
        Self { child, folder, state, client, tokens: BTreeMap::new() }
    }

    fn spawn(folder: &tempfile::TempDir, arguments: &[&str]) -> Child {
        let out = |name: &str| std::fs::File::create(folder.path().join(name)).unwrap();
        Command::new(BINARY)
            .args(["demo", "--data"])
            .arg(folder.path().join("demo"))
            .args(["--port", &free_port().to_string(), "--portal-port", &free_port().to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(out("welcome.txt"))
            .stderr(out("log.txt"))
            .spawn()
            .unwrap()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("demo")
    }

    /// The process's id.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log.txt")).unwrap_or_default()
    }

    /// Kills it without a warning.
    pub(crate) fn kill(&self) {
        let killed = Command::new("kill").args(["-9", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// Starts it again on the same folder, after it was killed.
    pub(crate) fn start_again(&mut self) {
        self.child.wait().unwrap();
        self.child = Self::spawn(&self.folder, &[]);
        (self.state, self.client) = Self::opened(&self.folder, &mut self.child);
        self.tokens.clear();
    }

    /// `GET` with a bearer; nothing if the bridge went away meanwhile.
    pub(crate) async fn try_get(&self, token: &str, path: &str) -> Option<Answer> {
        let uri = format!("{}{path}", self.state["issuer"].as_str().unwrap());
        let request = Request::builder().uri(uri).header("authorization", format!("Bearer {token}"));
        let answer = self.client.send(request.body(empty()).unwrap()).await.ok()?;
        let (head, body) = answer.into_parts();
        let body = collect(body, 64 << 20).await.ok()?.to_vec();
        Some(Answer { status: head.status, headers: head.headers, body })
    }

    /// `wanted` patients whom the bearer of this token has no relation to, so that access to them asks for a reason.
    pub(crate) async fn unrelated(&self, token: &str, wanted: usize) -> Vec<String> {
        let mut found = Vec::new();
        for number in 1..100 {
            let answer = self.get(token, &format!("/fhir/Patient/p{number:04}")).await;
            match answer.status.as_u16() {
                403 => found.push(format!("p{number:04}")),
                404 => break,
                _ => {}
            }
            if found.len() == wanted {
                return found;
            }
        }
        panic!("only {found:?} have no relation; start with more patients")
    }

    /// Waits until it is open: its state, and a client that trusts it.
    fn opened(folder: &tempfile::TempDir, child: &mut Child) -> (Value, Client) {
        let start = Instant::now();
        loop {
            let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
            if read("welcome.txt").contains("Ctrl-C") {
                break;
            }
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the demo ended with {status}: {}\n{}", read("welcome.txt"), read("log.txt"));
            }
            assert!(start.elapsed() < Duration::from_secs(OPEN_SECONDS_MAX), "not open in time: {}", read("log.txt"));
            std::thread::sleep(Duration::from_millis(100));
        }
        let text = std::fs::read_to_string(folder.path().join("demo/demo.json")).unwrap();
        let state: Value = serde_json::from_str(&text).unwrap();
        let ca_pem = std::fs::read_to_string(state["ca"].as_str().unwrap()).unwrap();
        let client = Client::new(&ClientSettings { ca_pem: Some(ca_pem), ..ClientSettings::default() }).unwrap();
        (state, client)
    }

    /// Runs a verb on this demo; its status and what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::new(BINARY).args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    /// Every entry of the log as an event, out of the exported file.
    pub(crate) fn events(&self) -> String {
        let out = self.folder.path().join("all.ndjson");
        let (status, _, error) =
            self.run(&["audit", "export", "--out", &out.display().to_string(), "--config", &self.config()]);
        assert_eq!(status, 0, "{error}");
        std::fs::read_to_string(out).unwrap()
    }

    pub(crate) fn config(&self) -> String {
        self.data().join("bascule.toml").display().to_string()
    }

    /// A token of a backend client or a person, kept for the next time.
    pub(crate) fn token(&mut self, name: &str) -> String {
        self.token_for(name, None)
    }

    /// The same, for a record that a person picks.
    pub(crate) fn token_for(&mut self, name: &str, picked: Option<&str>) -> String {
        let kept = format!("{name}|{}", picked.unwrap_or_default());
        if let Some(token) = self.tokens.get(&kept) {
            return token.clone();
        }
        let data = self.data().display().to_string();
        let (name_only, scope) = name.split_once(' ').unwrap_or((name, ""));
        let mut arguments = vec!["demo", "token", name_only, "--data", &data];
        if !scope.is_empty() {
            arguments.extend(["--scope", scope]);
        }
        if let Some(picked) = picked {
            arguments.extend(["--patient", picked]);
        }
        let (status, out, error) = self.run(&arguments);
        assert_eq!(status, 0, "no token for {name}: {error}");
        let token = out.trim().to_owned();
        self.tokens.insert(kept, token.clone());
        token
    }

    /// Waits until the house has read what its feeds bring: until then it says that it does not know.
    pub(crate) async fn settled(&self, token: &str, path: &str) {
        for _ in 0..240 {
            if self.get(token, path).await.status != 503 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
        panic!("{path}: the feeds are not read");
    }

    /// Sends a request to the bridge; `path` begins with a slash, or is a whole URL.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Answer {
        let uri = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.state["issuer"].as_str().unwrap())
        };
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.map_or_else(empty, full)).unwrap();
        let answer = self.client.send(request).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = collect(body, 64 << 20).await.unwrap().to_vec();
        Answer { status: head.status, headers: head.headers, body }
    }

    /// `GET` with a bearer.
    pub(crate) async fn get(&self, token: &str, path: &str) -> Answer {
        self.send(Method::GET, path, &[("authorization", &format!("Bearer {token}"))], None).await
    }

    /// `GET` at the EHR itself, round the bridge, with the bearer that only the bridge should hold.
    pub(crate) async fn raw(&self, path: &str) -> Answer {
        let bearer = std::fs::read_to_string(self.state["ehr_bearer"].as_str().unwrap()).unwrap();
        let url = format!("{}{path}", self.state["ehr"].as_str().unwrap());
        self.send(Method::GET, &url, &[("authorization", &format!("Bearer {}", bearer.trim()))], None).await
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

//! A listener: accepts, shakes hands, bounds, serves, and drains when it is told to stop.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tower::{Service, ServiceExt};

use crate::body::Timed;
use crate::stall::Stalling;
use crate::{Body, ReloadableTls};

/// After a failed accept (out of file descriptors), the listener rests for so long.
const ACCEPT_REST: Duration = Duration::from_millis(50);
/// `http1` cannot hold a head in less.
const HEAD_BYTES_MIN: usize = 8_192;

/// The bounds of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenLimits {
    /// Bound on the head of a request, in bytes (at least 8,192).
    pub head_bytes_max: usize,
    /// Bound on the TLS handshake, on the arrival of a head, and on an unused connection, in milliseconds.
    pub head_timeout_ms: u64,
    /// Bound on a pause within the body of a request, and on a write that the client does not take, in milliseconds.
    pub idle_timeout_ms: u64,
    /// Open connections; more wait to be accepted.
    pub connections_max: usize,
    /// Requests at once on one HTTP/2 connection.
    pub streams_max: u32,
    /// How long requests may finish after the listener was told to stop, in milliseconds.
    pub drain_timeout_ms: u64,
}

impl Default for ListenLimits {
    fn default() -> Self {
        Self {
            head_bytes_max: 16_384,
            head_timeout_ms: 15_000,
            idle_timeout_ms: 30_000,
            connections_max: 4_096,
            streams_max: 128,
            drain_timeout_ms: 30_000,
        }
    }
}

/// Who is at the other end; found in a request's extensions.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Whether the connection is encrypted.
    pub encrypted: bool,
    /// The leaf of its certificate, if it showed one: the handshake proved that it holds the key.
    pub certificate: Option<CertificateDer<'static>>,
    /// Whether the certificate's chain leads to the listener's `client_ca`.
    pub verified: bool,
}

/// Serves until `shutdown` resolves, then lets requests under way finish.
///
/// # Errors
/// None while it runs: a failed accept is logged and tried again.
pub async fn serve<S, B>(
    listener: TcpListener,
    tls: Option<ReloadableTls>,
    service: S,
    limits: ListenLimits,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let drain = Duration::from_millis(limits.drain_timeout_ms);
    let room = Arc::new(Semaphore::new(limits.connections_max));
    let door = Arc::new(Door { tls, limits, service });
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &room) => accepted,
        };
        if let Some((stream, address, place)) = accepted {
            let (door, watcher) = (Arc::clone(&door), graceful.watcher());
            tokio::spawn(async move {
                door.connection(stream, address, watcher).await;
                drop(place);
            });
        }
    }
    drop(listener);
    if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still under way after {} ms and are cut off", drain.as_millis());
    }
    Ok(())
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, address)) => Some((stream, address, place)),
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(ACCEPT_REST).await;
            None
        }
    }
}

struct Door<S> {
    tls: Option<ReloadableTls>,
    limits: ListenLimits,
    service: S,
}

impl<S, B> Door<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    async fn connection(&self, stream: TcpStream, address: SocketAddr, watcher: Watcher) {
        let _ = stream.set_nodelay(true);
        let bound = Duration::from_millis(self.limits.head_timeout_ms);
        let Some(tls) = &self.tls else {
            let Ok(Ok(version)) = tokio::time::timeout(bound, sniff(&stream)).await else { return };
            let peer = Peer { address, encrypted: false, certificate: None, verified: false };
            return self.exchange(stream, version, peer, watcher).await;
        };
        let served = tls.served();
        match tokio::time::timeout(bound, TlsAcceptor::from(Arc::clone(&served.config)).accept(stream)).await {
            Ok(Ok(stream)) => {
                let session = stream.get_ref().1;
                let version = if session.alpn_protocol() == Some(b"h2") { Version::Two } else { Version::One };
                let chain = session.peer_certificates().unwrap_or_default();
                let verified = served.clients.as_ref().is_some_and(|clients| clients.is_of_an_authority(chain));
                let certificate = chain.first().cloned().map(CertificateDer::into_owned);
                let peer = Peer { address, encrypted: true, certificate, verified };
                self.exchange(stream, version, peer, watcher).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        }
    }

    async fn exchange<T>(&self, stream: T, version: Version, peer: Peer, watcher: Watcher)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let idle = Duration::from_millis(self.limits.idle_timeout_ms);
        let service = self.service.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(|body| Timed::boxed(body, idle));
            request.extensions_mut().insert(peer.clone());
            service.clone().oneshot(request)
        });
        let builder = self.builder(version);
        let stream = TokioIo::new(Stalling::new(stream, idle));
        let connection = builder.serve_connection(stream, service).into_owned();
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended early");
        }
    }

    fn builder(&self, version: Version) -> Builder<TokioExecutor> {
        let limits = &self.limits;
        let head_timeout = Duration::from_millis(limits.head_timeout_ms);
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(head_timeout)
            .max_buf_size(limits.head_bytes_max.max(HEAD_BYTES_MIN));
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(head_timeout)
            .keep_alive_timeout(head_timeout)
            .max_concurrent_streams(limits.streams_max)
            .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX));
        match version {
            Version::One => builder.http1_only(),
            Version::Two => builder.http2_only(),
        }
    }
}

#[derive(Clone, Copy)]
enum Version {
    One,
    Two,
}

/// Which HTTP an unencrypted client speaks: HTTP/2 announces itself by `PRI `, which no HTTP/1 method is.
async fn sniff(stream: &TcpStream) -> io::Result<Version> {
    let mut first = [0; 4];
    stream.peek(&mut first).await?;
    Ok(if &first == b"PRI " { Version::Two } else { Version::One })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;
    use tower::service_fn;

    use super::*;
    use crate::tls::development;
    use crate::{Client, ClientSettings, collect, empty, full};

    /// Says who asked, and takes as long as the path names in milliseconds.
    async fn answer(request: Request<Body>) -> Result<Response<Body>, Infallible> {
        let wait = request.uri().path().trim_start_matches('/').parse().unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let peer = request.extensions().get::<Peer>().unwrap();
        let text = format!("{:?} encrypted={}", request.version(), peer.encrypted);
        Ok(Response::new(full(text)))
    }

    async fn start(tls: Option<ReloadableTls>, limits: ListenLimits) -> (SocketAddr, oneshot::Sender<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(serve(listener, tls, service_fn(answer), limits, async {
            let _ = stopped.await;
        }));
        (address, stop)
    }

    async fn ask(client: &Client, url: String) -> String {
        let answer = client.send(Request::get(url).body(empty()).unwrap()).await.unwrap();
        String::from_utf8(collect(answer.into_body(), 1_000).await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn tls_speaks_http_2_to_a_client_that_trusts_the_authority() {
        let folder = tempfile::tempdir().unwrap();
        let made = development::ensure(folder.path(), &["localhost"]).unwrap();
        let tls = ReloadableTls::load(made.files()).unwrap();
        let (address, _stop) = start(Some(tls), ListenLimits::default()).await;
        let settings = ClientSettings { ca_pem: Some(made.ca_pem), ..ClientSettings::default() };
        let client = Client::new(&settings).unwrap();
        let url = format!("https://localhost:{}/", address.port());
        assert_eq!(ask(&client, url.clone()).await, "HTTP/2.0 encrypted=true");
        let stranger = Client::new(&ClientSettings::default()).unwrap();
        let refused = stranger.send(Request::get(url).body(empty()).unwrap()).await;
        assert!(matches!(refused, Err(crate::ClientError::Unreachable(_))));
    }

    /// A `ClientHello` of that version, with suites that it knows and no extension.
    fn old_hello(version: [u8; 2]) -> Vec<u8> {
        let mut body = version.to_vec();
        body.extend([7; 32]);
        body.extend([0, 0, 6, 0x00, 0x2f, 0xc0, 0x13, 0x00, 0x35, 1, 0]);
        let mut hello = vec![1, 0, 0, u8::try_from(body.len()).unwrap()];
        hello.extend(body);
        let mut record = vec![22, version[0], version[1], 0, u8::try_from(hello.len()).unwrap()];
        record.extend(hello);
        record
    }

    /// SSLv2, SSLv3, TLS 1.0 and 1.1 as bytes: libraries of today cannot even ask.
    #[tokio::test]
    async fn tl_1_older_versions_are_refused_at_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let made = development::ensure(folder.path(), &["localhost"]).unwrap();
        let (address, _stop) = start(Some(ReloadableTls::load(made.files()).unwrap()), ListenLimits::default()).await;
        let version_2 = vec![0x80, 0x2e, 1, 0, 2, 0, 21, 0, 0, 0, 16, 1, 0, 128, 2, 0, 128, 3, 0, 128];
        for hello in [version_2, old_hello([3, 0]), old_hello([3, 1]), old_hello([3, 2])] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(&hello).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = Vec::new();
            let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
            assert!(read.is_ok(), "the connection stayed open");
            // At most an alert (21); never the server's half of a handshake (22).
            assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
        }
    }

    /// A certificate of a client of its own authority; the listener trusts that authority.
    #[tokio::test]
    async fn a_client_shows_its_certificate_if_it_has_one() {
        let (server, client) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let made = development::ensure(server.path(), &["localhost"]).unwrap();
        let (client_ca, identity) = client_identity(client.path());
        let files = crate::TlsFiles { client_ca: Some(client_ca), ..made.files() };
        let service = service_fn(|request: Request<Body>| async move {
            let peer = request.extensions().get::<Peer>().unwrap();
            let shown = peer.certificate.is_some();
            assert_eq!(shown, peer.verified);
            Ok::<_, Infallible>(Response::new(full(format!("certificate={shown}"))))
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        let tls = ReloadableTls::load(files).unwrap();
        tokio::spawn(serve(listener, Some(tls), service, ListenLimits::default(), std::future::pending()));
        let settings = ClientSettings { ca_pem: Some(made.ca_pem), ..ClientSettings::default() };
        let with = Client::new(&ClientSettings { identity: Some(identity), ..settings.clone() }).unwrap();
        assert_eq!(ask(&with, url.clone()).await, "certificate=true");
        let without = Client::new(&settings).unwrap();
        assert_eq!(ask(&without, url.clone()).await, "certificate=false");
        let (_, stranger) = client_identity(tempfile::tempdir().unwrap().path());
        let stranger = Client::new(&ClientSettings { identity: Some(stranger), ..settings }).unwrap();
        assert!(stranger.send(Request::get(url).body(empty()).unwrap()).await.is_err(), "of an unknown authority");
    }

    #[tokio::test]
    async fn any_certificate_may_be_shown_where_that_is_the_setting_and_is_told_from_known_ones() {
        let (server, client) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let made = development::ensure(server.path(), &["localhost"]).unwrap();
        let (client_ca, identity) = client_identity(client.path());
        let files = crate::TlsFiles { client_ca: Some(client_ca), self_signed_clients: true, ..made.files() };
        let service = service_fn(|request: Request<Body>| async move {
            let peer = request.extensions().get::<Peer>().unwrap();
            let said = format!("certificate={} verified={}", peer.certificate.is_some(), peer.verified);
            Ok::<_, Infallible>(Response::new(full(said)))
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        let tls = ReloadableTls::load(files).unwrap();
        tokio::spawn(serve(listener, Some(tls), service, ListenLimits::default(), std::future::pending()));
        let settings = ClientSettings { ca_pem: Some(made.ca_pem), ..ClientSettings::default() };
        let with = |identity| Client::new(&ClientSettings { identity, ..settings.clone() }).unwrap();
        assert_eq!(ask(&with(Some(identity)), url.clone()).await, "certificate=true verified=true");
        assert_eq!(ask(&with(None), url.clone()).await, "certificate=false verified=false");
        let key = rcgen::KeyPair::generate().unwrap();
        let own = rcgen::CertificateParams::new(vec!["client.example".to_owned()]).unwrap().self_signed(&key).unwrap();
        let own = crate::Identity { certificate_pem: own.pem(), key_pem: key.serialize_pem() };
        assert_eq!(ask(&with(Some(own)), url.clone()).await, "certificate=true verified=false");
    }

    fn client_identity(folder: &std::path::Path) -> (std::path::PathBuf, crate::Identity) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::default();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca_key = rcgen::KeyPair::generate().unwrap();
        let ca = authority.self_signed(&ca_key).unwrap();
        let issuer = rcgen::Issuer::from_params(&authority, &ca_key);
        let mut leaf = rcgen::CertificateParams::new(vec!["client.example".to_owned()]).unwrap();
        leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = leaf.signed_by(&key, &issuer).unwrap();
        let file = folder.join("client-ca.pem");
        std::fs::write(&file, ca.pem()).unwrap();
        (file, crate::Identity { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    #[tokio::test]
    async fn a_request_under_way_is_finished_after_the_stop() {
        let (address, stop) = start(None, ListenLimits::default()).await;
        let client = Client::new(&ClientSettings::default()).unwrap();
        let slow = tokio::spawn(async move { ask(&client, format!("http://{address}/300")).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        stop.send(()).unwrap();
        assert_eq!(slow.await.unwrap(), "HTTP/1.1 encrypted=false");
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_head_that_never_ends_is_cut_off() {
        let limits = ListenLimits { head_timeout_ms: 200, ..ListenLimits::default() };
        let (address, _stop) = start(None, limits).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
        let mut rest = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "the connection stayed open");
    }

    #[tokio::test]
    async fn a_connection_that_says_nothing_is_cut_off() {
        let limits = ListenLimits { head_timeout_ms: 200, ..ListenLimits::default() };
        let (address, _stop) = start(None, limits).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut rest = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "the connection stayed open");
    }

    #[tokio::test]
    async fn a_head_over_its_bound_is_refused() {
        let (address, _stop) = start(None, ListenLimits { head_bytes_max: 8_192, ..ListenLimits::default() }).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("GET / HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "a".repeat(20_000));
        let _ = stream.write_all(head.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 431"));
    }
}

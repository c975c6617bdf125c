//! A listener for protocols that are not HTTP: accepts, shakes hands, bounds the connections, hands over the stream.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::stall::Stalling;
use crate::{Peer, ReloadableTls};

/// After a failed accept (out of file descriptors), the listener rests for so long.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Both directions of a connection.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection whose encryption, if any, is done.
pub type Stream = Box<dyn Duplex>;

/// The bounds of such a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamLimits {
    /// Bound on the TLS handshake, in milliseconds.
    pub handshake_timeout_ms: u64,
    /// Bound on a write that the other side does not take, in milliseconds.
    pub stall_timeout_ms: u64,
    /// Open connections; more wait to be accepted.
    pub connections_max: usize,
    /// How long connections may end by themselves after the listener was told to stop, in milliseconds.
    pub drain_timeout_ms: u64,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { handshake_timeout_ms: 15_000, stall_timeout_ms: 30_000, connections_max: 256, drain_timeout_ms: 10_000 }
    }
}

/// Hands each connection to `handle` until `shutdown` resolves, then lets those that are open end within their bound.
pub async fn serve_streams<H, F>(
    listener: TcpListener,
    tls: Option<ReloadableTls>,
    limits: StreamLimits,
    handle: H,
    shutdown: impl Future<Output = ()> + Send,
) where
    H: Fn(Stream, Peer) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(limits.connections_max));
    let handle = Arc::new(handle);
    let mut open = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
            Some(_ended) = open.join_next() => continue,
        };
        let Ok((stream, address)) = accepted else {
            tokio::time::sleep(ACCEPT_REST).await;
            continue;
        };
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { break };
        let (tls, limits, handle) = (tls.clone(), limits.clone(), Arc::clone(&handle));
        open.spawn(async move {
            if let Some((stream, peer)) = shaken(stream, address, tls, &limits).await {
                handle(stream, peer).await;
            }
            drop(place);
        });
    }
    drop(listener);
    let drain = Duration::from_millis(limits.drain_timeout_ms);
    let _cut = tokio::time::timeout(drain, async { while open.join_next().await.is_some() {} }).await;
}

async fn shaken(
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<ReloadableTls>,
    limits: &StreamLimits,
) -> Option<(Stream, Peer)> {
    let _ = stream.set_nodelay(true);
    let stall = Duration::from_millis(limits.stall_timeout_ms);
    let Some(tls) = tls else {
        let peer = Peer { address, encrypted: false, certificate: None, verified: false };
        return Some((Box::new(Stalling::new(stream, stall)), peer));
    };
    let bound = Duration::from_millis(limits.handshake_timeout_ms);
    let served = tls.served();
    match tokio::time::timeout(bound, TlsAcceptor::from(Arc::clone(&served.config)).accept(stream)).await {
        Ok(Ok(stream)) => {
            let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let verified = served.clients.as_ref().is_some_and(|clients| clients.is_of_an_authority(chain));
            let certificate = chain.first().cloned().map(CertificateDer::into_owned);
            let peer = Peer { address, encrypted: true, certificate, verified };
            Some((Box::new(Stalling::new(stream, stall)), peer))
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!("TLS handshake took too long");
            None
        }
    }
}

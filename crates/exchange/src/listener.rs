//! The MLLP listener of one partner.

use std::sync::Arc;
use std::time::Duration;

use bascule_crypto::digest::sha256;
use bascule_hl7::{Deframer, Event, frame};
use bascule_wire::{Peer, ReloadableTls, Stream, StreamLimits, serve_streams};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::Desk;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;
/// Faults of framing after which a connection is ended: what stands there is not a partner.
const FAULTS_MAX: usize = 16;

/// How a partner connects.
#[derive(Debug, Clone)]
pub struct Door {
    /// Certificate, key and the authorities of the partner's certificate; `None` is unencrypted.
    pub tls: Option<ReloadableTls>,
    /// SHA-256 of the certificates that the partner may show; empty: none is asked for beyond what TLS verifies.
    pub certificates: Vec<[u8; 32]>,
    /// Whether a connection without a certificate is refused.
    pub certificate_required: bool,
    /// Milliseconds that a connection may be silent in the middle of a frame.
    pub frame_timeout_ms: u64,
    /// Milliseconds that a connection may be silent between frames.
    pub idle_timeout_ms: u64,
    /// The listener's own bounds.
    pub limits: StreamLimits,
}

/// Listens until `stop` turns true. A frame that came whole is answered before the connection is ended.
pub async fn listen(listener: TcpListener, door: Door, desk: Arc<Desk>, stop: watch::Receiver<bool>) {
    let (tls, limits) = (door.tls.clone(), door.limits.clone());
    let door = Arc::new(door);
    let stopped = stop.clone();
    let handle = move |stream: Stream, peer: Peer| {
        let (door, desk, stop) = (Arc::clone(&door), Arc::clone(&desk), stop.clone());
        async move {
            if door.admits(&peer) {
                converse(stream, &door, &desk, stop).await;
            } else {
                tracing::warn!(partner = desk.partner.name, "a connection without an agreed certificate was ended");
            }
        }
    };
    serve_streams(listener, tls, limits, handle, until(stopped)).await;
}

impl Door {
    fn admits(&self, peer: &Peer) -> bool {
        match &peer.certificate {
            None => !self.certificate_required && self.certificates.is_empty(),
            // Whoever made a certificate of their own may show it: it counts only if it is pinned.
            Some(_) if self.certificates.is_empty() => peer.verified,
            Some(certificate) => self.certificates.contains(&sha256(certificate)),
        }
    }
}

async fn converse(mut stream: Stream, door: &Door, desk: &Desk, stop: watch::Receiver<bool>) {
    let mut deframer = Deframer::new(desk.limits.message_bytes_max);
    let mut buffer = vec![0; READ_BYTES];
    let mut faults = 0_usize;
    loop {
        let bound = if deframer.is_inside() { door.frame_timeout_ms } else { door.idle_timeout_ms };
        let read = tokio::select! {
            biased;
            () = until(stop.clone()), if !deframer.is_inside() => break,
            read = tokio::time::timeout(Duration::from_millis(bound), stream.read(&mut buffer)) => read,
        };
        let count = match read {
            Ok(Ok(count)) if count > 0 => count,
            Ok(_) | Err(_) => break,
        };
        for event in deframer.push(buffer.get(..count).unwrap_or_default()) {
            match event {
                Event::Frame(bytes) => {
                    let Some(answer) = desk.receive(&bytes).await else { continue };
                    if stream.write_all(&frame(&answer)).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
                Event::Fault(fault) => {
                    faults = faults.saturating_add(1);
                    tracing::warn!(partner = desk.partner.name, %fault, "a fault of framing");
                }
            }
        }
        if faults > FAULTS_MAX {
            break;
        }
    }
    if let Some(fault) = deframer.finish() {
        tracing::warn!(partner = desk.partner.name, %fault, "the connection ended inside a frame; nothing of it was taken");
    }
    let _closed = stream.shutdown().await;
}

async fn until(mut stop: watch::Receiver<bool>) {
    let _closed = stop.wait_for(|stop| *stop).await;
}

//! TLS connections of protocols that are not HTTP, in both directions.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::tls::{self, TlsError};
use crate::{Identity, ReloadableTls};

/// Opens connections.
#[derive(Clone)]
pub struct Dialer {
    tls: Arc<ClientConfig>,
    bound: Duration,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer").field("bound", &self.bound).finish_non_exhaustive()
    }
}

impl Dialer {
    /// Trusts `ca_pem` only, or the operating system's authorities; shows `identity`, if there is one. `connect_timeout_ms` bounds
    /// name lookup, TCP and TLS together.
    ///
    /// # Errors
    /// [`TlsError`] if authorities or identity cannot be read.
    pub fn new(ca_pem: Option<&str>, identity: Option<&Identity>, connect_timeout_ms: u64) -> Result<Self, TlsError> {
        let mut tls = ClientConfig::clone(tls::client_config(ca_pem, identity)?.as_ref());
        tls.alpn_protocols.clear();
        Ok(Self { tls: Arc::new(tls), bound: Duration::from_millis(connect_timeout_ms) })
    }

    /// Connects to a host, which must prove its name.
    ///
    /// # Errors
    /// Those of the system, `TimedOut`, and what TLS refuses.
    pub async fn dial(&self, host: &str, port: u16) -> io::Result<client::TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let open = async {
            let stream = TcpStream::connect((host, port)).await?;
            stream.set_nodelay(true)?;
            TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await
        };
        tokio::time::timeout(self.bound, open).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Shakes hands on an accepted connection.
///
/// # Errors
/// What TLS refuses.
pub async fn accept_tls(tls: &ReloadableTls, stream: TcpStream) -> io::Result<server::TlsStream<TcpStream>> {
    TlsAcceptor::from(Arc::clone(&tls.served().config)).accept(stream).await
}

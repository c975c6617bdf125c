//! The patient portal: a SMART app on its own origin, an ordinary client of the bridge.
//!
//! It keeps nothing but its sessions, in memory: every page is read from the bridge at the moment it is asked for.
//! Who could rewrite a session could read one patient's record until the token in it ends; sessions never leave
//! the process.

mod bridge;
mod desk;
mod pages;
pub mod preview;
mod record;
mod session;
mod settings;
mod sign_in;
mod trouble;
mod words;

use std::io;
use std::sync::Arc;

use bascule_wire::{ListenLimits, ReloadableTls, serve};
use tokio::net::TcpListener;

use bridge::Bridge;
use session::Sessions;
use sign_in::SignIns;

pub use settings::{PortalError, PortalSettings};
pub use words::Clock;

/// The portal, ready to serve.
#[derive(Clone)]
pub struct Portal {
    house: Arc<House>,
}

/// What every request needs.
struct House {
    settings: PortalSettings,
    bridge: Bridge,
    sessions: Sessions,
    sign_ins: SignIns,
    chart: Chart,
}

/// The clinicians' side: a client of its own, with its own sessions.
struct Chart {
    settings: PortalSettings,
    sessions: Sessions,
    sign_ins: SignIns,
}

impl Portal {
    /// A portal of those settings. Nothing is asked of the bridge before somebody comes.
    ///
    /// # Errors
    /// [`PortalError`] if an address or the authority's certificate cannot be read.
    pub fn new(settings: PortalSettings) -> Result<Self, PortalError> {
        settings.check()?;
        let bridge = Bridge::new(&settings)?;
        let sessions = Sessions::new(settings.session_idle_seconds, settings.sessions_max);
        let sign_ins = SignIns::new(settings.sign_ins_max);
        let chart = Chart {
            sessions: Sessions::new(settings.session_idle_seconds, settings.sessions_max),
            sign_ins: SignIns::new(settings.sign_ins_max),
            settings: settings.of_chart(),
        };
        Ok(Self { house: Arc::new(House { settings, bridge, sessions, sign_ins, chart }) })
    }

    /// The pages as a service, for whoever listens.
    pub fn router(&self) -> axum::Router {
        desk::router(Arc::clone(&self.house))
    }

    /// Serves over TLS until `shutdown` resolves, then lets requests under way finish.
    ///
    /// # Errors
    /// Those of the listener.
    pub async fn serve(
        self,
        listener: TcpListener,
        tls: ReloadableTls,
        shutdown: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        let limits = ListenLimits { connections_max: 512, drain_timeout_ms: 5_000, ..ListenLimits::default() };
        serve(listener, Some(tls), self.router(), limits, shutdown).await
    }
}

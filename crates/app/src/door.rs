//! The client's door that can be exchanged while requests walk: each request keeps the gateway that it came in by.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use bascule_gateway::{Gateway, GatewayService};
use bascule_wire::Body;
use http::{Request, Response};
use tower::Service;

/// Gateways that were exchanged and are waited for at a stop; of more reloads than these, the oldest had the longest time.
const EXCHANGED_MAX: usize = 64;

/// The gateway in force, as a service. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    now: Arc<ArcSwap<Gateway>>,
    /// Those before it, by which requests may still be on their way.
    before: Arc<Mutex<VecDeque<Gateway>>>,
}

impl Door {
    /// A door with that gateway.
    pub(crate) fn new(gateway: Gateway) -> Self {
        Self { now: Arc::new(ArcSwap::from_pointee(gateway)), before: Arc::default() }
    }

    /// The gateway that the next request comes in by.
    pub(crate) fn gateway(&self) -> Gateway {
        Gateway::clone(&self.now.load())
    }

    /// Exchanges it; requests that are under way stay with the one that they came in by.
    pub(crate) fn exchange(&self, gateway: Gateway) {
        let old = self.now.swap(Arc::new(gateway));
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        before.retain(Gateway::is_walking);
        before.push_back(Gateway::clone(&old));
        if before.len() > EXCHANGED_MAX {
            before.pop_front();
        }
    }

    /// Resolves once no request is under way, by whichever gateway it came in.
    pub(crate) async fn idle(&self) {
        let before = std::mem::take(&mut *self.before.lock().unwrap_or_else(PoisonError::into_inner));
        for gateway in before {
            gateway.idle().await;
        }
        self.gateway().idle().await;
    }
}

impl Service<Request<Body>> for Door {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = <GatewayService as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.now.load().service().call(request)
    }
}

//! The client's door that can be exchanged while requests walk: each request keeps the gateway that it came in by.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use bascule_gateway::{Gateway, GatewayService};
use bascule_wire::Body;
use http::{Request, Response};
use tower::Service;

/// The gateway in force, as a service. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Door(Arc<ArcSwap<Gateway>>);

impl Door {
    /// A door with that gateway.
    pub(crate) fn new(gateway: Gateway) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(gateway)))
    }

    /// The gateway that the next request comes in by.
    pub(crate) fn gateway(&self) -> Gateway {
        Gateway::clone(&self.0.load())
    }

    /// Exchanges it; requests that are under way stay with the one that they came in by.
    pub(crate) fn exchange(&self, gateway: Gateway) {
        self.0.store(Arc::new(gateway));
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
        self.0.load().service().call(request)
    }
}

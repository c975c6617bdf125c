//! The one body type of the house, and the time-out that every body from the network carries.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use tokio::time::{Instant, Sleep};

/// A body on its way in or out.
pub type Body = BoxBody<Bytes, BodyError>;

/// Why a body did not arrive whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More than its reader holds.
    #[error("the body is larger than {bytes_max} bytes")]
    TooLarge {
        /// The bound that it passed.
        bytes_max: usize,
    },
    /// The other side paused for too long.
    #[error("the body paused for more than {idle_ms} ms")]
    Idle {
        /// The bound that it passed, in milliseconds.
        idle_ms: u64,
    },
    /// The connection ended, or was reset, before the body did.
    #[error("the body broke off: {0}")]
    BrokenOff(String),
    /// Its content coding is not what it says.
    #[error("the body cannot be decoded: {0}")]
    Undecodable(String),
}

/// A body of these bytes.
#[must_use]
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// No body.
#[must_use]
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

/// Any body as the house's own.
pub fn boxed<B>(body: B) -> Body
where
    B: HttpBody<Data = Bytes> + Send + Sync + 'static,
    B::Error: std::fmt::Display,
{
    body.map_err(|error| BodyError::BrokenOff(error.to_string())).boxed()
}

/// Reads a body to its end.
///
/// # Errors
/// [`BodyError::TooLarge`] as soon as it passes `bytes_max` (or says that it will); else what the body itself met.
pub async fn collect(mut body: Body, bytes_max: usize) -> Result<Bytes, BodyError> {
    let too_large = BodyError::TooLarge { bytes_max };
    if body.size_hint().lower() > u64::try_from(bytes_max).unwrap_or(u64::MAX) {
        return Err(too_large);
    }
    let mut held = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if held.len().saturating_add(data.len()) > bytes_max {
            return Err(too_large);
        }
        held.extend_from_slice(&data);
    }
    Ok(held.freeze())
}

/// A body from the network that may not pause for longer than a bound.
pub(crate) struct Timed<B> {
    inner: B,
    idle: Duration,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<B> Timed<B>
where
    B: HttpBody<Data = Bytes> + Send + Sync + Unpin + 'static,
    B::Error: std::error::Error,
{
    pub(crate) fn boxed(inner: B, idle: Duration) -> Body {
        BodyExt::boxed(Self { inner, idle, alarm: None })
    }
}

impl<B> HttpBody for Timed<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: std::error::Error,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context) {
            this.alarm = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| BodyError::BrokenOff(causes(&error)))));
        }
        let idle = this.idle;
        let alarm = this.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + idle)));
        match alarm.as_mut().poll(context) {
            Poll::Ready(()) => {
                Poll::Ready(Some(Err(BodyError::Idle { idle_ms: u64::try_from(idle.as_millis()).unwrap_or(u64::MAX) })))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// An error with its causes, in one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !line.contains(&words) {
            line = format!("{line}: {words}");
        }
        next = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn collects_up_to_the_bound_and_not_one_byte_more() {
        assert_eq!(collect(full("abc"), 3).await, Ok(Bytes::from("abc")));
        assert_eq!(collect(full("abcd"), 3).await, Err(BodyError::TooLarge { bytes_max: 3 }));
        assert_eq!(collect(empty(), 0).await, Ok(Bytes::new()));
    }

    #[tokio::test]
    async fn a_body_that_pauses_too_long_is_an_error() {
        let (_sender, silent) = http_body_util::channel::Channel::<Bytes, BodyError>::new(1);
        let body = Timed { inner: silent, idle: Duration::from_millis(50), alarm: None };
        let mut body = std::pin::pin!(body);
        let frame = body.frame().await.unwrap();
        assert_eq!(frame.unwrap_err(), BodyError::Idle { idle_ms: 50 });
    }
}

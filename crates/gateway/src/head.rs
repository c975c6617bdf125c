//! What the door reads of a request before anybody is asked: once, and bounded.

use bascule_crypto::digest::{Sha256, sha256};
use bascule_fhir::Timestamp;
use bascule_wire::Peer;
use http::header::{AUTHORIZATION, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, Method};

/// The head of a request.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// The name under which this request is known: in the answer, in the log, upstream.
    pub(crate) request_id: String,
    /// When it came.
    pub(crate) received: Timestamp,
    /// The method.
    pub(crate) method: Method,
    /// The path as it came, still percent-encoded.
    pub(crate) path: String,
    /// The query as it came, without `?`.
    pub(crate) query: String,
    /// Every header; only named ones are ever read.
    pub(crate) headers: HeaderMap,
    /// The caller's network address.
    pub(crate) address: String,
    /// SHA-256 of the certificate that the caller proved to hold.
    pub(crate) certificate: Option<Sha256>,
    /// The caller's `User-Agent`, cut to its bound.
    pub(crate) user_agent: String,
}

/// How a token was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presented<'a> {
    /// No `Authorization` header.
    Nothing,
    /// `Authorization: Bearer …`
    Bearer(&'a str),
    /// `Authorization: DPoP …`
    Dpop(&'a str),
    /// Several headers, another scheme, or no token.
    Unreadable,
}

impl Head {
    /// Reads the head.
    pub(crate) fn new(parts: Parts, request_id: String, received: Timestamp, user_agent_bytes_max: usize) -> Self {
        let peer = parts.extensions.get::<Peer>();
        let user_agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self {
            request_id,
            received,
            address: peer.map(|peer| peer.address.ip().to_string()).unwrap_or_default(),
            certificate: peer.and_then(|peer| peer.certificate.as_ref()).map(|leaf| sha256(leaf)),
            user_agent: user_agent.chars().take(user_agent_bytes_max).collect(),
            method: parts.method,
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers,
        }
    }

    /// The token that came with the request. A token in the URL is never looked for.
    pub(crate) fn presented(&self) -> Presented<'_> {
        let mut lines = self.headers.get_all(AUTHORIZATION).iter();
        let Some(line) = lines.next() else { return Presented::Nothing };
        let line = line.to_str().ok().filter(|_| lines.next().is_none());
        let Some((scheme, token)) = line.and_then(|line| line.split_once(' ')) else { return Presented::Unreadable };
        let token = token.trim();
        if token.is_empty() {
            return Presented::Unreadable;
        }
        if scheme.eq_ignore_ascii_case("bearer") {
            Presented::Bearer(token)
        } else if scheme.eq_ignore_ascii_case("dpop") {
            Presented::Dpop(token)
        } else {
            Presented::Unreadable
        }
    }

    /// A header's value as text, if it is there once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.get_all(name).iter();
        let line = lines.next()?.to_str().ok()?;
        lines.next().is_none().then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(lines: &[&str]) -> Head {
        let mut request = Request::get("/fhir/Patient?access_token=in-the-url");
        for line in lines {
            request = request.header("authorization", *line);
        }
        Head::new(request.body(()).unwrap().into_parts().0, "r1".into(), Timestamp::from_seconds(1), 16)
    }

    #[test]
    fn a_token_comes_in_one_header_of_a_known_scheme() {
        assert_eq!(head(&[]).presented(), Presented::Nothing);
        assert_eq!(head(&["Bearer abc"]).presented(), Presented::Bearer("abc"));
        assert_eq!(head(&["bearer  abc"]).presented(), Presented::Bearer("abc"));
        assert_eq!(head(&["DPoP abc"]).presented(), Presented::Dpop("abc"));
        assert_eq!(head(&["Bearer "]).presented(), Presented::Unreadable);
        assert_eq!(head(&["Basic abc"]).presented(), Presented::Unreadable);
        assert_eq!(head(&["Bearer a", "Bearer b"]).presented(), Presented::Unreadable);
    }

    #[test]
    fn a_long_user_agent_is_cut() {
        let request = Request::get("/").header("user-agent", "x".repeat(100)).body(()).unwrap();
        assert_eq!(Head::new(request.into_parts().0, "r".into(), Timestamp::from_seconds(1), 16).user_agent.len(), 16);
    }
}

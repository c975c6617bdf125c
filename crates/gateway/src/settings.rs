//! What the client's door must be told: where it stands, which APIs are behind it, and its bounds.

use std::collections::BTreeMap;
use std::sync::Arc;

use bascule_crypto::Secret;
use bascule_policy::Api;
use bascule_smart::Scopes;
use bascule_smart::jose::{SigningAlgorithm, SigningKey};
use http::HeaderName;
use url::Url;

/// The settings of the gateway. The config's two steps (text, typed) end here; nothing below reads a file.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The bridge's own address as clients write it, without a trailing slash; also the OAuth issuer.
    pub public_url: Url,
    /// What is behind the bridge.
    pub apis: Vec<ApiSettings>,
    /// The bounds.
    pub limits: Limits,
}

/// One API behind the bridge.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// Its name, kind, service, exposure and mode.
    pub api: Api,
    /// Where clients find it below `public_url`: `/fhir`. Begins with a slash and does not end with one.
    pub path: String,
    /// The system behind it.
    pub upstream: UpstreamSettings,
    /// Others whose tokens it takes beside our own.
    pub issuers: Vec<IssuerSettings>,
    /// What the bridge itself reads from it.
    pub feeds: Feeds,
}

/// What the bridge itself reads from an API's upstream, so that decisions can rest on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Feeds {
    /// Consents; `None` is: the chart keeps none that decide.
    pub consents: Option<ConsentFeed>,
    /// Care teams, encounters, appointments, orders; `None` is: relations are entered by hand or by import.
    pub relations: Option<RelationFeed>,
}

/// Consents of the chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsentFeed {
    /// Seconds between two readings: what is changed in the chart itself acts that late at most.
    pub poll_seconds: i64,
    /// Seconds for which a reading is relied on; then the consents are not known.
    pub age_seconds_max: i64,
}

/// Relations of the chart. For how long they are relied on, the policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelationFeed {
    /// Seconds between two readings.
    pub poll_seconds: i64,
}

/// The system behind an API.
#[derive(Debug, Clone)]
pub struct UpstreamSettings {
    /// Its base: `https://ehr.mercy.internal/fhir`.
    pub url: Url,
    /// PEM text of the only authorities to trust; `None` trusts the operating system's.
    pub ca_pem: Option<String>,
    /// How the bridge proves itself to it. The client's own token never goes there.
    pub credential: UpstreamCredential,
    /// Whether it answers `POST [type]/_search`; then long queries travel in a body.
    pub post_search: bool,
    /// The organization whose system it is, by its id among the records; `None` is our own. What is asked of another's is
    /// disclosed to it.
    pub organization: Option<String>,
    /// Why its writes name no version: it keeps none. `None`: it keeps versions, and `If-Match` is asked for.
    pub unversioned: Option<String>,
    /// Other hosts that serve the files of its exports, as the origins of these URLs. A file anywhere else is not fetched.
    pub files: Vec<Url>,
    /// The header that tells it who acts, if it wants to know.
    pub acting_user: Option<ActingUserSettings>,
}

/// The acting user in a signed header (a JWS by our own key).
#[derive(Debug, Clone)]
pub struct ActingUserSettings {
    /// Which header.
    pub header: HeaderName,
    /// `aud` of what is signed: the name of the upstream.
    pub audience: String,
}

/// How the bridge proves itself to an upstream.
#[derive(Debug, Clone)]
pub enum UpstreamCredential {
    /// Not at all: the network in between is trusted, which the config must say in words.
    None,
    /// `Authorization: Bearer …`
    Bearer(Secret),
    /// `Authorization: Basic …`
    Basic {
        /// The user's name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A client certificate.
    MutualTls {
        /// PEM chain, leaf first.
        certificate_pem: String,
        /// PEM key of the leaf.
        key_pem: Secret,
    },
    /// OAuth client credentials: one token of the bridge's own for all requests.
    Service {
        /// Where tokens are had.
        token_url: Url,
        /// As whom.
        client: Box<OauthSettings>,
    },
    /// OAuth token exchange (RFC 8693): a token for each user.
    Exchange(Box<ExchangeSettings>),
    /// The caller's own token, if this issuer of the API made it; no other is ever shown.
    Relay {
        /// `iss`
        issuer: String,
    },
    /// The token that the EHR gave when it launched the app through the bridge.
    Launch {
        /// The EHR, by the name of its provider.
        provider: String,
    },
}

/// The bridge as a client of another authorization server.
#[derive(Debug, Clone)]
pub struct OauthSettings {
    /// Our id there.
    pub client_id: String,
    /// How we prove ourselves there.
    pub proof: ClientProof,
    /// What we ask for.
    pub scope: Option<String>,
    /// `aud` of our assertion, where it is not the address that it is sent to.
    pub assertion_audience: Option<String>,
    /// PEM text of the only authorities to trust there.
    pub ca_pem: Option<String>,
}

/// How the bridge proves itself at another authorization server.
#[derive(Debug, Clone)]
pub enum ClientProof {
    /// Not at all: a public client, by PKCE only.
    None,
    /// A shared secret, in HTTP Basic.
    Secret(Secret),
    /// A signed assertion (`private_key_jwt`).
    Key(Arc<SigningKey>),
    /// A client certificate (RFC 8705).
    MutualTls {
        /// PEM chain, leaf first.
        certificate_pem: String,
        /// PEM key of the leaf.
        key_pem: Secret,
    },
}

/// A token exchange.
#[derive(Debug, Clone)]
pub struct ExchangeSettings {
    /// Where tokens are exchanged.
    pub token_url: Url,
    /// As whom.
    pub client: OauthSettings,
    /// `audience` of the request.
    pub audience: Option<String>,
    /// `resource` of the request.
    pub resource: Option<String>,
}

/// An external issuer whose tokens an API takes.
#[derive(Debug, Clone)]
pub struct IssuerSettings {
    /// `iss`, exactly.
    pub issuer: String,
    /// `aud`: one of these must stand in the token. Never empty.
    pub audiences: Vec<String>,
    /// How its tokens are verified.
    pub verification: Verification,
    /// PEM text of the only authorities to trust there.
    pub ca_pem: Option<String>,
    /// The claim that names the client.
    pub client_claim: String,
    /// Clients there, and who they are here; others are unknown.
    pub clients: BTreeMap<String, String>,
    /// Scopes there, and what they are worth here; others are worth nothing.
    pub scopes: BTreeMap<String, Scopes>,
    /// Whether its tokens are a user's, found here by `iss` and `sub`; otherwise the client's own.
    pub users: bool,
    /// The claim that names the patient in context, if it may.
    pub patient_claim: Option<String>,
}

/// How the tokens of an external issuer are verified.
#[derive(Debug, Clone)]
pub enum Verification {
    /// By its published keys.
    Keys {
        /// Where they are; `None` asks the issuer's discovery document.
        jwks_url: Option<Url>,
        /// Algorithms that it may use.
        algorithms: Vec<SigningAlgorithm>,
    },
    /// By asking it (RFC 7662).
    Introspection {
        /// Its introspection endpoint.
        url: Url,
        /// As whom.
        client: Box<OauthSettings>,
    },
}

/// The bounds of the client's door, each with its unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// A request's body, in bytes; more is refused with 413.
    pub request_bytes_max: usize,
    /// An answer up to here is held and recorded before its first byte leaves; a larger one streams.
    pub hold_bytes_max: usize,
    /// One resource, in bytes; a larger one is withheld whole.
    pub resource_bytes_max: usize,
    /// A streamed answer, in bytes, counted after decompression.
    pub stream_bytes_max: usize,
    /// Requests at once; more are refused with 503 and `Retry-After`.
    pub requests_in_flight_max: usize,
    /// From sending a request upstream to the last byte of a held answer, in milliseconds.
    pub upstream_timeout_ms: u64,
    /// From the head of a request to the last byte of its body, in milliseconds.
    pub request_timeout_ms: u64,
    /// Name lookup, TCP and TLS towards an upstream, in milliseconds.
    pub upstream_connect_timeout_ms: u64,
    /// The query of an upstream URL, in bytes; a longer one travels as `POST _search` or is refused.
    pub query_bytes_max: usize,
    /// Patients that the URL of one upstream query is narrowed to; more are asked for part by part.
    pub patients_per_query_max: usize,
    /// Patients that the body of one `POST _search` is narrowed to; more are refused with the reason.
    pub patients_posted_max: usize,
    /// Upstream calls that fill up one page of which something stayed behind.
    pub refill_requests_max: usize,
    /// Entries of a batch or transaction.
    pub batch_entries_max: usize,
    /// How long an answer takes at least that says that something is not there, in milliseconds: whether it is hidden or
    /// absent shall not be told by the time.
    pub absent_floor_ms: u64,
    /// How long a page link holds, in seconds.
    pub page_seconds: i64,
    /// How long the addresses of a bulk export hold, in seconds.
    pub export_seconds: i64,
    /// A caller's `User-Agent` as it is recorded, in bytes.
    pub user_agent_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes_max: 10_485_760,
            hold_bytes_max: 1_048_576,
            resource_bytes_max: 1_048_576,
            stream_bytes_max: 10_737_418_240,
            requests_in_flight_max: 2_000,
            upstream_timeout_ms: 30_000,
            request_timeout_ms: 60_000,
            upstream_connect_timeout_ms: 5_000,
            query_bytes_max: 4_096,
            patients_per_query_max: 200,
            patients_posted_max: 10_000,
            refill_requests_max: 4,
            batch_entries_max: 200,
            absent_floor_ms: 25,
            page_seconds: 3_600,
            export_seconds: 86_400,
            user_agent_bytes_max: 256,
        }
    }
}

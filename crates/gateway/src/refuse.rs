//! Every way in which a walk ends early, and the one place where it becomes a status code and a sentence for a stranger.
//!
//! A sentence names what is missing, so that an honest caller can mend it, and nothing of what is there.

use std::fmt;

use bascule_fhir::interaction::ParseError;
use bascule_minimum::Withheld;
use bascule_policy::{Denial, DenialReason};
use bascule_smart::Unauthenticated;
use bascule_store::log::LogError;
use bascule_wire::{Body, BodyError, full};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

use crate::headers;
use crate::identity::IdentityFault;
use crate::narrow::NarrowFault;
use crate::offer::Offer;
use crate::outcome::IssueCode;
use crate::pages::PageFault;
use crate::upstream::UpstreamFault;

/// The code system of a denial's reasons, for apps.
const REFUSAL_SYSTEM: &str = "urn:bascule:fhir:CodeSystem:refusal";

/// Why a request is not answered as it wished.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// No API answers at the path.
    NoSuchApi,
    /// What is asked cannot be read.
    Unreadable(ParseError),
    /// The body did not arrive, or is too large.
    Body(BodyError),
    /// The body is not JSON.
    NotJson {
        /// What is wrong, in words that hold nothing of it.
        what: &'static str,
    },
    /// The body is of a type that the bridge does not read.
    MediaType,
    /// The caller takes no JSON.
    NotAcceptable,
    /// There is no principal.
    Unauthenticated(Unauthenticated),
    /// Policy says no.
    Denied(Box<Denial>),
    /// A page link that does not hold.
    Page(PageFault),
    /// A permitted request that cannot be put to the upstream.
    Narrow(NarrowFault),
    /// The resource is not there, or is not for this caller: the two are not told apart.
    NotFound,
    /// The upstream refuses what is asked, by its status.
    Rejected {
        /// 4xx.
        status: StatusCode,
    },
    /// The upstream's answer cannot be used.
    Upstream(UpstreamFault),
    /// The upstream's answer cannot be filtered, so that nothing of it leaves.
    Unfilterable {
        /// What is wrong, in words that hold nothing of it.
        what: String,
    },
    /// The kick-off of an export lacks something, or asks for what it may not.
    KickOff {
        /// What, in words that hold nothing of it.
        what: &'static str,
    },
    /// More entries in a batch than its bound.
    TooManyEntries {
        /// `batch_entries_max`
        entries_max: usize,
    },
    /// The answer to an entry of a batch is larger than what is held.
    TooLargeForEntry,
    /// More requests at once than the bound.
    Overloaded,
    /// The record cannot be kept, so that nothing may happen.
    AuditUnavailable,
    /// The shelf cannot say whose token it is, so that nothing may happen.
    StoreUnavailable,
    /// The body of a write says what it may not, or not what it must.
    Unwritable(Unwritable),
    /// A search parameter of the log that cannot be read, or is not offered.
    Unsearchable {
        /// Which.
        parameter: String,
    },
    /// Only a patient, or who stands for one, may ask that.
    NoPatient,
    /// A fault of our own.
    Fault {
        /// Where, for the log.
        at: &'static str,
    },
}

/// What is wrong with the body of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unwritable {
    /// Not the resource that the path names.
    Mismatch,
    /// An element that no grant lets this access set.
    Element(String),
    /// A value that no grant lets this access give.
    Value(String),
    /// It would belong, or belongs, to a patient outside this access.
    Outside,
    /// It was filtered on the way out, and would overwrite what was withheld.
    Subsetted,
    /// An element that may not be told to the organization behind the API.
    Undisclosed(String),
    /// Conditional, and several resources match.
    Several,
    /// Nothing says which version it changes.
    Unversioned,
    /// A patch of a kind that cannot be read.
    PatchKind,
    /// The version changed between reading and writing.
    Changed,
}

/// A refusal in the stranger's terms.
struct Words {
    status: StatusCode,
    code: IssueCode,
    text: String,
}

fn words(status: StatusCode, code: IssueCode, text: impl Into<String>) -> Words {
    Words { status, code, text: text.into() }
}

impl Refusal {
    /// The log did not take an entry; why is for the operator.
    #[expect(clippy::needless_pass_by_value, reason = "used as a function of map_err")]
    pub(crate) fn audit(error: LogError) -> Self {
        tracing::error!(%error, "the audit log does not take an entry");
        Self::AuditUnavailable
    }

    /// An answer of which nothing may leave: of a single resource, that it is not for this caller is told like its
    /// absence.
    pub(crate) fn withheld(withheld: Withheld) -> Self {
        match withheld {
            Withheld::NotGranted | Withheld::OutsideConditions => Self::NotFound,
            Withheld::Malformed { .. }
            | Withheld::NotUtf8
            | Withheld::DuplicateKey
            | Withheld::TooDeep
            | Withheld::TooLarge
            | Withheld::TooMany
            | Withheld::UnknownType => Self::unfilterable(&withheld.to_string()),
        }
    }

    /// An answer that cannot be checked.
    pub(crate) fn unfilterable(what: &str) -> Self {
        Self::Unfilterable { what: what.to_owned() }
    }

    /// The sentence for the stranger.
    pub(crate) fn sentence(&self) -> String {
        self.words().text
    }

    /// Why, as a code of the entry's clear part.
    pub(crate) const fn cause(&self) -> &'static str {
        match self {
            Self::NoSuchApi => "no-such-api",
            Self::Unsearchable { .. } => "unsearchable",
            Self::NoPatient => "no-patient",
            Self::Unreadable(_) => "unreadable",
            Self::Body(BodyError::TooLarge { .. }) => "body-too-large",
            Self::Body(_) => "body-broke-off",
            Self::NotJson { .. } => "not-json",
            Self::MediaType => "media-type",
            Self::NotAcceptable => "not-acceptable",
            Self::Unauthenticated(Unauthenticated::Missing) => "token-missing",
            Self::Unauthenticated(Unauthenticated::Unknown) => "token-unknown",
            Self::Unauthenticated(Unauthenticated::Expired) => "token-expired",
            Self::Unauthenticated(Unauthenticated::Revoked) => "token-revoked",
            Self::Unauthenticated(Unauthenticated::WrongAudience) => "token-for-another-api",
            Self::Denied(denial) => cause_of(&denial.reason),
            Self::Page(PageFault::Foreign) => "page-foreign",
            Self::Page(PageFault::Expired) => "page-expired",
            Self::Narrow(NarrowFault::TooManyPatients { .. }) => "too-many-patients",
            Self::Narrow(NarrowFault::QueryTooLong { .. }) => "query-too-long",
            Self::Narrow(NarrowFault::NotOneCall) => "not-offered",
            Self::NotFound => "not-found",
            Self::Rejected { .. } => "upstream-rejected",
            Self::Upstream(UpstreamFault::Unreachable(_)) => "upstream-unreachable",
            Self::Upstream(UpstreamFault::TimedOut { .. }) => "upstream-timed-out",
            Self::Upstream(UpstreamFault::NotHttp(_)) => "upstream-not-http",
            Self::Upstream(UpstreamFault::BrokenOff(_)) => "upstream-broke-off",
            Self::Upstream(UpstreamFault::NotJson { .. }) => "upstream-not-json",
            Self::Upstream(UpstreamFault::Undecodable) => "upstream-undecodable",
            Self::Upstream(UpstreamFault::RefusesUs { .. }) => "upstream-refuses-us",
            Self::Upstream(UpstreamFault::NoIdentity(fault)) => no_identity(fault),
            Self::Upstream(UpstreamFault::Failed { .. }) => "upstream-failed",
            Self::Unfilterable { .. } => "unfilterable",
            Self::KickOff { .. } => "kick-off",
            Self::TooManyEntries { .. } => "too-many-entries",
            Self::TooLargeForEntry => "too-large-for-entry",
            Self::Overloaded => "overloaded",
            Self::AuditUnavailable => "audit-unavailable",
            Self::StoreUnavailable => "store-unavailable",
            Self::Unwritable(_) => "unwritable",
            Self::Fault { .. } => "fault",
        }
    }

    /// The status code.
    pub(crate) fn status(&self) -> StatusCode {
        self.words().status
    }

    /// The answer, with the request's id and, where a credential would help, how to bring one.
    pub(crate) fn answer(&self, request_id: &str, public_url: &str) -> Response<Body> {
        self.answer_with(request_id, public_url, None)
    }

    /// The same, with what it offers.
    pub(crate) fn answer_with(&self, request_id: &str, public_url: &str, offer: Option<&Offer>) -> Response<Body> {
        let mut outcome = self.outcome(request_id);
        if let Some(offer) = offer {
            offer.add_to(&mut outcome);
        }
        let mut response = Response::new(full(outcome.to_string()));
        *response.status_mut() = self.status();
        headers::private(response.headers_mut(), request_id);
        response.headers_mut().insert(CONTENT_TYPE, headers::FHIR_JSON);
        if let Some(seconds) = self.retry_after_seconds() {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.challenge(public_url).and_then(|text| HeaderValue::from_str(&text).ok()) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }

    /// The outcome alone, as it stands in an entry of a batch.
    pub(crate) fn outcome(&self, request_id: &str) -> serde_json::Value {
        let Words { code, text, .. } = self.words();
        let mut outcome = crate::outcome::outcome(code, &text, request_id);
        if let Self::Denied(denial) = self
            && let Some(details) = outcome.pointer_mut("/issue/0/details").and_then(serde_json::Value::as_object_mut)
        {
            let coding = serde_json::json!([{ "system": REFUSAL_SYSTEM, "code": cause_of(&denial.reason) }]);
            details.insert("coding".to_owned(), coding);
        }
        outcome
    }

    fn words(&self) -> Words {
        match self {
            Self::NoSuchApi => {
                words(StatusCode::NOT_FOUND, IssueCode::NotFound, "no API of this bridge answers at this path")
            }
            Self::Unsearchable { parameter } => words(
                StatusCode::BAD_REQUEST,
                IssueCode::Invalid,
                format!(
                    "the log cannot be searched by this `{parameter}`; there are date, patient, agent, outcome, type, subtype, action, _count"
                ),
            ),
            Self::NoPatient => words(
                StatusCode::FORBIDDEN,
                IssueCode::Forbidden,
                "only a patient, or who stands for one, may ask who has looked; sign in with a patient in context",
            ),
            Self::Unreadable(fault) => unreadable(fault),
            Self::Body(BodyError::TooLarge { bytes_max }) => words(
                StatusCode::PAYLOAD_TOO_LARGE,
                IssueCode::TooLong,
                format!("the body is larger than {bytes_max} bytes"),
            ),
            Self::Body(BodyError::Idle { .. }) => {
                words(StatusCode::REQUEST_TIMEOUT, IssueCode::Timeout, "the body did not arrive in time")
            }
            Self::Body(BodyError::BrokenOff(_) | BodyError::Undecodable(_)) => {
                words(StatusCode::BAD_REQUEST, IssueCode::Structure, "the body did not arrive whole")
            }
            Self::NotJson { what } => words(StatusCode::BAD_REQUEST, IssueCode::Structure, *what),
            Self::MediaType => words(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                IssueCode::NotSupported,
                "this bridge takes `application/fhir+json`, and forms for `_search`",
            ),
            Self::NotAcceptable => words(
                StatusCode::NOT_ACCEPTABLE,
                IssueCode::NotSupported,
                "this bridge speaks FHIR JSON; ask with `Accept: application/fhir+json`",
            ),
            Self::Unauthenticated(fault) => unauthenticated(*fault),
            Self::Denied(denial) => denied(&denial.reason),
            Self::Page(PageFault::Foreign) => words(
                StatusCode::FORBIDDEN,
                IssueCode::Forbidden,
                "this page link does not hold for this caller now; repeat the search that it came from",
            ),
            Self::Page(PageFault::Expired) => words(
                StatusCode::GONE,
                IssueCode::Expired,
                "this page link has expired; repeat the search that it came from",
            ),
            Self::Narrow(fault @ NarrowFault::TooManyPatients { .. }) => {
                words(StatusCode::BAD_REQUEST, IssueCode::TooCostly, fault.to_string())
            }
            Self::Narrow(fault @ NarrowFault::QueryTooLong { .. }) => {
                words(StatusCode::URI_TOO_LONG, IssueCode::TooLong, fault.to_string())
            }
            Self::Narrow(NarrowFault::NotOneCall) => {
                words(StatusCode::NOT_IMPLEMENTED, IssueCode::NotSupported, "this interaction is not offered here")
            }
            Self::NotFound => words(
                StatusCode::NOT_FOUND,
                IssueCode::NotFound,
                "there is no such resource, or none that this access may see",
            ),
            Self::Rejected { status } => rejected(*status),
            Self::Upstream(fault) => upstream(fault),
            Self::Unfilterable { .. } => words(
                StatusCode::BAD_GATEWAY,
                IssueCode::Transient,
                "the system behind the bridge answered with something that cannot be checked; nothing of it is passed on",
            ),
            Self::KickOff { what } => words(StatusCode::BAD_REQUEST, IssueCode::Invalid, *what),
            Self::TooManyEntries { entries_max } => words(
                StatusCode::PAYLOAD_TOO_LARGE,
                IssueCode::TooCostly,
                format!("a batch or transaction may hold {entries_max} entries"),
            ),
            Self::TooLargeForEntry => words(
                StatusCode::PAYLOAD_TOO_LARGE,
                IssueCode::TooCostly,
                "the answer is too large for an entry of a batch; ask for it by itself",
            ),
            Self::Overloaded => words(
                StatusCode::SERVICE_UNAVAILABLE,
                IssueCode::Throttled,
                "too many requests at once; try again shortly",
            ),
            Self::StoreUnavailable => words(
                StatusCode::SERVICE_UNAVAILABLE,
                IssueCode::Transient,
                "the token cannot be looked up at the moment; try again shortly",
            ),
            Self::Unwritable(fault) => unwritable(fault),
            Self::AuditUnavailable => words(
                StatusCode::SERVICE_UNAVAILABLE,
                IssueCode::Transient,
                "the access cannot be recorded at the moment, and without a record nothing passes; try again shortly",
            ),
            Self::Fault { .. } => words(
                StatusCode::INTERNAL_SERVER_ERROR,
                IssueCode::Exception,
                "a fault of the bridge itself; nothing was passed on",
            ),
        }
    }

    const fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::Overloaded => Some(1),
            Self::AuditUnavailable | Self::StoreUnavailable => Some(5),
            Self::Upstream(UpstreamFault::Failed { retry_after_seconds, .. }) => *retry_after_seconds,
            _ => None,
        }
    }

    /// RFC 6750, section 3.
    fn challenge(&self, public_url: &str) -> Option<String> {
        match self {
            Self::Unauthenticated(Unauthenticated::Missing) => Some(format!("Bearer realm=\"{public_url}\"")),
            Self::Unauthenticated(fault) => {
                Some(format!("Bearer realm=\"{public_url}\", error=\"invalid_token\", error_description=\"{fault}\""))
            }
            Self::Denied(denial) => match &denial.reason {
                DenialReason::ScopeMissing { wanted } => Some(format!(
                    "Bearer realm=\"{public_url}\", error=\"insufficient_scope\", scope=\"{}\"",
                    wanted.replace(['"', '\\'], "")
                )),
                _ => None,
            },
            _ => None,
        }
    }
}

fn unauthenticated(fault: Unauthenticated) -> Words {
    let code = match fault {
        Unauthenticated::Expired => IssueCode::Expired,
        Unauthenticated::Missing
        | Unauthenticated::Unknown
        | Unauthenticated::Revoked
        | Unauthenticated::WrongAudience => IssueCode::Login,
    };
    words(StatusCode::UNAUTHORIZED, code, fault.to_string())
}

fn denied(reason: &DenialReason) -> Words {
    let no = |text: String| words(StatusCode::FORBIDDEN, IssueCode::Forbidden, text);
    match reason {
        DenialReason::ScopeMissing { wanted } => no(format!("the token lacks the scope `{wanted}`")),
        DenialReason::NotGranted { interaction, resource } => {
            no(format!("no role of this access grants `{interaction}` on `{resource}`"))
        }
        DenialReason::ParameterNotGranted { parameter } => {
            no(format!("the parameter `{parameter}` is not granted to this access, or not known"))
        }
        DenialReason::ElementNotGranted { element } => no(format!("no role of this access grants writing `{element}`")),
        DenialReason::OutsideCompartment => no("this access does not extend to that patient".to_owned()),
        DenialReason::NotSenderConstrained { exposure } => no(format!(
            "{exposure} APIs take only tokens that are bound to the caller: ask for one with DPoP (RFC 9449) or mutual TLS (RFC 8705)"
        )),
        DenialReason::Agreement { missing } => no(format!("not for this recipient: {missing}")),
        DenialReason::Consent => no("a consent or restriction on file does not permit this access".to_owned()),
        DenialReason::Purpose { asserted } => {
            no(format!("the purpose `{asserted}` is not one that this access is granted for"))
        }
        DenialReason::FactUnknown { fact } => words(
            StatusCode::SERVICE_UNAVAILABLE,
            IssueCode::Transient,
            format!("{fact} could not be looked up, and without it nothing passes; try again shortly"),
        ),
        DenialReason::ReasonAsked { .. } => {
            no("no relation between this user and the patient is known; say why at the page that this answer names, and repeat"
                .to_owned())
        }
        DenialReason::NotSupported { mend } => words(StatusCode::FORBIDDEN, IssueCode::NotSupported, mend.clone()),
    }
}

/// A denial's reason as a code.
pub(crate) const fn cause_of(reason: &DenialReason) -> &'static str {
    match reason {
        DenialReason::ScopeMissing { .. } => "scope-missing",
        DenialReason::NotGranted { .. } => "not-granted",
        DenialReason::ParameterNotGranted { .. } => "parameter-not-granted",
        DenialReason::ElementNotGranted { .. } => "element-not-granted",
        DenialReason::OutsideCompartment => "outside-compartment",
        DenialReason::NotSenderConstrained { .. } => "not-sender-constrained",
        DenialReason::Agreement { .. } => "agreement",
        DenialReason::Consent => "consent",
        DenialReason::Purpose { .. } => "purpose",
        DenialReason::FactUnknown { .. } => "fact-unknown",
        DenialReason::ReasonAsked { .. } => "reason-asked",
        DenialReason::NotSupported { .. } => "not-supported",
    }
}

fn unreadable(fault: &ParseError) -> Words {
    let (status, code) = match fault {
        ParseError::Method | ParseError::MethodForShape { .. } => {
            (StatusCode::METHOD_NOT_ALLOWED, IssueCode::NotSupported)
        }
        ParseError::PathTooLong => (StatusCode::URI_TOO_LONG, IssueCode::TooLong),
        ParseError::UnknownType { .. } | ParseError::Shape => (StatusCode::NOT_FOUND, IssueCode::NotSupported),
        ParseError::UnexpectedForm => (StatusCode::UNSUPPORTED_MEDIA_TYPE, IssueCode::NotSupported),
        ParseError::Bundle(_) => (StatusCode::BAD_REQUEST, IssueCode::Structure),
        ParseError::Segment(_)
        | ParseError::Id
        | ParseError::OperationName
        | ParseError::NoCompartment
        | ParseError::Query(_)
        | ParseError::IfNoneExist(_)
        | ParseError::IfNoneExistMisplaced
        | ParseError::Name { .. }
        | ParseError::Include(_)
        | ParseError::UnexpectedParameter { .. }
        | ParseError::NoCriteria
        | ParseError::NoParameters
        | ParseError::PageToken => (StatusCode::BAD_REQUEST, IssueCode::Invalid),
    };
    words(status, code, fault.to_string())
}

fn unwritable(fault: &Unwritable) -> Words {
    match fault {
        Unwritable::Mismatch => words(
            StatusCode::BAD_REQUEST,
            IssueCode::Invalid,
            "the body is not the resource that the path names: `resourceType` and `id` must be the same",
        ),
        Unwritable::Element(path) => words(
            StatusCode::FORBIDDEN,
            IssueCode::Forbidden,
            format!("no role of this access grants writing `{path}`; leave it out"),
        ),
        Unwritable::Value(path) => words(
            StatusCode::FORBIDDEN,
            IssueCode::Forbidden,
            format!("no role of this access grants this value of `{path}`"),
        ),
        Unwritable::Outside => {
            words(StatusCode::FORBIDDEN, IssueCode::Forbidden, "this access does not extend to that patient")
        }
        Unwritable::Subsetted => words(
            StatusCode::UNPROCESSABLE_ENTITY,
            IssueCode::Processing,
            "this copy is SUBSETTED: writing it back whole would erase what was withheld; send only the elements that change, with PATCH",
        ),
        Unwritable::Undisclosed(path) => words(
            StatusCode::FORBIDDEN,
            IssueCode::Forbidden,
            format!("no role of this access grants telling `{path}` to the organization behind this API; leave it out"),
        ),
        Unwritable::Several => words(
            StatusCode::PRECONDITION_FAILED,
            IssueCode::Processing,
            "several resources match; search first, then name one by its id",
        ),
        Unwritable::Unversioned => words(
            StatusCode::PRECONDITION_REQUIRED,
            IssueCode::Conflict,
            "say with `If-Match` which version is changed: the `ETag` of the read, or `meta.versionId` as W/\"…\"",
        ),
        Unwritable::PatchKind => words(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            IssueCode::NotSupported,
            "this bridge takes JSON Patch (`Content-Type: application/json-patch+json`) and FHIRPath Patch (`application/fhir+json`)",
        ),
        Unwritable::Changed => words(
            StatusCode::PRECONDITION_FAILED,
            IssueCode::Conflict,
            "the resource has changed meanwhile; read it again",
        ),
    }
}

fn rejected(status: StatusCode) -> Words {
    let (code, text) = match status {
        StatusCode::CONFLICT => (IssueCode::Conflict, "the change conflicts with another"),
        StatusCode::PRECONDITION_FAILED => {
            (IssueCode::Conflict, "the version named by `If-Match`, or the condition, does not hold any more")
        }
        StatusCode::PRECONDITION_REQUIRED => (IssueCode::Conflict, "say with `If-Match` which version is changed"),
        StatusCode::UNPROCESSABLE_ENTITY => (IssueCode::Processing, "the resource breaks a rule of the system behind"),
        StatusCode::METHOD_NOT_ALLOWED => (IssueCode::NotSupported, "the system behind does not offer this"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (IssueCode::NotSupported, "the system behind does not take this format"),
        _ => (IssueCode::Invalid, "the system behind cannot read this request"),
    };
    words(status, code, text)
}

const fn no_identity(fault: &IdentityFault) -> &'static str {
    match fault {
        IdentityFault::NotRelayable { .. } => "token-not-relayable",
        IdentityFault::NoUser => "no-user-for-upstream",
        IdentityFault::NotLaunched => "not-launched",
        IdentityFault::NoToken { .. } | IdentityFault::Unusable(_) => "no-upstream-token",
    }
}

fn upstream(fault: &UpstreamFault) -> Words {
    let name = "the system behind the bridge";
    match fault {
        UpstreamFault::TimedOut { .. } => {
            words(StatusCode::GATEWAY_TIMEOUT, IssueCode::Timeout, format!("{name} did not answer in time"))
        }
        UpstreamFault::Unreachable(_) => {
            words(StatusCode::BAD_GATEWAY, IssueCode::Transient, format!("{name} cannot be reached"))
        }
        UpstreamFault::NotHttp(_) | UpstreamFault::NotJson { .. } | UpstreamFault::Undecodable => words(
            StatusCode::BAD_GATEWAY,
            IssueCode::Transient,
            format!("{name} answered with something that is not FHIR JSON; nothing of it is passed on"),
        ),
        UpstreamFault::BrokenOff(_) => words(
            StatusCode::BAD_GATEWAY,
            IssueCode::Transient,
            format!("{name} broke off its answer; nothing of it is passed on"),
        ),
        UpstreamFault::RefusesUs { .. } => words(
            StatusCode::BAD_GATEWAY,
            IssueCode::Exception,
            format!("{name} does not accept the bridge; its operator has been told"),
        ),
        UpstreamFault::NoIdentity(IdentityFault::NotRelayable { .. }) => words(
            StatusCode::FORBIDDEN,
            IssueCode::Forbidden,
            format!("{name} takes only tokens of its own issuer; ask with one of those"),
        ),
        UpstreamFault::NoIdentity(IdentityFault::NoUser) => words(
            StatusCode::FORBIDDEN,
            IssueCode::Forbidden,
            format!("{name} answers users only; no user stands behind this access"),
        ),
        UpstreamFault::NoIdentity(IdentityFault::NotLaunched) => words(
            StatusCode::FORBIDDEN,
            IssueCode::Forbidden,
            "the access that the EHR gave at the launch has ended; launch the app again",
        ),
        UpstreamFault::NoIdentity(IdentityFault::NoToken { .. } | IdentityFault::Unusable(_)) => words(
            StatusCode::BAD_GATEWAY,
            IssueCode::Transient,
            format!("the bridge has no access to {name} at the moment; its operator has been told"),
        ),
        UpstreamFault::Failed { status: 429 | 503, .. } => {
            words(StatusCode::SERVICE_UNAVAILABLE, IssueCode::Throttled, format!("{name} is busy; try again shortly"))
        }
        UpstreamFault::Failed { .. } => {
            words(StatusCode::BAD_GATEWAY, IssueCode::Transient, format!("{name} failed; nothing is passed on"))
        }
    }
}

/// The other voice: what the log of the house says. Ids and kinds, never values.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upstream(fault) => write!(f, "upstream {fault}"),
            Self::Unfilterable { what } => write!(f, "unfilterable: {what}"),
            Self::Fault { at } => write!(f, "fault at {at}"),
            Self::Denied(denial) => write!(f, "denied by {}", denial.rule),
            other => f.write_str(&other.words().text),
        }
    }
}

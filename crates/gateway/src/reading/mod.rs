//! Reading the log over HTTP, below `/audit`: RESTful ATNA for who may read it (`AuditEvent`), who has looked at my record for a
//! patient (`looked`), proofs for whoever holds a receipt (`receipt`), and the tiles under their C2SP paths (`log/…`), if the
//! house shows them.
//!
//! Whoever reads entries is asked for like anybody else: token, policy, filter; and the reading is itself recorded before the
//! answer leaves. Proofs and tiles tell no person apart and need no token.

mod atna;
mod look_up;
mod looked;
mod moment;
mod published;
mod visible;

use std::path::PathBuf;

use bascule_fhir::Timestamp;
use bascule_policy::{Api, ApiKind, Exposure, Mode};
use bascule_wire::Body;
use http::Method;
use http::request::Parts;

use crate::gateway::Gateway;
use crate::head::Head;
use crate::record::Visit;
use crate::refuse::Refusal;
use crate::walk;

/// The name of this API: in tokens, grants and entries.
pub const AUDIT_API: &str = "audit";
/// Where it lies below the public URL.
pub const AUDIT_PATH: &str = "/audit";

/// How the log may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadingSettings {
    /// Whether checkpoints and tiles are shown to everybody, without a token. Their entries bear no identifier of a person in
    /// clear; their number tells how busy the house is.
    pub publish: bool,
    /// Whether a patient sees who of the staff has looked by name; else by role.
    pub staff_by_name: bool,
}

/// The record of this API: what is read here is the house's own.
pub(crate) fn api() -> Api {
    Api {
        name: AUDIT_API.to_owned(),
        kind: ApiKind::Fhir,
        service: AUDIT_API.to_owned(),
        exposure: Exposure::External,
        mode: Mode::Enforce,
    }
}

/// Answers a request below `/audit`.
pub(crate) async fn answer(gateway: &Gateway, parts: Parts, now: Timestamp) -> http::Response<Body> {
    let request_id = uuid::Uuid::new_v4().to_string();
    let head = Head::new(parts, request_id.clone(), now, gateway.limits().user_agent_bytes_max);
    let rest = head.path.strip_prefix(AUDIT_PATH).unwrap_or_default().to_owned();
    let asked = if head.query.is_empty() { rest.clone() } else { format!("{rest}?{}", head.query) };
    let is_read = matches!(head.method, Method::GET | Method::HEAD);
    if is_read && let Some(shown) = published::answer(gateway, &rest, &head.query).await {
        return shown;
    }
    let said = format!("{} {asked}", head.method);
    let mut visit = Visit::new(head, AUDIT_API.to_owned(), said);
    let read = if !is_read {
        Err(Refusal::NoSuchApi)
    } else if rest == "/looked" {
        looked::serve(gateway, &mut visit, now).await
    } else if rest.starts_with("/AuditEvent") {
        atna::serve(gateway, &rest, &mut visit, now).await
    } else {
        Err(Refusal::NoSuchApi)
    };
    match read {
        Ok(response) => response.into_http(&request_id),
        Err(refusal) => {
            walk::refused(gateway, &mut visit, refusal, now).await.answer(&request_id, gateway.public_url())
        }
    }
}

/// The index of the log, beside the keys: made from the log, and made again when it is lost.
pub(crate) fn index_file(gateway: &Gateway) -> PathBuf {
    gateway.log().settings().keys_folder.with_file_name("audit-index.db")
}

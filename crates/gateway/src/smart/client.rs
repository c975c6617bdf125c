//! Who the client is: its proof, checked against its registration.

use bascule_crypto::certificate::Certificate;
use bascule_fhir::Timestamp;
use bascule_smart::client_auth::{self, Presented, Proof, verify_assertion};
use bascule_smart::{AuthMethod, Binding, OauthError, Parameters, Refusal, dpop, tls_auth, udap};
use bascule_store::client::{Client, SecretCheck};
use bascule_store::replay::Use;
use bascule_store::user::Status;
use http::HeaderMap;

use super::keys;
use super::respond::Failure;
use super::state::{Caller, SmartState, header};

/// A client of that id that may act, with an organization that may act.
pub(crate) fn active(state: &SmartState, id: &str) -> Result<Option<Client>, Failure> {
    let Some(client) = state.store().client(id)? else { return Ok(None) };
    let owner = match &client.organization {
        None => Status::Active,
        Some(owner) => state.store().organization(owner)?.map_or(Status::Disabled, |(_, status)| status),
    };
    Ok(Some(client).filter(|client| client.status == Status::Active && owner == Status::Active))
}

/// The client of a request to an endpoint for programs, proved. `otherwise` names it when the request does not (a
/// public client that refreshes without `client_id`).
pub(crate) async fn authenticate(
    state: &SmartState,
    headers: &HeaderMap,
    parameters: &Parameters,
    caller: &Caller,
    otherwise: Option<String>,
) -> Result<Client, Failure> {
    let authorization = match headers.get_all("authorization").iter().count() {
        0 => None,
        1 => Some(header(headers, "authorization").ok_or_else(|| Refusal::client("unreadable `Authorization` header"))),
        _ => Some(Err(Refusal::request("more than one `Authorization` header"))),
    };
    let attempt = match authorization.transpose() {
        Ok(authorization) => client_auth::read(authorization, parameters),
        Err(refusal) => Err(refusal),
    };
    let named = attempt.as_ref().ok().and_then(|presented| presented.client.clone());
    let proved = match attempt {
        Ok(presented) => prove(state, presented, otherwise, parameters, caller).await,
        Err(refusal) => Err(refusal.into()),
    };
    match proved {
        Err(Failure::Refused(refusal)) => {
            state.throttles().client_failure(&caller.address)?;
            Err(state.refuse(named, refusal, caller).await)
        }
        other => other,
    }
}

async fn prove(
    state: &SmartState,
    presented: Presented,
    otherwise: Option<String>,
    form: &Parameters,
    caller: &Caller,
) -> Result<Client, Failure> {
    let id = presented.client.or(otherwise).ok_or_else(|| Refusal::client("`client_id` is missing"))?;
    state.throttles().client(&id, &caller.address)?;
    let unknown = || Refusal::client("the client is not known, or its proof is wrong");
    let client = active(state, &id)?.ok_or_else(unknown)?;
    let now = state.now();
    match (client.metadata.auth_method, presented.proof) {
        (AuthMethod::None, Proof::None) => Ok(client),
        (AuthMethod::SecretBasic | AuthMethod::SecretPost, Proof::Secret(secret)) => {
            match state.store().check_client_secret(&id, &secret, now)? {
                SecretCheck::Right => Ok(client),
                SecretCheck::Wrong => Err(unknown().into()),
            }
        }
        (AuthMethod::PrivateKeyJwt, Proof::Assertion(assertion)) if client.metadata.udap.is_some() => {
            by_udap(state, client, &assertion, form)
        }
        (AuthMethod::PrivateKeyJwt, Proof::Assertion(assertion)) => {
            let keys = keys::of_client(state, &client.metadata, &assertion).await?;
            let verified = verify_assertion(&assertion, &id, &client.metadata, &keys, state.server(), now)?;
            match state.store().use_once(&id, &verified.jti, verified.remember_until, now)? {
                Use::First => Ok(client),
                Use::Replayed => Err(Refusal::client("client assertion: its `jti` was used before").into()),
            }
        }
        (AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth, Proof::None) => {
            by_certificate(state, &client, caller).await?;
            Ok(client)
        }
        (method, _) => Err(Refusal::client(format!("this client is registered for `{}`", method.name())).into()),
    }
}

/// UDAP: an assertion with the certificate chain that made it. The purpose that a backend states with it is that of what it asks
/// for now.
fn by_udap(state: &SmartState, mut client: Client, assertion: &str, form: &Parameters) -> Result<Client, Failure> {
    let unknown = || Refusal::client("this client belongs to a community that this server is no member of");
    let settings = state.udap().ok_or_else(unknown)?;
    if form.value("udap") != Some(udap::VERSION) {
        return Err(Refusal::request("`udap` must be 1").into());
    }
    let uri = client.metadata.udap.clone().unwrap_or_default();
    let (anchors, now) = (&settings.community.anchors, state.now());
    let (verified, behalf) = udap::verify_assertion(assertion, &client.id, &uri, anchors, state.server(), now)?;
    if state.store().use_once(&client.id, &verified.jti, verified.remember_until, now)? == Use::Replayed {
        return Err(Refusal::client("client assertion: its `jti` was used before").into());
    }
    if form.value("grant_type") == Some("client_credentials") {
        let behalf = behalf.ok_or_else(|| Refusal::grant("the extension `hl7-b2b` is missing"))?;
        client.metadata.purpose = behalf.purpose;
    }
    Ok(client)
}

/// Mutual TLS: the certificate of the connection against the registration.
async fn by_certificate(state: &SmartState, client: &Client, caller: &Caller) -> Result<(), Failure> {
    let missing = || Refusal::client("this client proves itself by its certificate: present it");
    let der = caller.certificate_der.as_deref().ok_or_else(missing)?;
    let certificate = Certificate::read(der).map_err(|error| Refusal::client(error.to_string()))?;
    tls_auth::verify(&client.metadata, &certificate, caller.certificate_verified)?;
    if certificate.not_after <= state.now().seconds() {
        return Err(Refusal::client("client certificate: it has expired").into());
    }
    if client.metadata.auth_method == AuthMethod::SelfSignedTlsClientAuth {
        let keys = keys::of_client(state, &client.metadata, "").await?;
        tls_auth::verify_registered(&keys, der, &certificate)?;
    }
    Ok(())
}

/// To what the tokens of this request are to be bound: the key of a DPoP proof, or the certificate of the connection
/// if the client is registered for that.
pub(crate) fn binding(
    state: &SmartState,
    client: &Client,
    headers: &HeaderMap,
    endpoint: &str,
    caller: &Caller,
    now: Timestamp,
) -> Result<Option<Binding>, Failure> {
    let invalid = |said: String| Failure::from(Refusal::new(OauthError::InvalidDpopProof, said));
    let proofs = headers.get_all("dpop").iter().count();
    if proofs > 0 {
        let proof = header(headers, "dpop").ok_or_else(|| invalid("one `DPoP` header is needed".into()))?;
        let address = state.server().endpoint(endpoint);
        let verified = dpop::verify(proof, "POST", &address, None, now).map_err(|error| invalid(error.to_string()))?;
        let issuer = format!("dpop:{}", verified.key);
        return match state.store().use_once(&issuer, &verified.jti, verified.remember_until, now)? {
            Use::First => Ok(Some(Binding::DpopKey(verified.key))),
            Use::Replayed => Err(invalid("DPoP proof: its `jti` was used before".into())),
        };
    }
    if client.metadata.dpop_bound {
        return Err(invalid("this client's tokens are bound to a key: a `DPoP` header is needed".into()));
    }
    match (client.metadata.certificate_bound, caller.certificate) {
        (false, _) => Ok(None),
        (true, Some(certificate)) => Ok(Some(Binding::Certificate(certificate))),
        (true, None) => Err(Refusal::request("this client's tokens are bound to its certificate: present it").into()),
    }
}

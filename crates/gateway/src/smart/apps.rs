//! A person sees which apps have access and ends it; signing out.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use bascule_smart::consent::choices;
use bascule_smart::{Parameters, SmartEvent};
use bascule_store::grant::GrantRecord;
use http::StatusCode;
use http::request::Parts;
use maud::{Markup, html};

use super::browser::{Browser, Sent, forget_session};
use super::login;
use super::pages::{PageFailure, app_name, page as whole_page, see_other};
use super::state::SmartState;

/// `GET /oauth/apps`
pub(crate) async fn page(State(state): State<SmartState>, parts: Parts) -> Result<Response, PageFailure> {
    let browser = Browser::of(&state, &parts.headers)?;
    let Some(session) = browser.session() else { return login::page_of(&state, &parts, &login::Then::Apps) };
    let user = state.store().user(&session.user)?.ok_or_else(PageFailure::stale)?;
    let mut by_client: BTreeMap<String, Vec<GrantRecord>> = BTreeMap::new();
    for grant in state.store().grants_of_user(&user.id)? {
        by_client.entry(grant.grant.client.clone()).or_default().push(grant);
    }
    let apps = by_client
        .iter()
        .map(|(client, grants)| entry(&state, &browser, client, grants))
        .collect::<Result<Vec<_>, _>>()?;
    let body = html! {
        h1 { "Apps with access" }
        p.lead { "You are signed in as " span.who { (user.name) } "." }
        @if apps.is_empty() { p.note { "No app has access through your account." } }
        @for app in &apps { (app) }
        form method="post" action="/oauth/logout" {
            input type="hidden" name="form" value=(browser.form_token());
            div.buttons { button.quiet type="submit" { "Sign out" } }
        }
    };
    Ok(whole_page(StatusCode::OK, "Apps with access", &body, &[]))
}

fn entry(state: &SmartState, browser: &Browser, client: &str, grants: &[GrantRecord]) -> Result<Markup, PageFailure> {
    let known = state.store().client(client)?;
    let name = known.map_or_else(|| client.to_owned(), |known| app_name(&known.metadata.client_name, client));
    let mut lines: Vec<String> = grants
        .iter()
        .flat_map(|grant| choices(&grant.grant.scopes))
        .filter(|choice| choice.optional)
        .map(|choice| choice.title)
        .collect();
    lines.dedup();
    let since = grants.iter().map(|grant| grant.created).min();
    let used = grants.iter().map(|grant| grant.used).max();
    let day = |at: bascule_fhir::Timestamp| at.to_instant().split('T').next().unwrap_or_default().to_owned();
    Ok(html! {
        dl.app {
            dt { (name) }
            dd { ul.given { @for line in &lines { li { (line) } } } }
            dd.small {
                @if let Some(since) = since { "Since " time { (day(since)) } }
                @if let Some(used) = used { ", last used " time { (day(used)) } }
            }
            dd {
                form method="post" action="/oauth/apps/end" {
                    input type="hidden" name="form" value=(browser.form_token());
                    input type="hidden" name="client" value=(client);
                    div.buttons { button.quiet type="submit" { "End access of " (name) } }
                }
            }
        }
    })
}

/// `POST /oauth/apps/end`
pub(crate) async fn end(State(state): State<SmartState>, parts: Parts, body: Bytes) -> Result<Response, PageFailure> {
    let Sent { caller, parameters, browser } = Sent::open(&state, &parts, &body)?;
    let session = browser.session().ok_or_else(PageFailure::stale)?;
    let client = parameters.value("client").ok_or_else(PageFailure::stale)?;
    let now = state.now();
    let grants = state.store().grants_of_user(&session.user)?;
    for grant in grants.into_iter().filter(|grant| grant.grant.client == client) {
        state.store().end_grant(&grant.id, "ended by the person", now)?;
        let event = SmartEvent::Revoked {
            by: session.user.clone(),
            client: grant.grant.client,
            user: grant.grant.user,
            grant: grant.id,
        };
        state.record(event, &caller).await?;
    }
    state.store().end_consents(&session.user, client, now)?;
    Ok(see_other("/oauth/apps"))
}

/// `GET /oauth/logout`: asks, since a link alone must not sign anybody out.
pub(crate) async fn logout_page(
    State(state): State<SmartState>,
    RawQuery(query): RawQuery,
    parts: Parts,
) -> Result<Response, PageFailure> {
    let browser = Browser::of(&state, &parts.headers)?;
    let query = query.unwrap_or_default();
    let parameters = Parameters::of(form_urlencoded::parse(query.as_bytes()).into_owned());
    let back = back(&state, &parameters)?;
    let body = html! {
        h1 { "Sign out?" }
        p.lead { "Apps that you let in for longer keep their access; you can end it under "
            a href="/oauth/apps" { "your apps" } "." }
        form method="post" action="/oauth/logout" {
            input type="hidden" name="form" value=(browser.form_token());
            @for name in ["client_id", "post_logout_redirect_uri", "state"] {
                @if let Some(value) = parameters.value(name) { input type="hidden" name=(name) value=(value); }
            }
            div.buttons { button type="submit" { "Sign out" } }
        }
    };
    let mut response = whole_page(StatusCode::OK, "Sign out?", &body, &[back.as_deref().unwrap_or_default()]);
    browser.keep(&mut response);
    Ok(response)
}

/// `POST /oauth/logout`
pub(crate) async fn logout(
    State(state): State<SmartState>,
    parts: Parts,
    body: Bytes,
) -> Result<Response, PageFailure> {
    let Sent { caller, parameters, browser } = Sent::open(&state, &parts, &body)?;
    if let Some(session) = browser.session() {
        state.store().end_session(&session.id, state.now())?;
        let event = SmartEvent::SignedOut { user: session.user.clone(), session: session.id.clone() };
        state.record(event, &caller).await?;
    }
    let mut response = match back(&state, &parameters)? {
        Some(address) => see_other(&address),
        None => {
            let body = html! { h1 { "You are signed out" } p.lead { "You can close this page." } };
            whole_page(StatusCode::OK, "You are signed out", &body, &[])
        }
    };
    forget_session(&mut response);
    Ok(response)
}

/// Where an app wants the browser after logout: only to an address that it registered.
fn back(state: &SmartState, parameters: &Parameters) -> Result<Option<String>, PageFailure> {
    let (Some(client), Some(uri)) = (parameters.value("client_id"), parameters.value("post_logout_redirect_uri"))
    else {
        return Ok(None);
    };
    let client = super::client::active(state, client)?;
    let known = client.is_some_and(|client| client.metadata.post_logout_redirect_uris.iter().any(|own| own == uri));
    if !known {
        return Ok(None);
    }
    let state_value = parameters.value("state").map(|state| ("state", state));
    Ok(bascule_smart::authorize::redirect(uri, &state_value.into_iter().collect::<Vec<_>>()))
}

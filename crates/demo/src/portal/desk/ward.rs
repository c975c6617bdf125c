//! The clinicians' chart beside the portal: a list of patients, and a button that launches the portal about one of them. The
//! bridge makes the launch (`POST /oauth/launch`), as for the chart of any vendor.

use std::time::Instant;

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use maud::Markup;
use serde::Deserialize;

use super::super::House;
use super::super::pages;
use super::super::record;
use super::super::session::Session;
use super::super::sign_in::{Returned, revoke};
use super::super::trouble::Trouble;
use super::door::{go, is_own_form};
use super::{Shared, cookies};

/// Patients on the page at most.
const PATIENTS: &str = "50";

/// The list, or the way in.
pub(super) async fn patients(State(house): Shared, headers: HeaderMap) -> Response {
    let Some(session) = session(&house, &headers) else {
        return house.show(StatusCode::OK, &pages::ward_welcome(house.frame()));
    };
    let page = list(&house, &session).await;
    let mut response = match page {
        Err(Trouble::SessionOver) => house.show(StatusCode::OK, &pages::ward_welcome(house.frame())),
        page => house.answer(page),
    };
    // The form's answer leads to the app and on to the bridge, which is another origin.
    super::let_forms_lead_to(&mut response, house.bridge.base());
    response
}

async fn list(house: &House, session: &Session) -> Result<Markup, Trouble> {
    let found = house.bridge.search_first(&session.token, "Patient", &[("_count", PATIENTS)]).await?;
    let rows: Vec<_> = found
        .resources
        .iter()
        .filter_map(|body| Some((body.get("id")?.as_str()?.to_owned(), record::patient(body))))
        .collect();
    Ok(pages::ward(house.frame(), &rows))
}

fn session(house: &House, headers: &HeaderMap) -> Option<Session> {
    cookies::chart_key(headers).and_then(|key| house.chart.sessions.find(key, Instant::now()))
}

/// Sends the browser to the bridge.
pub(super) async fn sign_in(State(house): Shared) -> Response {
    match house.chart.sign_ins.begin(&house.chart.settings, &house.bridge, None, Instant::now()).await {
        Ok((url, state)) => {
            let mut response = go(&house, &url);
            cookies::remember_chart_sign_in(response.headers_mut(), &state);
            response
        }
        Err(trouble) => house.trouble(&trouble),
    }
}

/// The browser comes back from the bridge.
pub(super) async fn signed_in(State(house): Shared, Query(returned): Query<Returned>, headers: HeaderMap) -> Response {
    let state = cookies::chart_state(&headers);
    let chart = &house.chart;
    match chart.sign_ins.finish(&chart.settings, &house.bridge, returned, state, Instant::now()).await {
        Ok(session) => {
            leave(&house, &headers).await;
            let mut response = go(&house, "/chart");
            cookies::remember_chart(response.headers_mut(), &chart.sessions.begin(session, Instant::now()));
            response
        }
        Err(trouble) => house.trouble(&trouble),
    }
}

/// Whose record is to be opened.
#[derive(Debug, Deserialize)]
pub(super) struct Chosen {
    patient: String,
}

/// Launches the portal about a patient.
pub(super) async fn launch(State(house): Shared, headers: HeaderMap, Form(chosen): Form<Chosen>) -> Response {
    if !is_own_form(&headers, &house.settings.public_url) {
        return house.trouble(&Trouble::ForeignForm);
    }
    let Some(session) = session(&house, &headers) else { return house.trouble(&Trouble::SessionOver) };
    match house.bridge.launch(&session.token, &house.settings.client_id, &chosen.patient).await {
        Ok(address) => go(&house, &address),
        Err(trouble) => house.trouble(&trouble),
    }
}

/// Ends the session.
pub(super) async fn sign_out(State(house): Shared, headers: HeaderMap) -> Response {
    if !is_own_form(&headers, &house.settings.public_url) {
        return house.trouble(&Trouble::ForeignForm);
    }
    leave(&house, &headers).await;
    let mut response = go(&house, "/chart");
    cookies::forget_chart(response.headers_mut());
    response
}

async fn leave(house: &House, headers: &HeaderMap) {
    let Some(session) = cookies::chart_key(headers).and_then(|key| house.chart.sessions.end(key)) else { return };
    if let Err(trouble) = revoke(&house.chart.settings, &house.bridge, &session).await {
        tracing::warn!(why = trouble.cause(), "a token could not be revoked");
    }
}

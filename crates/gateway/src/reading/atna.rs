//! RESTful ATNA (IHE ITI-81): `GET /audit/AuditEvent?…`, for who has a grant on it. One event per patient and entry, filtered like
//! every answer; the reading is recorded before it leaves.

use bascule_audit::event::audit_events;
use bascule_audit::{Entry, Opened, Outcome};
use bascule_crypto::hex;
use bascule_fhir::interaction::Request;
use bascule_fhir::{Interaction, Query, Timestamp, Within};
use bascule_minimum::{Reply, Rewrite, Shape, release};
use bascule_policy::{Asked, Permit};
use bascule_smart::authenticate;
use bascule_store::log::index::{Place, Search};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{AUDIT_API, AUDIT_PATH, api, look_up, moment};
use crate::answer::Response;
use crate::facts::{Question, gather};
use crate::gateway::Gateway;
use crate::headers;
use crate::keep;
use crate::record::Visit;
use crate::refuse::Refusal;

/// Entries of a page, if nothing is asked.
const PAGE_ENTRIES: usize = 100;
/// Entries of a page at most.
const PAGE_ENTRIES_MAX: usize = 1_000;
/// The parameter of our own page links: everything after this place.
const AFTER: &str = "_after";

/// Answers `/AuditEvent` and `/AuditEvent/{id}`.
pub(super) async fn serve(
    gateway: &Gateway,
    rest: &str,
    visit: &mut Visit,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let (query, after) = split_after(&visit.head.query);
    let interaction = {
        let request =
            Request { method: "GET", path: rest, query: (!query.is_empty()).then_some(&query), ..Request::default() };
        Interaction::parse(&request)
    };
    visit.asked = interaction.as_ref().ok().map(|interaction| asked(interaction.clone()));
    let credentials = gateway.credentials(None, &visit.head, now).await?;
    let principal = authenticate(credentials, AUDIT_API, now).map_err(Refusal::Unauthenticated)?;
    visit.principal = Some(principal.clone());
    if !headers::takes_json(&visit.head.headers) {
        return Err(Refusal::NotAcceptable);
    }
    let asked = asked(interaction.map_err(Refusal::Unreadable)?);
    let policy = gateway.policy();
    let question = Question::new(AUDIT_API, &principal, policy.settings(), now);
    let facts = gather(&gateway.shelf(), &policy.needs(&principal, &asked), &question);
    visit.recipient = crate::facts::recipient(&facts);
    let permit = policy.decide(principal, asked, &facts, &api(), now).map_err(Refusal::Denied)?;
    visit.permit = Some(permit.clone());
    match &permit.asked().interaction {
        Interaction::Read { id, .. } => one(gateway, visit, &permit, id.as_str(), now).await,
        Interaction::Search { within: Within::Type(_), query } => {
            let page = Page::of(query, after.as_deref())?;
            search(gateway, visit, &permit, page, query, now).await
        }
        _ => Err(Refusal::NotFound),
    }
}

fn asked(interaction: Interaction) -> Asked {
    Asked { api: AUDIT_API.to_owned(), interaction }
}

/// The query without our own page parameter, and that.
fn split_after(query: &str) -> (String, Option<String>) {
    let (own, rest): (Vec<&str>, Vec<&str>) = query.split('&').partition(|pair| pair.split('=').next() == Some(AFTER));
    let after = own.first().and_then(|pair| pair.split_once('=')).map(|(_, value)| value.to_owned());
    (rest.join("&"), after)
}

/// What is asked for, in the log's terms.
struct Page {
    /// Everything but patient and agent, which may be found in several ways.
    search: Search,
    patients: Vec<String>,
    agents: Vec<String>,
    /// Held against the rendered event: pointer and values.
    rendered: Vec<(&'static str, Vec<String>)>,
    limit: usize,
}

impl Page {
    fn of(query: &Query, after: Option<&str>) -> Result<Self, Refusal> {
        let mut page = Self {
            search: Search::default(),
            patients: Vec::new(),
            agents: Vec::new(),
            rendered: Vec::new(),
            limit: PAGE_ENTRIES,
        };
        for parameter in &query.parameters {
            page.take(&parameter.name, &parameter.value)?;
        }
        if let Some(after) = after {
            page.search.after = Some(place(after).ok_or_else(|| unread(AFTER))?);
        }
        // One more tells whether there is a next page.
        page.search.limit = page.limit as u64 + 1;
        Ok(page)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        let coded = |value: &str| value.rsplit('|').next().unwrap_or_default().to_owned();
        match name {
            "date" => {
                let (from, until) = moment::span(value).ok_or_else(|| unread("date"))?;
                let search = &mut self.search;
                search.from = search.from.max(from);
                search.until = match (search.until, until) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                };
            }
            "patient" => self.patients.push(value.rsplit('/').next().unwrap_or_default().to_owned()),
            "agent" => self.agents.push(value.to_owned()),
            "outcome" => {
                let known = [Outcome::Success, Outcome::Minor, Outcome::Serious, Outcome::Major];
                let found = known.into_iter().find(|outcome| outcome.code().to_string() == coded(value));
                self.search.outcome = Some(found.ok_or_else(|| unread("outcome"))?);
            }
            "type" => self.rendered.push(("/type/code", value.split(',').map(coded).collect())),
            "subtype" => self.rendered.push(("/subtype/0/code", value.split(',').map(coded).collect())),
            "action" => self.rendered.push(("/action", value.split(',').map(coded).collect())),
            "_count" => {
                self.limit = value.parse().map_or(PAGE_ENTRIES, |count: usize| count.clamp(1, PAGE_ENTRIES_MAX))
            }
            "_sort" if value == "-date" => {}
            "_format" | "_pretty" | "_id" => {
                if name == "_id" {
                    self.search.id = Some(value.split('-').next().unwrap_or_default().to_owned());
                }
            }
            _ => return Err(unread(name)),
        }
        Ok(())
    }

    /// One search for each way in which patients and agents may be found.
    fn searches(&self, apis: &[String]) -> Vec<Search> {
        let patients: Vec<Option<(String, String)>> = if self.patients.is_empty() {
            vec![None]
        } else {
            let pairs = apis.iter().flat_map(|api| self.patients.iter().map(move |id| (api, id)));
            pairs.map(|(api, id)| Some((api.clone(), format!("Patient/{id}")))).collect()
        };
        let mut searches = Vec::new();
        for patient in patients {
            let search = Search { patient, ..self.search.clone() };
            if self.agents.is_empty() {
                searches.push(search);
                continue;
            }
            for agent in &self.agents {
                searches.push(Search { user: Some(agent.clone()), ..search.clone() });
                searches.push(Search { client: Some(agent.clone()), ..search.clone() });
            }
        }
        searches
    }

    /// The events of an entry that are asked for: of a search by patient, that patient's only.
    fn events(&self, entry: &Opened, server: &str) -> Vec<Value> {
        let events = audit_events(entry, server).into_iter();
        let matches = |event: &Value| {
            let own = self.patients.is_empty() || self.patients.iter().any(|id| is_about(event, id));
            own && self.rendered.iter().all(|(pointer, wanted)| {
                let said = event.pointer(pointer).and_then(Value::as_str);
                said.is_some_and(|said| wanted.iter().any(|one| one == said))
            })
        };
        events.filter(matches).collect()
    }
}

fn is_about(event: &Value, id: &str) -> bool {
    let entities = event.get("entity").and_then(Value::as_array).into_iter().flatten();
    let reference = format!("Patient/{id}");
    let mut named = entities.filter_map(|entity| entity.pointer("/what/reference")?.as_str());
    named.any(|named| named == reference)
}

/// Reads `at.index.origin`.
fn place(text: &str) -> Option<Place> {
    let mut parts = text.splitn(3, '.');
    let (at, index) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let origin: String = url::form_urlencoded::parse(format!("o={}", parts.next()?).as_bytes()).next()?.1.into_owned();
    Some(Place { at, origin, index })
}

fn unread(parameter: &str) -> Refusal {
    Refusal::Unsearchable { parameter: parameter.chars().take(32).collect() }
}

async fn search(
    gateway: &Gateway,
    visit: &mut Visit,
    permit: &Permit,
    page: Page,
    query: &Query,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let mut hits = look_up::find(gateway, page.searches(&gateway.api_names()), page.limit + 1).await?;
    let more = hits.len() > page.limit;
    hits.truncate(page.limit);
    let base = format!("{}{AUDIT_PATH}", gateway.public_url());
    let asked = query.encode();
    let own = if asked.is_empty() { format!("{base}/AuditEvent") } else { format!("{base}/AuditEvent?{asked}") };
    let mut links = vec![json!({ "relation": "self", "url": own })];
    if let Some(last) = hits.last().filter(|_| more) {
        let Place { at, origin, index } = Place::of(last);
        let origin: String = url::form_urlencoded::byte_serialize(origin.as_bytes()).collect();
        let separator = if own.contains('?') { '&' } else { '?' };
        links.push(json!({ "relation": "next", "url": format!("{own}{separator}{AFTER}={at}.{index}.{origin}") }));
    }
    let events = hits.iter().flat_map(|entry| page.events(entry, gateway.public_url()));
    let entries = events.map(|event| {
        let id = event.get("id").and_then(Value::as_str).unwrap_or_default();
        json!({ "fullUrl": format!("{base}/AuditEvent/{id}"), "resource": event, "search": { "mode": "match" } })
    });
    let bundle = json!({
        "resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries.collect::<Vec<_>>(),
    });
    leave(gateway, visit, permit, &bundle, Shape::Bundle, now).await
}

async fn one(
    gateway: &Gateway,
    visit: &mut Visit,
    permit: &Permit,
    id: &str,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let (name, _) = id.split_once('-').ok_or(Refusal::NotFound)?;
    let search = Search { id: Some(name.to_owned()), limit: 1, ..Search::default() };
    let hits = look_up::find(gateway, vec![search], 1).await?;
    let events = hits.iter().flat_map(|entry| audit_events(entry, gateway.public_url()));
    let event = events.into_iter().find(|event| event.get("id").and_then(Value::as_str) == Some(id));
    leave(gateway, visit, permit, &event.ok_or(Refusal::NotFound)?, Shape::Resource, now).await
}

/// Filters, records, and lets go.
async fn leave(
    gateway: &Gateway,
    visit: &mut Visit,
    permit: &Permit,
    body: &Value,
    shape: Shape,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let base = format!("{}{AUDIT_PATH}", gateway.public_url());
    let link = |_: &str, url: &str| Some(url.to_owned());
    let rewrite = Rewrite::new(&base, &base, &link);
    let body = body.to_string();
    let reply = Reply { body: body.as_bytes(), shape };
    let released =
        release(gateway.masks(), permit, reply, &rewrite, gateway.filter_limits()).map_err(Refusal::withheld)?;
    visit.digests.released = Some(hex::encode(released.released_digest()));
    let entry = Entry::disclosure(visit.facts_with(200, &released), now);
    let receipt = keep::append(gateway, visit, entry, now).await?;
    Ok(Response::held(released, &receipt).with(StatusCode::OK, HeaderMap::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Result<Page, Refusal> {
        let (query, after) = split_after(query);
        Page::of(&Query::parse(&query).unwrap(), after.as_deref())
    }

    #[test]
    fn dates_narrow_each_other_and_a_patient_is_looked_for_in_every_api() {
        let page = page("date=ge2026-11-01&date=lt2026-12-01&date=ge2026-11-05&patient=Patient/1&outcome=4").unwrap();
        assert_eq!(page.search.from.unwrap().to_instant(), "2026-11-05T00:00:00.000Z");
        assert_eq!(page.search.until.unwrap().to_instant(), "2026-12-01T00:00:00.000Z");
        let searches = page.searches(&["ehr".to_owned(), "lab".to_owned()]);
        let patients: Vec<_> = searches.iter().map(|search| search.patient.clone().unwrap()).collect();
        assert_eq!(patients, [("ehr".into(), "Patient/1".into()), ("lab".into(), "Patient/1".into())]);
        assert!(searches.iter().all(|search| search.outcome == Some(Outcome::Minor)));
    }

    #[test]
    fn an_agent_is_a_user_or_a_client() {
        let searches = page("agent=amal").unwrap().searches(&["ehr".to_owned()]);
        assert_eq!((searches[0].user.as_deref(), searches[1].client.as_deref()), (Some("amal"), Some("amal")));
    }

    #[test]
    fn a_place_goes_round_and_what_cannot_be_searched_is_refused() {
        let after = page("date=2026&_after=5.7.gw%2Faudit%2Fn%2F2026q4").unwrap().search.after.unwrap();
        assert_eq!(after, Place { at: 5, origin: "gw/audit/n/2026q4".into(), index: 7 });
        for query in ["outcome=9", "date=soon", "site=x", "_after=1", "_sort=date"] {
            assert!(page(query).is_err(), "{query}");
        }
    }

    #[test]
    fn a_page_is_bounded() {
        assert_eq!(page("_count=5").unwrap().search.limit, 6);
        assert_eq!(page("_count=1000000").unwrap().limit, PAGE_ENTRIES_MAX);
    }
}

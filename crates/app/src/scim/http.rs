//! The endpoints, and what they do to the records: each change is in the log before it is answered.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bascule_audit::SystemEvent;
use bascule_fhir::Timestamp;
use bascule_gateway::smart::{SmartState, permitted};
use bascule_policy::administer::{Administered, MayAdminister};
use bascule_store::Store;
use bascule_store::directory::{DirectoryUser, Group};
use bascule_store::user::{NewUser, Status};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::error::ScimError;
use super::filter::Filter;
use super::schema::{LIST, PAGE_MAX};
use super::{BASE, RolesOfGroups, group, patch, schema, user};
use crate::admin::records::Records;
use crate::clock;

/// Bytes of a request: a group of many members is the longest.
const BODY_BYTES_MAX: usize = 4 << 20;

#[derive(Clone)]
struct Scim(Arc<Inner>);

struct Inner {
    smart: SmartState,
    records: Arc<Records>,
    roles: RolesOfGroups,
    base: String,
}

/// The endpoints below [`BASE`].
pub(crate) fn router(smart: SmartState, records: Arc<Records>, roles: RolesOfGroups) -> Router {
    let base = format!("{}{BASE}", smart.server().issuer);
    let scim = Scim(Arc::new(Inner { smart, records, roles, base }));
    let at = |path: &str| format!("{BASE}{path}");
    let each = |path: &str| format!("{BASE}{path}/{{id}}");
    Router::new()
        .route(&at("/ServiceProviderConfig"), get(service_provider))
        .route(&at("/ResourceTypes"), get(resource_types))
        .route(&each("/ResourceTypes"), get(resource_type))
        .route(&at("/Schemas"), get(schemas))
        .route(&each("/Schemas"), get(one_schema))
        .route(&at("/Users"), get(users).post(add_user))
        .route(&each("/Users"), get(one_user).put(put_user).patch(patch_user).delete(remove_user))
        .route(&at("/Groups"), get(groups).post(add_group))
        .route(&each("/Groups"), get(one_group).put(put_group).patch(patch_group).delete(remove_group))
        .fallback(|| async { ScimError::missing("endpoint") })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(scim)
}

/// A JSON answer that nobody keeps.
pub(super) fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, body.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/scim+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Somebody who may feed the directory.
struct Feed {
    scim: Scim,
    permit: MayAdminister,
    now: Timestamp,
}

type Answer = Result<Response, ScimError>;

fn finish(answer: Answer) -> Response {
    answer.unwrap_or_else(|error| error.into_response())
}

impl Scim {
    async fn open(self, parts: &Parts) -> Result<Feed, Response> {
        let permit = permitted(&self.0.smart, parts, Administered::Directory).await?;
        Ok(Feed { scim: self, permit, now: clock::now() })
    }
}

impl Feed {
    fn store(&self) -> &Store {
        &self.scim.0.records.store
    }

    fn base(&self) -> &str {
        &self.scim.0.base
    }

    async fn said(&self, act: &str, record: &str) -> Result<(), ScimError> {
        let event = SystemEvent::Administration {
            act: act.to_owned(),
            record: record.to_owned(),
            by: self.permit.by().to_owned(),
        };
        self.scim.0.records.tell(&event, self.now).await.map_err(ScimError::unavailable)
    }

    fn user(&self, id: &str) -> Result<DirectoryUser, ScimError> {
        self.store().directory_user(id)?.ok_or_else(|| ScimError::missing("user"))
    }

    fn group(&self, id: &str) -> Result<Group, ScimError> {
        self.store().group(id)?.ok_or_else(|| ScimError::missing("group"))
    }

    fn shown_user(&self, id: &str) -> Result<Value, ScimError> {
        Ok(user::shown(&self.user(id)?, &self.store().groups()?, self.base()))
    }

    /// Writes a profile; a person who leaves loses sessions and tokens at once.
    fn write(&self, id: &str, written: &user::Written) -> Result<(), ScimError> {
        let before = self.user(id)?;
        self.store().set_profile(id, &written.profile, self.now)?;
        let wanted = if written.active { Status::Active } else { Status::Disabled };
        if before.user.status != wanted {
            self.store().set_user_status(id, wanted, self.now)?;
        }
        Ok(())
    }

    /// Gives the members of these groups their roles.
    fn give_roles(&self, ids: impl Iterator<Item = String>) -> Result<(), ScimError> {
        let groups = self.store().groups()?;
        for id in ids {
            let Some(found) = self.store().directory_user(&id)? else { continue };
            let known = found.user;
            let roles = group::roles(&known, &groups, &self.scim.0.roles);
            if roles != known.roles {
                self.store().update_user(&id, &roles, known.fhir_user.as_ref(), &known.patients)?;
            }
        }
        Ok(())
    }

    fn list(&self, query: Option<String>, all: Vec<Value>) -> Answer {
        let asked = Asked::read(query.as_deref().unwrap_or_default())?;
        let found: Vec<Value> =
            all.into_iter().filter(|one| asked.filter.as_ref().is_none_or(|filter| filter.holds(one))).collect();
        let total = found.len();
        let page: Vec<Value> = found.into_iter().skip(asked.start - 1).take(asked.count).collect();
        let body = json!({
            "schemas": [LIST], "totalResults": total, "startIndex": asked.start, "itemsPerPage": page.len(),
            "Resources": page,
        });
        Ok(answer(StatusCode::OK, &body))
    }
}

/// What a search asks for.
struct Asked {
    filter: Option<Filter>,
    start: usize,
    count: usize,
}

impl Asked {
    fn read(query: &str) -> Result<Self, ScimError> {
        let mut asked = Self { filter: None, start: 1, count: PAGE_MAX };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let number = || value.parse::<i64>().map_err(|_| ScimError::value(format!("`{name}` is a number")));
            match name.as_ref() {
                "filter" => asked.filter = Some(Filter::parse(&value)?),
                "startIndex" => asked.start = usize::try_from(number()?.max(1)).unwrap_or(1),
                "count" => asked.count = usize::try_from(number()?.max(0)).unwrap_or(0).min(PAGE_MAX),
                _ => {}
            }
        }
        Ok(asked)
    }
}

fn json_of(parts: &Parts, body: &[u8]) -> Result<Value, ScimError> {
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !matches!(kind.as_str(), "application/scim+json" | "application/json") {
        return Err(ScimError::syntax("the body is `application/scim+json`"));
    }
    serde_json::from_slice(body).map_err(|_| ScimError::syntax("the body is not JSON"))
}

macro_rules! open {
    ($scim:expr, $parts:expr) => {
        match $scim.open(&$parts).await {
            Ok(feed) => feed,
            Err(refused) => return refused,
        }
    };
}

async fn service_provider(State(scim): State<Scim>, parts: Parts) -> Response {
    let feed = open!(scim, parts);
    answer(StatusCode::OK, &schema::service_provider(feed.base()))
}

async fn resource_types(State(scim): State<Scim>, RawQuery(_): RawQuery, parts: Parts) -> Response {
    let feed = open!(scim, parts);
    finish(feed.list(None, schema::resource_types(feed.base())))
}

async fn resource_type(State(scim): State<Scim>, Path(id): Path<String>, parts: Parts) -> Response {
    let feed = open!(scim, parts);
    one_of(schema::resource_types(feed.base()), &id)
}

async fn schemas(State(scim): State<Scim>, parts: Parts) -> Response {
    let feed = open!(scim, parts);
    finish(feed.list(None, schema::schemas(feed.base())))
}

async fn one_schema(State(scim): State<Scim>, Path(id): Path<String>, parts: Parts) -> Response {
    let feed = open!(scim, parts);
    one_of(schema::schemas(feed.base()), &id)
}

fn one_of(all: Vec<Value>, id: &str) -> Response {
    let found = all.into_iter().find(|one| one.get("id").and_then(Value::as_str) == Some(id));
    found.map_or_else(|| ScimError::missing("document").into_response(), |found| answer(StatusCode::OK, &found))
}

async fn users(State(scim): State<Scim>, RawQuery(query): RawQuery, parts: Parts) -> Response {
    let feed = open!(scim, parts);
    let all = || -> Result<Vec<Value>, ScimError> {
        let (users, groups) = (feed.store().directory_users()?, feed.store().groups()?);
        Ok(users.iter().map(|known| user::shown(known, &groups, feed.base())).collect())
    };
    finish(all().and_then(|all| feed.list(query, all)))
}

async fn one_user(State(scim): State<Scim>, Path(id): Path<String>, parts: Parts) -> Response {
    let feed = open!(scim, parts);
    finish(feed.shown_user(&id).map(|shown| answer(StatusCode::OK, &shown)))
}

async fn add_user(State(scim): State<Scim>, parts: Parts, body: Bytes) -> Response {
    let feed = open!(scim, parts);
    finish(added_user(&feed, &parts, &body).await)
}

async fn added_user(feed: &Feed, parts: &Parts, body: &[u8]) -> Answer {
    let written = user::read(&json_of(parts, body)?)?;
    let new = NewUser {
        login: written.profile.login.clone(),
        name: written.profile.name.clone(),
        email: written.profile.email.clone(),
        fhir_user: written.profile.fhir_user.clone(),
        ..NewUser::default()
    };
    let id = feed.store().add_user(&new, None, feed.now)?.id;
    feed.write(&id, &written)?;
    feed.said("scim-user-add", &id).await?;
    let shown = feed.shown_user(&id)?;
    Ok(created(&shown))
}

fn created(shown: &Value) -> Response {
    let mut response = answer(StatusCode::CREATED, shown);
    let location = shown.pointer("/meta/location").and_then(Value::as_str).unwrap_or_default();
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

async fn put_user(State(scim): State<Scim>, Path(id): Path<String>, parts: Parts, body: Bytes) -> Response {
    let feed = open!(scim, parts);
    finish(match json_of(&parts, &body) {
        Ok(body) => replaced_user(&feed, &id, &body).await,
        Err(error) => Err(error),
    })
}

async fn replaced_user(feed: &Feed, id: &str, body: &Value) -> Answer {
    feed.user(id)?;
    if body.get("id").is_some_and(|sent| sent != id && !sent.is_null()) {
        return Err(ScimError::mutability("`id` is given here and never changes"));
    }
    let written = user::read(body)?;
    feed.write(id, &written)?;
    feed.said(if written.active { "scim-user-change" } else { "scim-user-disable" }, id).await?;
    Ok(answer(StatusCode::OK, &feed.shown_user(id)?))
}

async fn patch_user(State(scim): State<Scim>, Path(id): Path<String>, parts: Parts, body: Bytes) -> Response {
    let feed = open!(scim, parts);
    finish(patched_user(&feed, &id, &parts, &body).await)
}

async fn patched_user(feed: &Feed, id: &str, parts: &Parts, body: &[u8]) -> Answer {
    let mut resource = feed.shown_user(id)?;
    let display = resource.get("displayName").cloned();
    user::addressed(&mut resource);
    patch::apply(&mut resource, &json_of(parts, body)?)?;
    // Whoever changes the name means the one that we show.
    if resource.get("displayName") == display.as_ref()
        && let Some(members) = resource.as_object_mut()
        && members.get("name").and_then(|name| name.get("formatted")) != display.as_ref()
    {
        members.remove("displayName");
    }
    replaced_user(feed, id, &resource).await
}

async fn remove_user(State(scim): State<Scim>, Path(id): Path<String>, parts: Parts) -> Response {
    let feed = open!(scim, parts);
    let removed = async {
        feed.user(&id)?;
        feed.store().remove_user(&id, feed.now)?;
        feed.said("scim-user-remove", &id).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    finish(removed.await)
}

async fn groups(State(scim): State<Scim>, RawQuery(query): RawQuery, parts: Parts) -> Response {
    let feed = open!(scim, parts);
    let all = feed.store().groups().map_err(ScimError::from);
    finish(all.and_then(|all| feed.list(query, all.iter().map(|one| group::shown(one, feed.base())).collect())))
}

async fn one_group(State(scim): State<Scim>, Path(id): Path<String>, parts: Parts) -> Response {
    let feed = open!(scim, parts);
    finish(feed.group(&id).map(|found| answer(StatusCode::OK, &group::shown(&found, feed.base()))))
}

async fn add_group(State(scim): State<Scim>, parts: Parts, body: Bytes) -> Response {
    let feed = open!(scim, parts);
    let added = async {
        let group::Written { name, external_id, members } = group::read(&json_of(&parts, &body)?)?;
        let made = feed.store().add_group(&name, external_id.as_deref(), &members, feed.now)?;
        feed.give_roles(members.into_iter())?;
        feed.said("scim-group-add", &made.id).await?;
        Ok(created(&group::shown(&made, feed.base())))
    };
    finish(added.await)
}

async fn put_group(State(scim): State<Scim>, Path(id): Path<String>, parts: Parts, body: Bytes) -> Response {
    let feed = open!(scim, parts);
    finish(match json_of(&parts, &body) {
        Ok(body) => replaced_group(&feed, &id, &body).await,
        Err(error) => Err(error),
    })
}

async fn replaced_group(feed: &Feed, id: &str, body: &Value) -> Answer {
    let before = feed.group(id)?;
    let group::Written { name, external_id, members } = group::read(body)?;
    feed.store().set_group(id, &name, external_id.as_deref(), &members, feed.now)?;
    feed.give_roles(before.members.into_iter().chain(members))?;
    feed.said("scim-group-change", id).await?;
    Ok(answer(StatusCode::OK, &group::shown(&feed.group(id)?, feed.base())))
}

async fn patch_group(State(scim): State<Scim>, Path(id): Path<String>, parts: Parts, body: Bytes) -> Response {
    let feed = open!(scim, parts);
    let patched = async {
        let mut resource = group::shown(&feed.group(&id)?, feed.base());
        patch::apply(&mut resource, &json_of(&parts, &body)?)?;
        replaced_group(&feed, &id, &resource).await
    };
    finish(patched.await)
}

async fn remove_group(State(scim): State<Scim>, Path(id): Path<String>, parts: Parts) -> Response {
    let feed = open!(scim, parts);
    let removed = async {
        let before = feed.group(&id)?;
        feed.store().remove_group(&id)?;
        feed.give_roles(before.members.into_iter())?;
        feed.said("scim-group-remove", &id).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    finish(removed.await)
}

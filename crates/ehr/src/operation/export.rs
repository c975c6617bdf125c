//! Bulk Data `$export` (2.0): of the system, of all patients, of a group.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use bascule_fhir::{Id, Level, ResourceType};
use http::StatusCode;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::jobs::{Running, begin, folder_of};
use super::members::{Members, Whose, members};
use super::parameters::Given;
use crate::ask::{Answer, Ask, Verb, encode, query};
use crate::index::moment;
use crate::search::{Scope, find_all, parse};
use crate::server::{Access, Server};
use crate::store::{current_by_key, now};
use crate::{Handling, Issue, Refusal};

/// Resources of one file.
const FILE_LINES_MAX: usize = 100_000;
/// Resources that one `_typeFilter` may find.
const FILTERED_MAX: usize = 10_000_000;

/// What is to be exported.
struct Export {
    whose: Whose,
    types: Vec<ResourceType>,
    since: Option<i64>,
    /// `Observation?code=…`, joined by *or* within a type.
    filters: Vec<(ResourceType, String)>,
    /// The request, for the manifest.
    request: String,
}

/// Begins an export.
pub(super) async fn start(server: &Server, mut ask: Ask) -> Result<Answer, Refusal> {
    if !ask.conditions.prefer.asynchronous {
        return Err(Refusal::invalid("an export is asked for with Prefer: respond-async"));
    }
    let given = Given::read(&mut ask)?;
    let export = Export::read(server, &ask, &given)?;
    let request = export.request.clone();
    begin(server, "export", request, move |server, id, running| run(server, id, running, &export)).await
}

impl Export {
    fn read(server: &Server, ask: &Ask, given: &Given) -> Result<Self, Refusal> {
        let Verb::Operation { on, .. } = &ask.verb else { return Err(super::unknown()) };
        let (path, mut whose) = match on {
            Level::System => ("$export".to_owned(), Whose::System),
            Level::Type(resource) => (format!("{resource}/$export"), Whose::Patients),
            Level::Instance(resource, id) => (format!("{resource}/{id}/$export"), Whose::Group(id.clone())),
        };
        let handling = ask.conditions.prefer.handling.unwrap_or(server.settings.handling);
        let mut export =
            Self { whose: whose.clone(), types: Vec::new(), since: None, filters: Vec::new(), request: String::new() };
        let mut patients = Vec::new();
        for (name, value) in &given.values {
            match name.as_str() {
                "_outputFormat" => check_format(value)?,
                "_since" => export.since = Some(instant(value)?),
                "_type" => export.types.extend(types(value)?),
                "_typeFilter" => export.filters.extend(filters(value)?),
                "patient" => patients.push(patient(value)?),
                _ if handling == Handling::Lenient => {}
                other => {
                    let has = "_outputFormat, _since, _type, _typeFilter and patient";
                    return Err(Refusal::unsupported(format!("`{other}` is not a parameter of $export; {has} are")));
                }
            }
        }
        if !patients.is_empty() {
            if matches!(whose, Whose::System) {
                return Err(Refusal::invalid(
                    "`patient` narrows an export of patients or of a group, not of the system",
                ));
            }
            whose = Whose::Some(patients);
        }
        let query = encode(&ask.query.parameters);
        export.request = format!("{}/{path}{}{query}", server.base(), if query.is_empty() { "" } else { "?" });
        export.whose = whose;
        Ok(export)
    }
}

fn check_format(value: &str) -> Result<(), Refusal> {
    match value.replace(' ', "+").as_str() {
        "application/fhir+ndjson" | "application/ndjson" | "ndjson" => Ok(()),
        _ => Err(Refusal::unsupported("`_outputFormat` is application/fhir+ndjson")),
    }
}

fn instant(value: &str) -> Result<i64, Refusal> {
    moment::parse(value).map(|span| span.low).ok_or_else(|| Refusal::invalid("`_since` asks for an instant"))
}

fn types(value: &str) -> Result<Vec<ResourceType>, Refusal> {
    let parse = |name: &str| {
        ResourceType::parse(name.trim())
            .ok_or_else(|| Refusal::invalid("`_type` names something that is no resource type of R4"))
    };
    value.split(',').map(parse).collect()
}

/// Filters are joined by commas, and so are values within them: a comma before `Type?` begins the next filter.
fn filters(value: &str) -> Result<Vec<(ResourceType, String)>, Refusal> {
    let fault = || Refusal::invalid("`_typeFilter` reads Type?search");
    let mut all: Vec<(ResourceType, String)> = Vec::new();
    for piece in value.split(',') {
        match piece.split_once('?').and_then(|(name, rest)| Some((ResourceType::parse(name)?, rest))) {
            Some((resource, rest)) => all.push((resource, rest.to_owned())),
            None => {
                let (_, last) = all.last_mut().ok_or_else(fault)?;
                last.push(',');
                last.push_str(piece);
            }
        }
    }
    Ok(all)
}

fn patient(value: &str) -> Result<Id, Refusal> {
    Id::parse(value.strip_prefix("Patient/").unwrap_or(value))
        .ok_or_else(|| Refusal::invalid("`patient` asks for a reference to a Patient"))
}

fn run(server: &Server, id: &str, running: &Running, export: &Export) -> Result<Value, Refusal> {
    let connection = server.store.reader()?;
    connection.execute_batch("BEGIN")?;
    let scope = server.scope(&connection);
    let time = now();
    let mut all = members(&scope, &export.whose, &export.types)?;
    narrow(&scope, &mut all, export)?;
    let folder = folder_of(server, id);
    std::fs::create_dir_all(&folder).map_err(|cause| Refusal::fault(&cause))?;
    let total: usize = all.values().map(BTreeSet::len).sum();
    let mut types: Vec<_> = all.into_iter().filter(|(_, keys)| !keys.is_empty()).collect();
    types.sort_by_key(|(resource, _)| *resource);
    let mut writing = Writing {
        scope,
        folder: &folder,
        running,
        url: format!("{}/_jobs/{id}", server.base()),
        written: 0,
        total,
        output: Vec::new(),
    };
    for (resource, keys) in &types {
        writing.write(*resource, keys)?;
    }
    let output = writing.output;
    let deleted = deleted(&connection, server, export, &folder, id)?;
    Ok(json!({
        "transactionTime": time.to_instant(),
        "request": export.request,
        "requiresAccessToken": server.settings.access != Access::Open,
        "output": output,
        "deleted": deleted,
        "error": [],
    }))
}

/// `_since` and `_typeFilter`.
fn narrow(scope: &Scope<'_>, all: &mut Members, export: &Export) -> Result<(), Refusal> {
    for (resource, keys) in all.iter_mut() {
        let filters: Vec<_> = export.filters.iter().filter(|(of, _)| of == resource).collect();
        if !filters.is_empty() {
            let mut kept = BTreeSet::new();
            for (_, filter) in filters {
                let search = parse(scope, &[*resource], &|_| Vec::new(), &query(filter), Handling::Strict)?;
                let clauses: Vec<_> = search.branches.into_iter().flat_map(|(_, clauses)| clauses).collect();
                kept.extend(find_all(scope, *resource, &clauses, FILTERED_MAX)?);
            }
            keys.retain(|key| kept.contains(key));
        }
        if let Some(since) = export.since {
            let mut statement = scope.connection.prepare_cached("SELECT updated FROM resource WHERE pk = ?1")?;
            let mut kept = BTreeSet::new();
            for key in keys.iter() {
                if statement.query_row([key], |row| row.get::<_, i64>(0))? > since {
                    kept.insert(*key);
                }
            }
            *keys = kept;
        }
    }
    Ok(())
}

struct Writing<'a> {
    scope: Scope<'a>,
    folder: &'a Path,
    running: &'a Running,
    url: String,
    written: usize,
    total: usize,
    output: Vec<Value>,
}

impl Writing<'_> {
    fn write(&mut self, resource: ResourceType, keys: &BTreeSet<i64>) -> Result<(), Refusal> {
        let all: Vec<i64> = keys.iter().copied().collect();
        for (part, keys) in all.chunks(FILE_LINES_MAX).enumerate() {
            let name = format!("{resource}.{}.ndjson", part + 1);
            let count = self.write_file(&name, keys).map_err(|fault| match fault {
                Fault::Asked(refusal) => refusal,
                Fault::File(cause) => Refusal::fault(&cause),
            })?;
            self.output.push(json!({ "type": resource.name(), "url": format!("{}/{name}", self.url), "count": count }));
        }
        Ok(())
    }

    fn write_file(&mut self, name: &str, keys: &[i64]) -> Result<usize, Fault> {
        let mut file = BufWriter::new(File::create(self.folder.join(name))?);
        let mut count = 0;
        for key in keys {
            if self.running.is_cancelled() {
                return Err(Fault::Asked(cancelled()));
            }
            if let Some(version) = current_by_key(self.scope.connection, self.scope.codes, *key)? {
                file.write_all(version.body.as_bytes())?;
                file.write_all(b"\n")?;
                count += 1;
            }
            self.written += 1;
            if self.written.is_multiple_of(1_000) {
                self.running.tell(format!("{} of {} resources", self.written, self.total));
            }
        }
        file.flush()?;
        Ok(count)
    }
}

enum Fault {
    Asked(Refusal),
    File(std::io::Error),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Asked(refusal)
    }
}

impl From<std::io::Error> for Fault {
    fn from(cause: std::io::Error) -> Self {
        Self::File(cause)
    }
}

fn cancelled() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, Issue::error("not-found", "the job was cancelled"))
}

/// What was deleted since: told for the whole system only, since a deleted resource belongs to nobody any more.
fn deleted(
    connection: &Connection,
    server: &Server,
    export: &Export,
    folder: &Path,
    id: &str,
) -> Result<Vec<Value>, Refusal> {
    let (Some(since), Whose::System) = (export.since, &export.whose) else { return Ok(Vec::new()) };
    let sql = "SELECT r.type, r.id FROM resource r JOIN version v ON v.seq = r.seq WHERE v.method = 3 AND v.updated > ?1 ORDER BY v.seq";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([since])?;
    let mut lines = String::new();
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let (code, id): (i64, String) = (row.get(0)?, row.get(1)?);
        let Some(resource) = server.store.codes.resource(code) else { continue };
        if !export.types.is_empty() && !export.types.contains(&resource) {
            continue;
        }
        let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [{ "request": { "method": "DELETE", "url": format!("{resource}/{id}") } }] });
        lines.push_str(&bundle.to_string());
        lines.push('\n');
        count += 1;
    }
    if count == 0 {
        return Ok(Vec::new());
    }
    let name = "deleted.1.ndjson";
    std::fs::write(folder.join(name), lines).map_err(|cause| Refusal::fault(&cause))?;
    Ok(vec![json!({ "type": "Bundle", "url": format!("{}/_jobs/{id}/{name}", server.base()), "count": count })])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_divides_filters_only_before_a_type() {
        let found = filters("Observation?code=a,b&status=final,Condition?code=c").ok().unwrap();
        let found: Vec<_> = found.iter().map(|(resource, rest)| format!("{resource} {rest}")).collect();
        assert_eq!(found, ["Observation code=a,b&status=final", "Condition code=c"]);
        assert!(filters("code=a").is_err());
    }
}

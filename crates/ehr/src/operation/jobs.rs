//! Long work: begun, asked after, cancelled, expired. The state is kept in the database, the files beside it, so that
//! both outlive a restart; work that a restart interrupted is told as failed.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;
use rusqlite::OptionalExtension;
use serde_json::Value;

use crate::ask::Answer;
use crate::http::write_date;
use crate::server::Server;
use crate::store::now;
use crate::{EhrError, Issue, Refusal};

/// What runs in this process.
#[derive(Default)]
pub(crate) struct Jobs {
    running: Mutex<HashMap<String, Arc<Running>>>,
}

/// A job that is under way.
#[derive(Default)]
pub(super) struct Running {
    cancelled: AtomicBool,
    progress: Mutex<String>,
}

/// Jobs that may run at the same time.
const RUNNING_MAX: usize = 4;

impl Jobs {
    /// Whether any is under way.
    pub(crate) fn are_running(&self) -> bool {
        !self.running.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl Running {
    /// Whether its client has given it up.
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// What a client that asks is told.
    pub(super) fn tell(&self, progress: String) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }
}

/// The folder of all jobs' files.
fn folder(server: &Server) -> PathBuf {
    server.settings.file.with_extension("jobs")
}

/// The folder of one job's files.
pub(super) fn folder_of(server: &Server, id: &str) -> PathBuf {
    folder(server).join(id)
}

/// Begins a job: `work` runs on a thread that may block, and its answer is kept for whoever asks.
pub(super) async fn begin(
    server: &Server,
    kind: &'static str,
    request: String,
    work: impl FnOnce(&Server, &str, &Running) -> Result<Value, Refusal> + Send + 'static,
) -> Result<Answer, Refusal> {
    sweep(server).await?;
    let id = uuid::Uuid::new_v4().to_string();
    let running = Arc::new(Running::default());
    {
        let mut all = server.jobs.running.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= RUNNING_MAX {
            let text = format!("{RUNNING_MAX} jobs are running; ask again when one has ended");
            return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, Issue::error("throttled", text)));
        }
        all.insert(id.clone(), Arc::clone(&running));
    }
    insert(server, id.clone(), kind, request).await?;
    let (own, own_id) = (server.clone(), id.clone());
    tokio::task::spawn_blocking(move || {
        let done = work(&own, &own_id, &running);
        let cancelled = running.is_cancelled();
        own.jobs.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&own_id);
        if cancelled {
            // Whatever was written after the cancelling goes too.
            let _gone = std::fs::remove_dir_all(folder_of(&own, &own_id));
            return;
        }
        let (state, answer) = match done {
            Ok(answer) => ("done", answer),
            Err(refusal) => ("failed", refusal.outcome()),
        };
        let kept = own.store.submit(move |session| {
            session.connection.execute(
                "UPDATE job SET state = ?2, answer = ?3 WHERE id = ?1 AND state = 'running'",
                (&own_id, state, answer.to_string()),
            )?;
            Ok(())
        });
        if let Err(refusal) = kept {
            tracing::error!(reason = refusal.text(), "the end of a job could not be kept");
        }
    });
    let headers = vec![("content-location", format!("{}/_jobs/{id}", server.base()))];
    Ok(Answer { headers, ..Answer::empty(StatusCode::ACCEPTED) })
}

async fn insert(server: &Server, id: String, kind: &'static str, request: String) -> Result<(), Refusal> {
    let seconds = server.settings.export_seconds_max;
    server
        .store
        .write(move |session| {
            let (created, expires) = (session.now.micros(), session.now.plus_seconds(seconds).micros());
            session.connection.execute(
                "INSERT INTO job (id, kind, request, state, created, expires, answer) VALUES (?1, ?2, ?3, 'running', ?4, ?5, '')",
                (id, kind, request, created, expires),
            )?;
            Ok(())
        })
        .await
}

struct Row {
    state: String,
    expires: i64,
    answer: String,
}

async fn find(server: &Server, id: &str) -> Result<Row, Refusal> {
    let id = id.to_owned();
    let found = server
        .store
        .read(move |connection| {
            let sql = "SELECT state, expires, answer FROM job WHERE id = ?1 AND expires > ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let row = statement.query_row((id, now().micros()), |row| {
                Ok(Row { state: row.get(0)?, expires: row.get(1)?, answer: row.get(2)? })
            });
            Ok(row.optional()?)
        })
        .await?;
    found.ok_or_else(|| Refusal::not_found("there is no such job: it was cancelled, has expired, or never was"))
}

/// How a job is.
pub(super) async fn state(server: &Server, id: &str) -> Result<Answer, Refusal> {
    let row = find(server, id).await?;
    match row.state.as_str() {
        "running" => {
            let running = server.jobs.running.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
            let progress =
                running.map(|running| running.progress.lock().unwrap_or_else(PoisonError::into_inner).clone());
            let progress = progress.filter(|text| !text.is_empty()).unwrap_or_else(|| "under way".to_owned());
            let headers = vec![("x-progress", progress), ("retry-after", "1".to_owned())];
            Ok(Answer { headers, ..Answer::empty(StatusCode::ACCEPTED) })
        }
        "done" => {
            let expires = bascule_fhir::Timestamp::from_micros(row.expires);
            let answer = Answer::json(StatusCode::OK, row.answer);
            Ok(Answer {
                headers: vec![("expires", write_date(expires))],
                content_type: Some("application/json"),
                ..answer
            })
        }
        _ => Ok(Answer::json(StatusCode::INTERNAL_SERVER_ERROR, row.answer)),
    }
}

/// One of a job's files.
pub(super) async fn file(server: &Server, id: &str, name: &str) -> Result<Answer, Refusal> {
    find(server, id).await?;
    let missing = || Refusal::not_found("the job has no such file");
    // Both come from a URL: nothing but what a job is called and its files are called reaches the disk.
    let sound = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    if !sound(id) || !sound(name) || name.contains("..") || id.contains('.') {
        return Err(missing());
    }
    let path = folder_of(server, id).join(name);
    if !path.is_file() {
        return Err(missing());
    }
    let answer = Answer::empty(StatusCode::OK);
    Ok(Answer { file: Some(path), content_type: Some("application/fhir+ndjson"), ..answer })
}

/// Ends a job, or removes its files.
pub(super) async fn cancel(server: &Server, id: &str) -> Result<Answer, Refusal> {
    find(server, id).await?;
    let running = server.jobs.running.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
    if let Some(running) = running {
        running.cancelled.store(true, Ordering::Relaxed);
    }
    let own = id.to_owned();
    server
        .store
        .write(move |session| {
            session.connection.execute("DELETE FROM job WHERE id = ?1", [own])?;
            Ok(())
        })
        .await?;
    remove(server, id);
    Ok(Answer::empty(StatusCode::ACCEPTED))
}

fn remove(server: &Server, id: &str) {
    if let Err(cause) = std::fs::remove_dir_all(folder_of(server, id))
        && cause.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%cause, job = id, "the files of a job could not be removed");
    }
}

/// Removes what has expired.
async fn sweep(server: &Server) -> Result<(), Refusal> {
    let expired = server
        .store
        .write(move |session| {
            let sql = "DELETE FROM job WHERE expires <= ?1 RETURNING id";
            let mut statement = session.connection.prepare_cached(sql)?;
            let rows = statement.query_map([session.now.micros()], |row| row.get::<_, String>(0))?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        })
        .await?;
    expired.iter().for_each(|id| remove(server, id));
    Ok(())
}

/// At the opening of a file: what was under way when the process ended has failed.
pub(crate) fn interrupted(connection: &rusqlite::Connection) -> Result<(), EhrError> {
    let text = "the server was stopped while the job ran; begin it anew";
    let outcome = crate::error::outcome(&[Issue::error("transient", text)]).to_string();
    connection.execute("UPDATE job SET state = 'failed', answer = ?1 WHERE state = 'running'", [outcome])?;
    Ok(())
}

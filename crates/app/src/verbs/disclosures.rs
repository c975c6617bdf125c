//! `bascule audit disclosures`: the accounting of disclosures of a patient (45 CFR 164.528), as a table, CSV, JSON or a page that
//! prints. The log itself is read, not the index: what an index lacks must not stay hidden.

use bascule_audit::accounting::{AccountingRequest, account, to_csv, to_html};
use bascule_store::log::read::Cursor;

use crate::cli::RecordsArgs;
use crate::config::Settings;
use crate::exit::Exit;
use crate::verbs::audit::{flush, reader, said, settings};
use crate::{clock, terminal};

/// How far back an accounting reaches (45 CFR 164.528(a)(3)), in seconds.
const ACCOUNTING_SECONDS: i64 = 6 * 366 * 86_400;

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A table, or JSON.
    Table,
    /// Comma-separated values.
    Csv,
    /// An HTML page.
    Page,
}

impl Form {
    /// clap lets one of the two through.
    pub(super) const fn of(csv: bool, page: bool) -> Self {
        match (csv, page) {
            (true, _) => Self::Csv,
            (_, true) => Self::Page,
            _ => Self::Table,
        }
    }
}

/// Makes it, shows it, and says in the log that it was made.
pub(super) async fn run(records: &RecordsArgs, api: Option<&str>, patient: &str, form: Form) -> Result<Exit, String> {
    let settings = settings(records)?;
    flush(&settings).await?;
    let request = request(&settings, api, patient)?;
    let mut entries = Vec::new();
    let read = reader(&settings)?.each(&Cursor::default(), |entry| {
        if entry.about().disclosure && entry.is_about(&request.patient) {
            entries.push(entry);
        }
        Ok(true)
    });
    read.map_err(|error| error.to_string())?;
    let lines = account(&request, entries.iter());
    match form {
        Form::Csv => terminal::line(to_csv(&lines).trim_end()),
        Form::Page => terminal::line(to_html(&request, &lines).trim_end()),
        Form::Table if records.json => {
            terminal::line(&serde_json::to_string_pretty(&lines).map_err(|error| error.to_string())?);
        }
        Form::Table => {
            terminal::table(
                &lines.iter().map(|line| serde_json::to_value(line).unwrap_or_default()).collect::<Vec<_>>(),
            );
        }
    }
    said(settings, "accounting", lines.len()).await?;
    Ok(Exit::Done)
}

fn request(settings: &Settings, api: Option<&str>, patient: &str) -> Result<AccountingRequest, String> {
    let known: Vec<_> = settings.gateway.apis.iter().map(|entry| entry.api.name.as_str()).collect();
    let first = known.first().copied().unwrap_or_default();
    let api = api.unwrap_or(first);
    if !known.contains(&api) {
        return Err(format!("there is no API `{api}`; there are: {}", known.join(", ")));
    }
    let now = clock::now();
    let store = bascule_store::Store::open(&settings.store.join("bascule.db"), now);
    Ok(AccountingRequest {
        api: api.to_owned(),
        patient: format!("Patient/{patient}"),
        from: now.plus_seconds(-ACCOUNTING_SECONDS),
        until: now.plus_seconds(1),
        suspensions: store.and_then(|store| store.suspensions()).map_err(|error| error.to_string())?,
        now,
    })
}

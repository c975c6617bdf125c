//! `bascule audit`: verify reads files and needs no key; search, export and accounting open sealed parts with the
//! house's keys, and say in the log that they did.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bascule_audit::accounting::{AccountingRequest, account, to_csv};
use bascule_audit::{Opened, clear::Kind};
use bascule_fhir::Timestamp;
use bascule_ledger::VerifierKey;
use bascule_store::keys::KeyStore;
use bascule_store::log::LogError;
use bascule_store::log::index::{Index, Search};
use bascule_store::log::read::{Cursor, LogReader, prove_receipt};
use bascule_store::log::verify::{Report, VerifyOptions, verify};
use serde_json::{Value, json};

use crate::admin::{Act, LogSubject, Outcome};
use crate::cli::{AuditVerb, LogArgs, OutcomeArg, RecordsArgs, SubjectArgs};
use crate::config::{self, Settings};
use crate::day::{end_of_day, start_of_day};
use crate::exit::Exit;
use crate::house::log_settings;
use crate::syslog_feed::Feed;
use crate::verbs::{evidence, records};
use crate::{clock, terminal};

/// Years back that an accounting reaches (45 CFR 164.528(a)(3)), in seconds.
const ACCOUNTING_SECONDS: i64 = 6 * 366 * 86_400;

/// Runs one of them.
pub(crate) async fn run(verb: AuditVerb) -> Exit {
    let ended = match verb {
        AuditVerb::Verify { log, since, vkey, witnesses, quorum } => {
            verified(&log, since.as_deref(), vkey.as_deref(), &witnesses, usize::from(quorum)).await
        }
        AuditVerb::Search { records, request, patient, client, user, from, until, outcome, limit } => {
            let asked = Asked { patient, client, user, from, until, outcome, limit };
            search(&records, request.as_deref(), asked).await
        }
        AuditVerb::Shred { subject, reason, records } => {
            return records::run((Act::LogShred { subject: subject.into_subject(), reason }, records)).await;
        }
        AuditVerb::Hold { subject, matter, records } => {
            return records::run((Act::LogHold { subject: subject.into_subject(), matter }, records)).await;
        }
        AuditVerb::Lift { subject, matter, records } => {
            return records::run((Act::LogLift { subject: subject.into_subject(), matter }, records)).await;
        }
        AuditVerb::Suspend { recipient, until, statement, records } => {
            return records::run((Act::LogSuspend { recipient, until, statement }, records)).await;
        }
        AuditVerb::Drill { records } => return records::run((Act::LogDrill, records)).await,
        AuditVerb::Review { kind, from, to, note, records } => match [&from, &to].map(|day| start_of_day(day)) {
            [Some(first), Some(last)] if first <= last => {
                let act = Act::LogReview { kind: kind.name().to_owned(), from, to, note };
                return records::run((act, records)).await;
            }
            [None, _] => Err(no_day(&from)),
            [_, None] => Err(no_day(&to)),
            _ => Err(format!("{to} lies before {from}")),
        },
        AuditVerb::Evidence { from, to, out, records } => evidence::run(&records, &from, &to, &out).await,
        AuditVerb::Export { records, from, out: Some(out), .. } => export(&records, from.as_deref(), &out).await,
        AuditVerb::Export { records, from, out: None, .. } => send_syslog(&records, from.as_deref()).await,
        AuditVerb::Disclosures { patient, csv, records } => disclosures(&records, &patient, csv).await,
        AuditVerb::Receipt { receipt, log } => receipt_holds(&log, &receipt).await,
    };
    ended.unwrap_or_else(|sentence| {
        terminal::error(&sentence);
        Exit::Usage
    })
}

pub(super) fn settings(records: &RecordsArgs) -> Result<Settings, String> {
    let file = config::found_here(records.config.as_deref());
    config::load(&file)
        .map_err(|faults| bascule_policy::fault::render(&faults, "Nothing was read.").trim_end().to_owned())
}

/// Asks a running house to publish what it holds; a closed one has published everything.
pub(super) async fn flush(settings: &Settings) -> Result<(), String> {
    match crate::admin::socket::ask(&settings.store, &Act::LogFlush).await {
        Ok(Some(Outcome::Refused(sentence))) => Err(sentence),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("admin.sock: {error}")),
    }
}

async fn folder_of(log: &LogArgs) -> Result<PathBuf, String> {
    if let Some(folder) = &log.log {
        return Ok(folder.clone());
    }
    let settings = settings(&log.records)?;
    flush(&settings).await?;
    Ok(settings.audit.folder)
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// A verifier key, as text or in a file.
fn verifier_key(named: &str) -> Result<VerifierKey, String> {
    let path = Path::new(named);
    let text = if path.is_file() { read(path)? } else { named.to_owned() };
    VerifierKey::parse(text.trim()).map_err(|error| error.to_string())
}

async fn verified(
    log: &LogArgs,
    since: Option<&Path>,
    vkey: Option<&str>,
    witnesses: &[String],
    quorum: usize,
) -> Result<Exit, String> {
    if quorum > witnesses.len() {
        return Err(format!("{quorum} of {} witnesses cannot cosign; name more with --witness", witnesses.len()));
    }
    let keys = vkey.map(verifier_key).transpose()?.into_iter().collect();
    let witnesses = witnesses.iter().map(|named| verifier_key(named)).collect::<Result<_, _>>()?;
    let kept = since.map(read).transpose()?;
    let folder = folder_of(log).await?;
    let options = VerifyOptions { keys, kept, witnesses, quorum, ..VerifyOptions::default() };
    let report = verify(&folder, &options);
    if log.records.json {
        terminal::line(&format!("{:#}", report_json(&report)));
    } else {
        for shard in &report.shards {
            let kinds =
                shard.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ");
            terminal::line(&format!("{}  {} entries ({kinds})", shard.origin, shard.size));
            terminal::line(&format!("  root {}  key {}", shard.root.to_base64(), shard.vkey));
        }
        for logs in &report.logs {
            let (shards, dropped) = (logs.shards, logs.dropped);
            terminal::line(&format!(
                "{}  log of logs, {shards} shards, {dropped} of them deleted after retention",
                logs.origin
            ));
            terminal::line(&format!("  key {}", logs.vkey));
        }
        for fault in &report.faults {
            terminal::line(&format!("FAULT {fault}"));
        }
        for warning in &report.warnings {
            terminal::line(&format!("WARNING {warning}"));
        }
        terminal::line(&report.claim());
    }
    Ok(if report.holds() { Exit::Done } else { Exit::Found })
}

/// A verification's report as JSON.
pub(super) fn report_json(report: &Report) -> Value {
    let shards = report.shards.iter().map(|shard| {
        json!({ "origin": shard.origin, "size": shard.size, "root": shard.root.to_base64(), "kinds": shard.kinds })
    });
    json!({
        "holds": report.holds(),
        "shards": shards.collect::<Vec<_>>(),
        "logOfLogs": report.logs.iter().map(|logs| {
            json!({ "origin": logs.origin, "size": logs.size, "shards": logs.shards, "dropped": logs.dropped })
        }).collect::<Vec<_>>(),
        "faults": report.faults,
        "warnings": report.warnings,
        "claim": report.claim(),
    })
}

pub(super) fn reader(settings: &Settings) -> Result<LogReader, String> {
    let log = log_settings(settings);
    let keys = KeyStore::open(&log.keys_folder).map_err(|error| error.to_string())?;
    LogReader::open(&log.folder, Arc::new(keys)).map_err(|error| error.to_string())
}

pub(super) async fn said(settings: Settings, what: &str, shown: usize) -> Result<(), String> {
    let act = Act::LogRead { what: what.to_owned(), shown: shown as u64 };
    match records::ask(settings, &act).await? {
        Outcome::Done(_) => Ok(()),
        Outcome::Refused(sentence) => Err(format!("the reading could not be logged: {sentence}")),
    }
}

/// What a search of the index is for.
struct Asked {
    patient: Option<String>,
    client: Option<String>,
    user: Option<String>,
    from: Option<String>,
    until: Option<String>,
    outcome: Option<OutcomeArg>,
    limit: u32,
}

impl Asked {
    fn into_search(self, api: &str) -> Result<Search, String> {
        let day = |day: &Option<String>, read: fn(&str) -> Option<Timestamp>| {
            day.as_deref().map(|day| read(day).ok_or_else(|| no_day(day))).transpose()
        };
        Ok(Search {
            from: day(&self.from, start_of_day)?,
            until: day(&self.until, end_of_day)?,
            patient: self.patient.map(|id| (api.to_owned(), format!("Patient/{id}"))),
            client: self.client,
            user: self.user,
            outcome: self.outcome.map(|outcome| match outcome {
                OutcomeArg::Success => bascule_audit::Outcome::Success,
                OutcomeArg::Minor => bascule_audit::Outcome::Minor,
                OutcomeArg::Serious => bascule_audit::Outcome::Serious,
                OutcomeArg::Major => bascule_audit::Outcome::Major,
            }),
            limit: u64::from(self.limit),
            ..Search::default()
        })
    }
}

pub(super) fn no_day(day: &str) -> String {
    format!("`{day}` is not a day; write 2026-12-31")
}

impl SubjectArgs {
    /// clap has seen to it that there is exactly one of the two.
    fn into_subject(self) -> LogSubject {
        match self.month {
            Some(month) => LogSubject::Month(month),
            None => LogSubject::Patient(self.patient.unwrap_or_default()),
        }
    }
}

async fn search(records: &RecordsArgs, request: Option<&str>, asked: Asked) -> Result<Exit, String> {
    let settings = settings(records)?;
    let api = settings.gateway.apis.first().map_or_else(String::new, |entry| entry.api.name.clone());
    let search = asked.into_search(&api)?;
    flush(&settings).await?;
    let hits = {
        let reader = reader(&settings)?;
        let text = |error: LogError| error.to_string();
        match request {
            // A request is looked for in the log itself: what the index lacks must not stay hidden.
            Some(id) => by_request(&reader, id).map_err(text)?,
            None => {
                let mut index = Index::open(&settings.store.join("audit-index.db")).map_err(text)?;
                index.catch_up(&reader).map_err(text)?;
                index.search(&search, &reader).map_err(text)?.into_iter().map(|(opened, _)| opened).collect()
            }
        }
    };
    let rows = hits.iter().map(row).collect::<Vec<_>>();
    if records.json {
        terminal::line(&Value::Array(rows).to_string());
    } else {
        terminal::table(&rows);
    }
    let found = if hits.is_empty() { Exit::Found } else { Exit::Done };
    said(settings, "search", hits.len()).await?;
    Ok(found)
}

/// The entries of one request, each compared with the tree while it is read.
pub(super) fn by_request(reader: &LogReader, id: &str) -> Result<Vec<Opened>, LogError> {
    let mut hits = Vec::new();
    reader.each(&Cursor::default(), |entry| {
        let terminal = !matches!(entry.clear.kind, Kind::Intent | Kind::System | Kind::Continuation);
        if terminal && entry.about().request.as_deref() == Some(id) {
            hits.push(entry);
        }
        Ok(true)
    })?;
    Ok(hits)
}

pub(super) fn row(entry: &Opened) -> Value {
    let clear = entry.about();
    let decision = clear.decision.map(|decision| match decision {
        bascule_audit::Decision::Permit => "permit",
        bascule_audit::Decision::Refuse => "deny",
    });
    let patients = entry.patients.iter().flatten().map(|patient| patient.reference.clone()).collect::<Vec<_>>();
    let agent = entry.agent.as_ref();
    json!({
        "at": entry.at().to_instant(),
        "index": entry.position.index,
        "request": clear.request,
        "decision": decision,
        "status": entry.clear.status,
        "interaction": clear.interaction,
        "resource": clear.resource,
        "client": clear.client,
        "role": clear.role,
        "purpose": clear.purpose,
        "user": agent.and_then(|agent| agent.subject.clone()),
        "patients": patients,
        "rule": clear.rule,
        "policy": clear.policy,
        "cause": clear.cause,
        "withheld": clear.withheld,
        "inner": serde_json::to_value(&clear.inner).unwrap_or_default(),
    })
}

async fn export(records: &RecordsArgs, from: Option<&str>, out: &Path) -> Result<Exit, String> {
    let settings = settings(records)?;
    flush(&settings).await?;
    let from = cursor_of(from)?;
    let file = std::fs::File::create(out).map_err(|error| format!("{}: {error}", out.display()))?;
    let mut file = std::io::BufWriter::new(file);
    let server = settings.gateway.public_url.to_string();
    let cursor = reader(&settings)?.export(&from, &server, &mut file).map_err(|error| error.to_string())?;
    terminal::line(&cursor.to_string());
    let shown = usize::try_from(cursor.index.saturating_sub(from.index)).unwrap_or(usize::MAX);
    said(settings, "export", shown).await?;
    Ok(Exit::Done)
}

async fn send_syslog(records: &RecordsArgs, from: Option<&str>) -> Result<Exit, String> {
    let settings = settings(records)?;
    let none = "there is no receiver; write [audit] syslog = { address = \"siem.hospital.example:6514\" }";
    let feed = Feed::new(&settings)?.ok_or(none)?;
    flush(&settings).await?;
    let sent = feed.send(&cursor_of(from)?).await?;
    terminal::line(&sent.cursor.to_string());
    said(settings, "export-syslog", usize::try_from(sent.entries).unwrap_or(usize::MAX)).await?;
    Ok(Exit::Done)
}

fn cursor_of(text: Option<&str>) -> Result<Cursor, String> {
    match text {
        None => Ok(Cursor::default()),
        Some(text) => Ok(Cursor::parse(text).ok_or("a cursor is `ORIGIN INDEX`, as an earlier export printed it")?),
    }
}

async fn disclosures(records: &RecordsArgs, patient: &str, csv: bool) -> Result<Exit, String> {
    let settings = settings(records)?;
    flush(&settings).await?;
    let now = clock::now();
    let request = AccountingRequest {
        patient: format!("Patient/{patient}"),
        from: now.plus_seconds(-ACCOUNTING_SECONDS),
        until: now.plus_seconds(1),
        suspensions: {
            let store = bascule_store::Store::open(&settings.store.join("bascule.db"), now);
            store.and_then(|store| store.suspensions()).map_err(|error| error.to_string())?
        },
        now,
    };
    let lines = {
        let reader = reader(&settings)?;
        let mut entries = Vec::new();
        let read = reader.each(&Cursor::default(), |entry| {
            if entry.is_about(&request.patient) {
                entries.push(entry);
            }
            Ok(true)
        });
        read.map_err(|error| error.to_string())?;
        account(&request, entries.iter())
    };
    if csv {
        terminal::line(to_csv(&lines).trim_end());
    } else if records.json {
        terminal::line(&serde_json::to_string_pretty(&lines).map_err(|error| error.to_string())?);
    } else {
        let rows = lines.iter().map(|line| serde_json::to_value(line).unwrap_or_default()).collect::<Vec<_>>();
        terminal::table(&rows);
    }
    said(settings, "accounting", lines.len()).await?;
    Ok(Exit::Done)
}

async fn receipt_holds(log: &LogArgs, receipt: &str) -> Result<Exit, String> {
    let folder = folder_of(log).await?;
    match prove_receipt(&folder, receipt) {
        Ok(proof) => {
            terminal::line(&proof.to_string());
            Ok(Exit::Done)
        }
        Err(error) => {
            terminal::error(&format!("the log does not hold what the receipt says: {error}"));
            Ok(Exit::Found)
        }
    }
}

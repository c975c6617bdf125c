//! `bascule audit evidence`: what an auditor asks for, of a span of days, in a folder that is readable without Bascule.
//!
//! It holds the clear parts of entries only, which name no person: it can be handed on. Who and whom an entry is about is
//! opened with `bascule audit search --request`, and that reading is logged.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use bascule_audit::{Kind, Opened};
use bascule_crypto::digest::sha256;
use bascule_fhir::Timestamp;
use bascule_store::log::LogError;
use bascule_store::log::read::{Cursor, LogReader};
use bascule_store::log::verify::{Report, VerifyOptions, verify};
use bascule_store::{Store, StoreError};
use serde_json::{Value, json};

use crate::cli::RecordsArgs;
use crate::config::Settings;
use crate::day::{end_of_day, start_of_day};
use crate::exit::Exit;
use crate::verbs::audit::{flush, no_day, reader, report_json, said, settings};
use crate::{clock, policy_folder, terminal};

/// What lies in the folder, in the order in which it is best read.
const FILES: [(&str, &str); 15] = [
    ("index.html", "the summary, for people"),
    ("verification.json", "what verifying the whole log found when this was made, and what it claims"),
    (
        "checkpoints/",
        "each log's signed checkpoint, its public key (vkey) and, if there is one, the cosigned checkpoint",
    ),
    ("policy/", "the policy files in force when this was made"),
    (
        "policies/",
        "the files of each policy that entries of these days were made under, by its hash, as far as they were kept",
    ),
    ("in-force.csv", "which policy was in force since when"),
    ("approvals.csv", "every change of the policy: who proposed it and why, who approved it, who reviewed it"),
    ("reviews.ndjson", "reviews of access, of activity and of broken glass that a person has signed off"),
    ("drills.ndjson", "drills of the emergency reserve"),
    ("alerts.csv", "every alert raised in these days, broken glass among them, and who has looked at it when"),
    ("policies.csv", "every policy under which an entry was made: hash, first and last entry, entries"),
    ("changes.ndjson", "everything that happened to the bridge itself: starts, changes, approvals, holds, readings"),
    ("counts.csv", "entries by kind, client and outcome"),
    ("break-glass.ndjson", "every access in an emergency that broke the glass"),
    ("refusals.ndjson", "every refusal, with its cause"),
];

/// Makes the pack. A log that does not verify still gives one, which says so; the exit code tells too.
pub(super) async fn run(records: &RecordsArgs, from: &str, to: &str, out: &Path) -> Result<Exit, String> {
    let span = Span::of(from, to)?;
    let settings = settings(records)?;
    flush(&settings).await?;
    make_empty(out)?;
    let report = verify(&settings.audit.folder, &VerifyOptions::default());
    let counted = {
        let reader = reader(&settings)?;
        write_checkpoints(out, &reader)?;
        Counted::read(&reader, &span, out)?
    };
    let hash = write_policy(out, &settings)?;
    {
        let store = Store::open(&settings.store.join("bascule.db"), clock::now()).map_err(|error| error.to_string())?;
        write_policies(out, &store, &counted, &span)?;
        write_alerts(out, &store, &span)?;
    }
    write(out, "verification.json", &format!("{:#}\n", report_json(&report)))?;
    write(out, "counts.csv", &counted.counts_csv())?;
    write(out, "policies.csv", &counted.policies_csv())?;
    let summary = Summary { span: &span, report: &report, counted: &counted, hash: &hash, made: clock::now() };
    write(out, "index.html", &summary.html())?;
    write(out, "README.md", &summary.readme())?;
    write(out, "SHA256SUMS", &sums(out)?)?;
    terminal::line(&format!("{}: {} entries of {from} to {to}", out.display(), counted.entries));
    terminal::line(&report.claim());
    said(settings, "evidence", usize::try_from(counted.entries).unwrap_or(usize::MAX)).await?;
    Ok(if report.holds() { Exit::Done } else { Exit::Found })
}

/// The days that it is about.
struct Span {
    from: Timestamp,
    until: Timestamp,
    said: String,
}

impl Span {
    fn of(from: &str, to: &str) -> Result<Self, String> {
        let first = start_of_day(from).ok_or_else(|| no_day(from))?;
        let until = end_of_day(to).ok_or_else(|| no_day(to))?;
        if until <= first {
            return Err(format!("{to} lies before {from}"));
        }
        Ok(Self { from: first, until, said: format!("{from} to {to} (UTC, both days included)") })
    }

    fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

/// What was found in the span.
#[derive(Default)]
struct Counted {
    entries: u64,
    break_glass: u64,
    refusals: u64,
    changes: u64,
    /// Kind, client, outcome.
    by: BTreeMap<(String, String, u8), u64>,
    /// First and last entry, and how many, by policy hash.
    policies: BTreeMap<String, (Timestamp, Timestamp, u64)>,
}

impl Counted {
    fn read(reader: &LogReader, span: &Span, out: &Path) -> Result<Self, String> {
        let mut lists = Lists::open(out)?;
        let mut counted = Self::default();
        let mut failed = None;
        let read = reader.each(&Cursor::default(), |entry| {
            if !span.holds(entry.at()) {
                return Ok(true);
            }
            counted.add(&entry);
            // A list that cannot be written ends the reading.
            failed = lists.add(&entry).err();
            Ok(failed.is_none())
        });
        read.map_err(|error: LogError| error.to_string())?;
        failed.map_or(Ok(()), Err)?;
        lists.close()?;
        Ok(counted)
    }

    fn add(&mut self, entry: &Opened) {
        let about = entry.about();
        self.entries += 1;
        self.break_glass += u64::from(about.break_glass);
        self.refusals += u64::from(entry.clear.kind == Kind::Refusal);
        self.changes += u64::from(entry.clear.kind == Kind::System);
        let client = about.client.clone().unwrap_or_default();
        *self.by.entry((kind(entry.clear.kind), client, entry.clear.outcome.code())).or_default() += 1;
        if let Some(hash) = &about.policy {
            let seen = self.policies.entry(hash.clone()).or_insert((entry.at(), entry.at(), 0));
            *seen = (seen.0.min(entry.at()), seen.1.max(entry.at()), seen.2 + 1);
        }
    }

    fn counts_csv(&self) -> String {
        let head = "kind,client,outcome,entries\n".to_owned();
        self.by.iter().fold(head, |text, ((kind, client, outcome), count)| {
            text + &format!("{},{},{outcome},{count}\n", csv(kind), csv(client))
        })
    }

    fn policies_csv(&self) -> String {
        let head = "policy,first,last,entries\n".to_owned();
        self.policies.iter().fold(head, |text, (hash, (first, last, count))| {
            text + &format!("{},{},{},{count}\n", csv(hash), first.to_instant(), last.to_instant())
        })
    }
}

/// The lists of whole entries, written while the log is read.
struct Lists {
    changes: BufWriter<File>,
    reviews: BufWriter<File>,
    drills: BufWriter<File>,
    break_glass: BufWriter<File>,
    refusals: BufWriter<File>,
}

impl Lists {
    fn open(out: &Path) -> Result<Self, String> {
        let open = |name| File::create(out.join(name)).map(BufWriter::new).map_err(failing(out, name));
        Ok(Self {
            changes: open("changes.ndjson")?,
            reviews: open("reviews.ndjson")?,
            drills: open("drills.ndjson")?,
            break_glass: open("break-glass.ndjson")?,
            refusals: open("refusals.ndjson")?,
        })
    }

    fn add(&mut self, entry: &Opened) -> Result<(), String> {
        let line = line(entry);
        let put = |file: &mut BufWriter<File>| writeln!(file, "{line}").map_err(|error| error.to_string());
        match entry.clear.kind {
            Kind::System => {
                put(&mut self.changes)?;
                match entry.clear.system.as_ref().and_then(|system| system.get("event")?.as_str()) {
                    Some("review") => put(&mut self.reviews)?,
                    Some("drill" | "carried-over") => put(&mut self.drills)?,
                    _ => {}
                }
            }
            Kind::Refusal => put(&mut self.refusals)?,
            _ => {}
        }
        if entry.about().break_glass { put(&mut self.break_glass) } else { Ok(()) }
    }

    fn close(mut self) -> Result<(), String> {
        let files = [&mut self.changes, &mut self.reviews, &mut self.drills, &mut self.break_glass, &mut self.refusals];
        files.into_iter().try_for_each(|file| file.flush().map_err(|error| error.to_string()))
    }
}

/// An entry's clear part, and where it stands in the log.
fn line(entry: &Opened) -> Value {
    let place = &entry.position;
    let mut line = json!({
        "at": entry.at().to_instant(), "origin": place.origin, "index": place.index, "leafHash": place.leaf_hash,
        "entry": serde_json::to_value(&entry.clear).unwrap_or_default(),
    });
    if let (Some(asked), Some(line)) = (&entry.asked, line.as_object_mut()) {
        line.insert("asked".to_owned(), serde_json::to_value(asked).unwrap_or_default());
    }
    line
}

fn kind(kind: Kind) -> String {
    serde_json::to_value(kind).ok().and_then(|name| name.as_str().map(ToOwned::to_owned)).unwrap_or_default()
}

/// A field of CSV: quoted where it must be, and never a formula to a spreadsheet.
fn csv(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What the summary says.
struct Summary<'a> {
    span: &'a Span,
    report: &'a Report,
    counted: &'a Counted,
    hash: &'a str,
    made: Timestamp,
}

impl Summary<'_> {
    fn policy_sentence(&self) -> String {
        let seen = self.counted.policies.len();
        let same = if self.counted.policies.contains_key(self.hash) { "one of them" } else { "none of them" };
        format!(
            "Entries of these days were made under {seen} policies (policies.csv); the files in policy/, with the hash {}, \
             are {same}.",
            self.hash
        )
    }

    fn html(&self) -> String {
        let row = |name: &str, value: &str| format!("<tr><th>{}</th><td>{}</td></tr>\n", escaped(name), escaped(value));
        let list =
            |items: &[String]| items.iter().map(|item| format!("<li>{}</li>\n", escaped(item))).collect::<String>();
        let counted = self.counted;
        let mut rows = row("Days", &self.span.said) + &row("Made", &self.made.to_instant());
        for (name, count) in [
            ("Entries", counted.entries),
            ("Refusals", counted.refusals),
            ("Accesses that broke the glass", counted.break_glass),
            ("Entries about the bridge itself", counted.changes),
        ] {
            rows += &row(name, &count.to_string());
        }
        let counts = counted.by.iter().fold(String::new(), |text, ((kind, client, outcome), count)| {
            let cells = [kind.clone(), client.clone(), outcome.to_string(), count.to_string()];
            text + "<tr>" + &cells.map(|cell| format!("<td>{}</td>", escaped(&cell))).concat() + "</tr>\n"
        });
        let shards = self.report.shards.iter();
        let shards = shards.map(|shard| format!("{}: {} entries, root {}", shard.origin, shard.size, shard.root));
        format!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Evidence</title>\n<h1>Evidence</h1>\n\
             <table>\n{rows}</table>\n<h2>Verification</h2>\n<p>{}</p>\n<ul>\n{}{}</ul>\n<h2>Policy</h2>\n<p>{}</p>\n\
             <h2>Entries by kind, client and outcome</h2>\n<table>\n\
             <tr><th>kind</th><th>client</th><th>outcome</th><th>entries</th></tr>\n{counts}</table>\n</html>\n",
            escaped(&self.report.claim()),
            list(&shards.collect::<Vec<_>>()),
            list(&self.report.faults),
            escaped(&self.policy_sentence()),
        )
    }

    fn readme(&self) -> String {
        let files = FILES.iter().fold(String::new(), |text, (name, what)| text + &format!("- `{name}`: {what}\n"));
        format!(
            "# Evidence of {}\n\nMade {}. Plain files: a browser, a spreadsheet and a text editor are enough.\n\n{files}\
             - `SHA256SUMS`: digests of all of it; `sha256sum -c SHA256SUMS`\n\n{}\n\n{}\n\n\
             Entries are shown by their clear parts, which name no patient and no user. `origin`, `index` and `leafHash` say \
             where an entry stands in the log; any reader of C2SP tlog-tiles proves it against the checkpoint with the vkey. \
             Outcomes: 0 success, 4 the caller's fault, 8 the bridge's or the upstream's, 12 the bridge could not go on.\n",
            self.span.said,
            self.made.to_instant(),
            self.report.claim(),
            self.policy_sentence(),
        )
    }
}

fn write_checkpoints(out: &Path, reader: &LogReader) -> Result<(), String> {
    for shard in reader.shards() {
        let name = format!("checkpoints/{}", shard.checkpoint().origin.replace(['/', ':'], "_"));
        write(out, &format!("{name}/checkpoint"), &shard.note().to_string())?;
        write(out, &format!("{name}/vkey"), &format!("{}\n", shard.key()))?;
        if let Some(cosigned) = shard.cosigned() {
            write(out, &format!("{name}/cosigned"), &cosigned.to_string())?;
        }
    }
    Ok(())
}

/// Copies the policy; its hash.
fn write_policy(out: &Path, settings: &Settings) -> Result<String, String> {
    let faults = |faults: Vec<_>| bascule_policy::fault::render(&faults, "The pack is not complete.");
    let files = policy_folder::files(&settings.policy).map_err(|fault| faults(vec![*fault]))?;
    for file in &files {
        let name = Path::new(&file.name).file_name().unwrap_or_default().to_string_lossy();
        write(out, &format!("policy/{name}"), &file.text)?;
    }
    Ok(bascule_policy::Policy::load(&files).map_err(faults)?.hash().to_owned())
}

/// The policies of these days, as they were; which was in force since when; and how each came into force, with who approved it.
fn write_policies(out: &Path, store: &Store, counted: &Counted, span: &Span) -> Result<(), String> {
    let text = |error: StoreError| error.to_string();
    for hash in counted.policies.keys() {
        match store.kept_policy(hash) {
            Ok(files) if !files.is_empty() => {
                for (name, file) in files {
                    let name = Path::new(&name).file_name().unwrap_or_default().to_string_lossy().into_owned();
                    write(out, &format!("policies/{hash}/{name}"), &file)?;
                }
            }
            _ => write(out, &format!("policies/{hash}/NOT-KEPT"), "The files of this policy were not kept.\n")?,
        }
    }
    let mut in_force = "sequence,since,policy,change\n".to_owned();
    for one in store.policies_in_force().map_err(text)?.iter().filter(|one| one.at < span.until) {
        let change = one.change.map(|change| change.to_string()).unwrap_or_default();
        in_force += &format!("{},{},{},{change}\n", one.sequence, one.at.to_instant(), csv(&one.hash));
    }
    write(out, "in-force.csv", &in_force)?;
    let mut approvals =
        "change,kind,state,proposed,author,reason,decided,approver,reviewed,reviewed by,review,before,after\n"
            .to_owned();
    for one in store.policy_changes().map_err(text)?.iter().filter(|one| one.proposed < span.until) {
        let change = &one.change;
        let (when, by, words) =
            one.reviewed.clone().map_or_else(Default::default, |(at, by, words)| (at.to_instant(), by, words));
        let cells = [
            change.kind.name().to_owned(),
            one.state.name().to_owned(),
            one.proposed.to_instant(),
            change.author.clone(),
            change.reason.clone(),
            one.decided.map(Timestamp::to_instant).unwrap_or_default(),
            one.approver.clone().unwrap_or_default(),
            when,
            by,
            words,
            change.before.clone(),
            change.after.clone(),
        ];
        let cells: Vec<String> = cells.iter().map(|cell| csv(cell)).collect();
        approvals += &format!("{},{}\n", one.number, cells.join(","));
    }
    write(out, "approvals.csv", &approvals)
}

/// Alerts, and who has looked at them. Ids only, never values of records.
fn write_alerts(out: &Path, store: &Store, span: &Span) -> Result<(), String> {
    let alerts = store.alerts(false).map_err(|error| error.to_string())?;
    let mut text = "alert,at,rule,severity,client,said,acknowledged,by\n".to_owned();
    for one in alerts.iter().filter(|one| span.holds(one.alert.at)) {
        let (when, by) =
            one.acknowledged.as_ref().map_or_else(Default::default, |(at, by)| (at.to_instant(), by.clone()));
        let client = one.alert.client.clone().unwrap_or_default();
        let cells = [one.alert.at.to_instant(), one.alert.rule.clone(), one.alert.severity.clone(), client];
        let rest = [one.alert.said.clone(), when, by];
        let cells: Vec<String> = cells.iter().chain(&rest).map(|cell| csv(cell)).collect();
        text += &format!("{},{}\n", one.number, cells.join(","));
    }
    write(out, "alerts.csv", &text)
}

fn make_empty(out: &Path) -> Result<(), String> {
    std::fs::create_dir_all(out).map_err(failing(out, ""))?;
    match std::fs::read_dir(out).map_err(failing(out, ""))?.next() {
        None => Ok(()),
        Some(_) => Err(format!("{} is not empty; name a new folder", out.display())),
    }
}

fn write(out: &Path, name: &str, text: &str) -> Result<(), String> {
    let path = out.join(name);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failing(out, name))?;
    }
    std::fs::write(&path, text).map_err(failing(out, name))
}

fn failing(out: &Path, name: &str) -> impl FnOnce(std::io::Error) -> String {
    let path = out.join(name);
    move |error| format!("{}: {error}", path.display())
}

/// Digests of every file, as `sha256sum` reads them.
fn sums(out: &Path) -> Result<String, String> {
    let mut folders = vec![out.to_owned()];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(failing(&folder, ""))? {
            let path = entry.map_err(failing(&folder, ""))?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files.iter().try_fold(String::new(), |text, path| {
        let bytes = std::fs::read(path).map_err(failing(path, ""))?;
        let name = path.strip_prefix(out).unwrap_or(path).display();
        Ok(text + &format!("{}  {name}\n", hex::encode(sha256(&bytes))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_of_csv_is_quoted_and_never_a_formula() {
        assert_eq!(csv("app"), "app");
        assert_eq!(csv("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(csv("=1+1"), "'=1+1");
    }

    #[test]
    fn a_span_holds_both_of_its_days_and_no_more() {
        let span = Span::of("2026-11-01", "2026-11-02").unwrap();
        let at = |day| start_of_day(day).unwrap();
        assert!(span.holds(at("2026-11-01")) && span.holds(at("2026-11-03").plus_seconds(-1)));
        assert!(!span.holds(at("2026-11-03")) && !span.holds(at("2026-11-01").plus_seconds(-1)));
        assert!(Span::of("2026-11-02", "2026-11-01").is_err());
        assert!(Span::of("yesterday", "2026-11-01").is_err());
    }

    #[test]
    fn a_folder_with_something_in_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(make_empty(&folder.path().join("new")), Ok(()));
        assert!(make_empty(folder.path()).is_err());
    }

    #[test]
    fn the_sums_name_every_file_below_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a/b", "abc").unwrap();
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sums(folder.path()), Ok(format!("{digest}  a/b\n")));
    }
}

//! The log as syslog over TLS (RFC 5424 messages in RFC 5425 frames, a DICOM audit message in each), for a repository or a SIEM.
//!
//! Syslog has no acknowledgement, so a cursor says how far the receiver has read: it moves only after everything up to there was
//! written, the connection was closed on our side, and the receiver has closed its own. What is sent twice after an interruption
//! bears the same position. It is an export, never the record.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bascule_audit::syslog::{frame, syslog_messages};
use bascule_audit::{Entry, SystemEvent};
use bascule_store::Store;
use bascule_store::alert::NewAlert;
use bascule_store::keys::KeyStore;
use bascule_store::log::read::{Cursor, LogReader};
use bascule_store::log::{Log, LogError};
use bascule_wire::{Dialer, Identity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;

use crate::clock;
use crate::config::{Settings, Syslog};
use crate::house::log_settings;

/// Entries that are read and sent at a time.
const PART_ENTRIES: usize = 500;
/// How long name lookup, TCP and TLS may take, in milliseconds.
const CONNECT_TIMEOUT_MS: u64 = 10_000;
/// How long one write may take.
const WRITE_WAIT: Duration = Duration::from_secs(30);
/// How long a receiver may take to close after us. One that never closes is believed to have read what it did not refuse.
const CLOSE_WAIT: Duration = Duration::from_secs(5);
/// How often new entries are sent.
const EVERY: Duration = Duration::from_secs(5);
/// The longest rest after failures.
const REST_MAX: Duration = Duration::from_secs(300);
/// Failures in a row after which the alarm is raised.
const FAILURES_MAX: u32 = 2;

/// The way to a receiver.
pub(crate) struct Feed {
    dialer: Dialer,
    host: String,
    port: u16,
    /// This host's name in the messages.
    name: String,
    folder: PathBuf,
    keys: Arc<KeyStore>,
}

/// What was sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Sent {
    /// Where to go on from.
    pub(crate) cursor: Cursor,
    /// Entries.
    pub(crate) entries: u64,
}

/// Some of the log, as frames.
struct Part {
    frames: Vec<u8>,
    entries: u64,
    cursor: Cursor,
}

impl Feed {
    /// The feed of these settings; `None` if there is no receiver.
    ///
    /// # Errors
    /// Its certificates, or the keys of the log, cannot be read.
    pub(crate) fn new(settings: &Settings) -> Result<Option<Self>, String> {
        let Some(syslog) = &settings.audit.syslog else { return Ok(None) };
        let log = log_settings(settings);
        let keys = KeyStore::open(&log.keys_folder).map_err(|error| error.to_string())?;
        let name = settings.gateway.public_url.host_str().unwrap_or("bascule").to_owned();
        Self::to(syslog, &name, log.folder, Arc::new(keys)).map(Some)
    }

    fn to(syslog: &Syslog, name: &str, folder: PathBuf, keys: Arc<KeyStore>) -> Result<Self, String> {
        let identity = syslog.identity.as_ref().map(|(certificate_pem, key_pem)| Identity {
            certificate_pem: certificate_pem.clone(),
            key_pem: String::from_utf8_lossy(key_pem.expose()).into_owned(),
        });
        let dialer = Dialer::new(syslog.ca_pem.as_deref(), identity.as_ref(), CONNECT_TIMEOUT_MS)
            .map_err(|error| format!("[audit] syslog: {error}"))?;
        Ok(Self { dialer, host: syslog.host.clone(), port: syslog.port, name: name.to_owned(), folder, keys })
    }

    /// Sends everything from the cursor on. If that fails, nothing counts as sent.
    ///
    /// # Errors
    /// In words.
    pub(crate) async fn send(&self, from: &Cursor) -> Result<Sent, String> {
        let mut part = self.part(from).await?;
        let mut sent = Sent { cursor: from.clone(), entries: 0 };
        if part.entries == 0 {
            return Ok(sent);
        }
        let said = |error: std::io::Error| format!("{}:{}: {error}", self.host, self.port);
        let mut stream = self.dialer.dial(&self.host, self.port).await.map_err(said)?;
        while part.entries > 0 {
            let written = tokio::time::timeout(WRITE_WAIT, stream.write_all(&part.frames)).await;
            written.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())).map_err(said)?;
            sent = Sent { cursor: part.cursor.clone(), entries: sent.entries + part.entries };
            part = self.part(&part.cursor).await?;
        }
        stream.shutdown().await.map_err(said)?;
        let mut rest = [0; 256];
        match tokio::time::timeout(CLOSE_WAIT, stream.read(&mut rest)).await {
            Ok(Err(error)) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(said(error)),
            _ => Ok(sent),
        }
    }

    async fn part(&self, from: &Cursor) -> Result<Part, String> {
        let (folder, keys, name, from) = (self.folder.clone(), Arc::clone(&self.keys), self.name.clone(), from.clone());
        let read = move || -> Result<Part, LogError> {
            let mut part = Part { frames: Vec::new(), entries: 0, cursor: from.clone() };
            part.cursor = LogReader::open(&folder, keys)?.each(&from, |entry| {
                if part.entries >= PART_ENTRIES as u64 {
                    return Ok(false);
                }
                part.entries += 1;
                syslog_messages(&entry, &name).iter().for_each(|message| part.frames.extend(frame(message)));
                Ok(true)
            })?;
            Ok(part)
        };
        let read = tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?;
        read.map_err(|error| error.to_string())
    }
}

/// Sends what is new again and again, until the house stops.
pub(crate) async fn run(
    feed: Feed,
    cursor_file: PathBuf,
    log: Log,
    store: Arc<Store>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut cursor = read_cursor(&cursor_file);
    let mut failures: u32 = 0;
    let mut rest = EVERY;
    loop {
        tokio::select! {
            _stopped = stopped.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(rest) => {}
        }
        match feed.send(&cursor).await.and_then(|sent| keep_cursor(&cursor_file, &sent.cursor).map(|()| sent)) {
            Ok(sent) => {
                if failures >= FAILURES_MAX {
                    tell(&log, "silent", "feeding").await;
                }
                (cursor, failures, rest) = (sent.cursor, 0, EVERY);
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                rest = EVERY.saturating_mul(1 << failures.min(10)).min(REST_MAX);
                tracing::warn!(
                    error,
                    failures,
                    "the audit log cannot be sent as syslog; it is tried again from the same place"
                );
                if failures == FAILURES_MAX {
                    tell(&log, "feeding", "silent").await;
                    raise(&store);
                }
            }
        }
    }
}

async fn tell(log: &Log, from: &str, to: &str) {
    let event = SystemEvent::Changed { what: "syslog".to_owned(), from: from.to_owned(), to: to.to_owned() };
    if let Err(error) = log.append(Entry::system(&event, clock::now()), None).await {
        tracing::error!(%error, "the state of the syslog feed could not be logged");
    }
}

fn raise(store: &Store) {
    let alert = NewAlert {
        at: clock::now(),
        rule: "syslog-silent".to_owned(),
        severity: "medium".to_owned(),
        client: None,
        user: None,
        api: None,
        said: "the receiver of the audit log's syslog feed has not taken it twice in a row; nothing is lost, the log goes on".to_owned(),
    };
    if let Err(error) = store.raise_alert(&alert) {
        tracing::error!(%error, "an alert cannot be raised");
    }
}

/// The cursor of the last time; without one, the beginning.
fn read_cursor(file: &Path) -> Cursor {
    std::fs::read_to_string(file).ok().and_then(|text| Cursor::parse(&text)).unwrap_or_default()
}

fn keep_cursor(file: &Path, cursor: &Cursor) -> Result<(), String> {
    let unfinished = file.with_extension("new");
    let write = || {
        std::fs::write(&unfinished, format!("{cursor}\n"))?;
        std::fs::File::open(&unfinished)?.sync_all()?;
        std::fs::rename(&unfinished, file)
    };
    write().map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use bascule_audit::AccessFacts;
    use bascule_fhir::Timestamp;
    use bascule_store::log::LogSettings;
    use bascule_wire::tls::development;
    use bascule_wire::{ReloadableTls, TlsFiles, accept_tls};
    use tokio::net::TcpListener;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_550_400);

    /// A log of some entries, and how many there are in all.
    async fn log(root: &Path) -> (LogSettings, u64) {
        let settings = LogSettings::new(&root.join("data"), root.join("lock/lock.db"), "n1", "gw/audit");
        let log = Log::open(settings.clone(), NOW).unwrap();
        let mut last = 0;
        for number in 0..1_200 {
            let facts = AccessFacts { request_id: number.to_string(), status: 200, ..AccessFacts::default() };
            last = log.append(Entry::disclosure(facts, NOW), None).await.unwrap().index();
        }
        log.close(NOW).await.unwrap();
        (settings, last + 2)
    }

    /// Reads frames by octet counting; the positions of the entries in them.
    fn positions(mut bytes: &[u8]) -> Vec<u64> {
        let mut found = Vec::new();
        while let Some(space) = bytes.iter().position(|byte| *byte == b' ') {
            let length: usize = std::str::from_utf8(&bytes[..space]).unwrap().parse().unwrap();
            let Some(message) = bytes.get(space + 1..space + 1 + length) else { break };
            let text = std::str::from_utf8(message).unwrap();
            assert!(text.starts_with("<85>1 ") && text.contains("<AuditMessage>"), "{text}");
            let place = text.split("gw/audit/n1/2026q4 ").nth(1).unwrap();
            found.push(place.split(' ').next().unwrap().parse().unwrap());
            bytes = &bytes[space + 1 + length..];
        }
        found
    }

    /// A receiver that breaks off its first connections after so many bytes.
    async fn sink(
        tls: ReloadableTls,
        listener: TcpListener,
        breaks: Vec<usize>,
        got: tokio::sync::mpsc::Sender<Vec<u8>>,
    ) {
        let mut breaks = breaks.into_iter();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = accept_tls(&tls, stream).await else { continue };
            let mut bytes = Vec::new();
            match breaks.next() {
                Some(most) => {
                    let mut part = vec![0; most];
                    stream.read_exact(&mut part).await.unwrap();
                    bytes = part;
                    drop(stream);
                }
                None => {
                    let _ = stream.read_to_end(&mut bytes).await;
                    let _ = stream.shutdown().await;
                }
            }
            got.send(bytes).await.unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn after_interruptions_every_entry_has_arrived_and_the_cursor_never_runs_ahead() {
        let root = tempfile::tempdir().unwrap();
        let (settings, size) = log(root.path()).await;
        let made = development::ensure(&root.path().join("tls"), &["localhost"]).unwrap();
        let files =
            TlsFiles { certificate: made.certificate, key: made.key, client_ca: None, self_signed_clients: false };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (got, mut arrived) = tokio::sync::mpsc::channel(16);
        let receiving = tokio::spawn(sink(ReloadableTls::load(files).unwrap(), listener, vec![900, 400_000], got));
        let to = |ca_pem: String| Syslog { host: "localhost".into(), port, ca_pem: Some(ca_pem), identity: None };
        let keys = Arc::new(KeyStore::open(&settings.keys_folder).unwrap());
        let feed = Feed::to(&to(made.ca_pem.clone()), "gw", settings.folder.clone(), Arc::clone(&keys)).unwrap();
        let mut cursor = Cursor::default();
        let mut seen = BTreeSet::new();
        let mut failures = 0;
        while cursor.index < size {
            match feed.send(&cursor).await {
                Ok(sent) => cursor = sent.cursor,
                Err(_) => failures += 1,
            }
            while let Ok(bytes) = arrived.try_recv() {
                seen.extend(positions(&bytes));
            }
            // Never ahead of what has arrived: a receiver that broke off has not moved it.
            assert!((0..cursor.index).all(|index| seen.contains(&index)), "{cursor}");
            assert!(failures < 10);
        }
        assert_eq!(seen.len() as u64, size, "at least once, and nothing else");
        assert!(failures >= 1, "the receiver did break off");
        // From the end there is nothing to send, and from the middle only what follows.
        assert_eq!(feed.send(&cursor).await.unwrap().entries, 0);
        let middle = Cursor { index: 1_000, ..cursor.clone() };
        assert_eq!(feed.send(&middle).await.unwrap().entries, size - 1_000);
        // A receiver that does not prove its name gets nothing.
        let other = development::ensure(&root.path().join("other"), &["localhost"]).unwrap();
        let stranger = Feed::to(&to(other.ca_pem), "gw", settings.folder, keys).unwrap();
        assert!(stranger.send(&Cursor::default()).await.is_err());
        receiving.abort();
    }

    #[test]
    fn a_cursor_goes_round_through_its_file() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("syslog.cursor");
        assert_eq!(read_cursor(&file), Cursor::default());
        let cursor = Cursor { origin: "gw/audit/n1/2026q4".into(), index: 7 };
        keep_cursor(&file, &cursor).unwrap();
        assert_eq!(read_cursor(&file), cursor);
    }
}

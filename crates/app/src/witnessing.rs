//! The log's side of its witnesses: after new checkpoints each is asked, at a fixed cadence, to cosign; what it answers is kept
//! beside the checkpoint. A witness that is gone is asked less and less often; one that contradicts raises an alarm. None of it
//! keeps an answer waiting.
//!
//! Only origin, size and root leave the house. The cadence is fixed so that traffic cannot be read from it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bascule_audit::{Entry, SystemEvent};
use bascule_ledger::VerifierKey;
use bascule_ledger::witness::AddCheckpoint;
use bascule_store::Store;
use bascule_store::alert::NewAlert;
use bascule_store::log::read::ShardView;
use bascule_store::log::verify::shard_folders;
use bascule_store::log::{Log, log_of_logs};
use bascule_wire::{Client, ClientSettings, collect, full};
use http::{Request, StatusCode};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock;
use crate::config::{Settings, Witness};
use crate::house::log_settings;

/// Bytes of a witness's answer.
const ANSWER_BYTES_MAX: usize = 16_384;
/// How long a witness may take, in milliseconds.
const ANSWER_TIMEOUT_MS: u64 = 10_000;
/// A witness that is gone is asked again after at most so long.
const REST_MAX: Duration = Duration::from_secs(300);
/// Turns in a row without an answer after which the alarm is raised.
const SILENT_TURNS: u32 = 2;

/// One witness, and a way to it.
struct Asked {
    key: VerifierKey,
    url: String,
    client: Client,
}

/// What a witness made of one checkpoint.
enum Said {
    /// It cosigned: its answer.
    Cosigned(String),
    /// It is at another size.
    At(u64),
    /// It refuses, with that status.
    Refused(u16),
    /// There was no answer.
    Silent(String),
}

impl Asked {
    fn new(witness: &Witness) -> Result<Self, String> {
        let settings = ClientSettings {
            ca_pem: witness.ca_pem.clone(),
            answer_timeout_ms: ANSWER_TIMEOUT_MS,
            ..ClientSettings::default()
        };
        let client = Client::new(&settings).map_err(|error| format!("witness {}: {error}", witness.key.name()))?;
        let url = format!("{}/add-checkpoint", witness.url.as_str().trim_end_matches('/'));
        Ok(Self { key: witness.key.clone(), url, client })
    }

    /// Sends one request of C2SP tlog-witness.
    async fn ask(&self, request: &AddCheckpoint) -> Said {
        let body = full(request.to_string());
        let request =
            Request::post(&self.url).header(http::header::CONTENT_TYPE, "text/plain; charset=utf-8").body(body);
        let request = match request {
            Ok(request) => request,
            Err(error) => return Said::Silent(error.to_string()),
        };
        let answer = match self.client.send(request).await {
            Ok(answer) => answer,
            Err(error) => return Said::Silent(error.to_string()),
        };
        let status = answer.status();
        let text = match collect(answer.into_body(), ANSWER_BYTES_MAX).await {
            Ok(body) => String::from_utf8_lossy(&body).into_owned(),
            Err(error) => return Said::Silent(error.to_string()),
        };
        match status {
            StatusCode::OK => Said::Cosigned(text),
            StatusCode::CONFLICT => text.trim().parse().map_or(Said::Refused(409), Said::At),
            status if status.is_server_error() => Said::Silent(format!("status {status}")),
            status => Said::Refused(status.as_u16()),
        }
    }
}

/// How a witness stands to this log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It cosigns.
    Cosigns,
    /// It does not answer.
    Silent,
    /// It does not take the log's key, or does not know the log.
    Refuses(u16),
    /// It says, or its answer shows, that there are two histories.
    Contradicts(u16),
}

impl Standing {
    const fn word(self) -> &'static str {
        match self {
            Self::Cosigns => "cosigns",
            Self::Silent => "silent",
            Self::Refuses(_) => "refuses",
            Self::Contradicts(_) => "contradicts",
        }
    }

    const fn status(self) -> u16 {
        match self {
            Self::Cosigns => 200,
            Self::Silent => 0,
            Self::Refuses(status) | Self::Contradicts(status) => status,
        }
    }

    const fn alarm(self) -> Option<(&'static str, &'static str, &'static str)> {
        match self {
            Self::Cosigns => None,
            Self::Silent => {
                Some(("witness-silent", "medium", "it has not answered twice in a row; the log goes on without it"))
            }
            Self::Refuses(_) => Some((
                "witness-refuses",
                "medium",
                "it does not know this log or its key; give it the key of the present quarter (`bascule audit verify` shows it)",
            )),
            Self::Contradicts(_) => Some((
                "witness-contradicts",
                "high",
                "it has cosigned another history of this log, or its answers do not hold: the data folder was restored or copied, \
                 the log was rewritten, or the witness lies; keep both logs as evidence",
            )),
        }
    }
}

/// What is remembered of a witness between turns.
#[derive(Default)]
struct Memory {
    /// The size that it cosigned last, by origin.
    sizes: HashMap<String, u64>,
    /// Turns in a row without an answer.
    silent: u32,
    not_before: Option<Instant>,
    standing: Option<Standing>,
}

/// Asks the witnesses of a house.
pub(crate) struct Witnessing {
    log: Log,
    store: Arc<Store>,
    witnesses: Vec<Asked>,
    interval: Duration,
}

impl Witnessing {
    /// `None` if there are no witnesses.
    ///
    /// # Errors
    /// A witness's authorities cannot be read.
    pub(crate) fn new(settings: &Settings, log: Log, store: Arc<Store>) -> Result<Option<Self>, String> {
        let witnesses = settings.audit.witnesses.iter().map(Asked::new).collect::<Result<Vec<_>, _>>()?;
        let interval = Duration::from_secs(u64::from(settings.audit.witness_interval_seconds));
        Ok((!witnesses.is_empty()).then_some(Self { log, store, witnesses, interval }))
    }

    /// Asks once before the doors open. A witness that is gone stops nothing; one that has cosigned another history does.
    ///
    /// # Errors
    /// What to tell the operator.
    pub(crate) async fn at_start(&self) -> Result<(), String> {
        for witness in &self.witnesses {
            let mut memory = Memory::default();
            if let Standing::Contradicts(status) = self.turn(witness, &mut memory).await {
                self.tell(witness, Standing::Contradicts(status)).await;
                return Err(contradicted(witness.key.name(), &format!("status {status}")));
            }
        }
        Ok(())
    }

    /// Asks until the house stops, and once more then.
    pub(crate) async fn run(self, mut stopped: watch::Receiver<bool>) {
        let mut memories: Vec<Memory> = self.witnesses.iter().map(|_| Memory::default()).collect();
        loop {
            self.round(&mut memories).await;
            tokio::select! {
                _stopped = stopped.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(self.interval) => {}
            }
        }
    }

    async fn round(&self, memories: &mut [Memory]) {
        for (witness, memory) in self.witnesses.iter().zip(memories) {
            if memory.not_before.is_some_and(|at| Instant::now() < at) {
                continue;
            }
            let standing = self.turn(witness, memory).await;
            let standing = if standing == Standing::Silent {
                memory.silent = memory.silent.saturating_add(1);
                let rest = self.interval.saturating_mul(1 << memory.silent.saturating_sub(SILENT_TURNS).min(16));
                memory.not_before = Some(Instant::now() + rest.min(REST_MAX.max(self.interval)));
                if memory.silent < SILENT_TURNS {
                    continue;
                }
                standing
            } else {
                (memory.silent, memory.not_before) = (0, None);
                standing
            };
            // The first word of a witness that cosigns is no news.
            let news = memory.standing.map_or(standing != Standing::Cosigns, |before| before != standing);
            memory.standing = Some(standing);
            if news {
                self.tell(witness, standing).await;
            }
        }
    }

    /// Asks one witness about every checkpoint that it has not cosigned yet.
    async fn turn(&self, witness: &Asked, memory: &mut Memory) -> Standing {
        let mut standing = Standing::Cosigns;
        for folder in folders(&self.log) {
            // A shard whose tiles are being written this moment is asked about at the next turn.
            let Ok(view) = ShardView::open(&folder) else { continue };
            if view.cosigners(std::slice::from_ref(&witness.key)) > 0 {
                continue;
            }
            match cosigned(witness, &view, memory).await {
                Standing::Cosigns => {}
                Standing::Silent => return Standing::Silent,
                worse @ Standing::Contradicts(_) => return worse,
                refuses @ Standing::Refuses(_) => standing = refuses,
            }
        }
        standing
    }

    async fn tell(&self, witness: &Asked, standing: Standing) {
        let (name, now) = (witness.key.name(), clock::now());
        let state = standing.word().to_owned();
        tracing::warn!(witness = name, state, status = standing.status(), "a witness of the audit log");
        let event = SystemEvent::Witness { name: name.to_owned(), state, status: standing.status() };
        if let Err(error) = self.log.append(Entry::system(&event, now), None).await {
            tracing::error!(%error, "the state of a witness could not be logged");
        }
        let Some((rule, severity, why)) = standing.alarm() else { return };
        let alert = NewAlert {
            at: now,
            rule: rule.to_owned(),
            severity: severity.to_owned(),
            client: None,
            user: None,
            api: None,
            said: format!("witness {name}: {why}"),
        };
        if let Err(error) = self.store.raise_alert(&alert) {
            tracing::error!(%error, rule, "an alert cannot be raised");
        }
    }
}

/// Every log of the node that bears checkpoints.
fn folders(log: &Log) -> Vec<PathBuf> {
    let node = log.settings().folder.join(&log.settings().node);
    let mut folders = shard_folders(&node);
    folders.push(node.join(log_of_logs::FOLDER));
    folders
}

/// Asks for one checkpoint: from the size that the witness is believed to be at, then from the one that it says.
async fn cosigned(witness: &Asked, view: &ShardView, memory: &mut Memory) -> Standing {
    let origin = view.checkpoint().origin.clone();
    let mut old_size = memory.sizes.get(&origin).copied().unwrap_or(0);
    for _ in 0..2 {
        let request = match view.witness_request(old_size) {
            Ok(request) => request,
            // Tiles that are being replaced; the next turn finds them.
            Err(error) => {
                tracing::debug!(%error, origin, "no proof for a witness yet");
                return Standing::Cosigns;
            }
        };
        match witness.ask(&request).await {
            Said::Cosigned(answer) => {
                return match view.keep_cosignatures(&request, &answer, std::slice::from_ref(&witness.key)) {
                    Ok(_) => {
                        memory.sizes.insert(origin, view.checkpoint().size);
                        Standing::Cosigns
                    }
                    Err(error) => {
                        tracing::error!(%error, origin, "a witness's answer does not hold");
                        Standing::Contradicts(200)
                    }
                };
            }
            Said::At(size) if size > view.checkpoint().size || size == old_size => return Standing::Contradicts(409),
            Said::At(size) => {
                memory.sizes.insert(origin.clone(), size);
                old_size = size;
            }
            Said::Refused(status @ (409 | 422)) => return Standing::Contradicts(status),
            Said::Refused(status) => return Standing::Refuses(status),
            Said::Silent(why) => {
                tracing::info!(witness = witness.key.name(), why, "a witness does not answer");
                return Standing::Silent;
            }
        }
    }
    // It moved between the two questions: somebody else asks it in this log's name.
    Standing::Contradicts(409)
}

/// Before a house is opened, and anything signed: whether a witness has cosigned more of its log than was ever signed here. Then
/// this is a restored backup, or a copy.
///
/// # Errors
/// What to tell the operator.
pub(crate) async fn before_opening(settings: &Settings) -> Result<(), String> {
    if settings.audit.witnesses.is_empty() {
        return Ok(());
    }
    let signed = bascule_store::log::last_signed(&log_settings(settings)).map_err(|error| error.to_string())?;
    for witness in &settings.audit.witnesses {
        let asked = Asked::new(witness)?;
        for note in &signed {
            let Ok(checkpoint) = bascule_ledger::Checkpoint::parse(&note.text) else { continue };
            // From size 0 no proof is needed; a witness that has cosigned before answers with its size.
            let request = AddCheckpoint { old_size: 0, proof: Vec::new(), checkpoint: note.clone() };
            match asked.ask(&request).await {
                Said::At(size) if size > checkpoint.size => {
                    let why = format!(
                        "it cosigned {size} entries of {}, and {} were signed here",
                        checkpoint.origin, checkpoint.size
                    );
                    return Err(contradicted(witness.key.name(), &why));
                }
                Said::Silent(why) => {
                    tracing::warn!(
                        witness = witness.key.name(),
                        why,
                        "a witness does not answer; the log opens without its word"
                    );
                    break;
                }
                Said::Cosigned(_) | Said::At(_) | Said::Refused(_) => {}
            }
        }
    }
    Ok(())
}

fn contradicted(witness: &str, why: &str) -> String {
    format!(
        "witness {witness} contradicts this log ({why}): the data folder is a restored backup or a copy, or the log was rewritten; \
         nothing is served. Mend: bring back the newest data folder; if there is none, begin a log under a new node name and keep \
         this one as evidence. If it is the witness that is wrong, take it out of [audit] witness"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_contradiction_is_a_high_alarm_and_cosigning_is_none() {
        assert!(Standing::Cosigns.alarm().is_none());
        assert_eq!(Standing::Silent.alarm().unwrap().1, "medium");
        assert_eq!(Standing::Refuses(404).alarm().unwrap().1, "medium");
        assert_eq!(Standing::Contradicts(422).alarm().unwrap().1, "high");
    }
}

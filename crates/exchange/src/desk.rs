//! The desk: a frame comes in, an acknowledgement goes out, and between them the message is on the disk.

use std::sync::Arc;

use bascule_crypto::Secret;
use bascule_crypto::digest::{hmac_sha256, sha256};
use bascule_fhir::Timestamp;
use bascule_hl7::{
    Acknowledge, AcknowledgementCode, ErrorPlace, Fault, Limits, Message, MessageKind, WhenToAcknowledge, Wishes, split,
};
use bascule_store::delivery::{NewDelivery, Put, Queue};
use tokio::sync::Notify;

use crate::event::{Event, Record};
use crate::map::{MapFault, Partner, needs};
use crate::rules::Rules;

/// The desk of one partner.
pub struct Desk {
    /// The partner.
    pub partner: Partner,
    /// What it may send.
    pub rules: Rules,
    /// How large its messages may be.
    pub limits: Limits,
    /// Where messages are kept.
    pub queue: Arc<Queue>,
    /// The key of patients' blind names.
    pub blind: Secret,
    /// The log.
    pub record: Record,
    /// The clock.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Rung when something is to be delivered.
    pub bell: Arc<Notify>,
}

/// Why a message is not taken.
struct Refusal {
    /// The message is at fault, and will be so when it is sent again.
    is_final: bool,
    code: &'static str,
    location: String,
    text: String,
}

impl Desk {
    /// Takes in what a frame holds, one message or a batch; gives the acknowledgement that the sender wants, if it wants one.
    pub async fn receive(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let batches = match split(frame) {
            Ok(batches) => batches,
            Err(fault) => {
                self.say("refused", "?", frame, &fault.to_string()).await.ok();
                return None;
            }
        };
        if let Err(fault) = batches.check() {
            self.say("refused", "?", frame, &fault.to_string()).await.ok();
            return self.batch_refused(batches.messages(), &fault);
        }
        let mut answers = Vec::new();
        let mut count = 0_usize;
        for message in batches.messages() {
            count = count.saturating_add(1);
            answers.extend(self.one(message).await.unwrap_or_default());
        }
        let is_batch = batches.pieces.len() > count;
        match (is_batch, answers.is_empty()) {
            (_, true) => None,
            (false, _) => Some(answers),
            (true, _) => Some([b"BHS|^~\\&\r".as_slice(), &answers, format!("BTS|{count}\r").as_bytes()].concat()),
        }
    }

    /// Nothing of a batch that was cut off or miscounted is taken: its sender sends it whole.
    fn batch_refused<'b>(&self, mut messages: impl Iterator<Item = &'b [u8]>, fault: &Fault) -> Option<Vec<u8>> {
        let first = Message::read(messages.next()?, &self.limits).ok()?;
        let refusal = Refusal { is_final: true, code: "100", location: String::new(), text: fault.to_string() };
        self.refused(&first, &refusal)
    }

    async fn one(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let message = match Message::read(bytes, &self.limits) {
            Ok(message) => message,
            Err(fault) => return self.unreadable(bytes, &fault).await,
        };
        let kind = message.kind().map_or_else(|_| "?".to_owned(), |kind| kind.to_string());
        match self.take(&message, bytes).await {
            Ok(()) => {
                if let Err(error) = self.say("received", &kind, bytes, "").await {
                    tracing::error!(error, "a message could not be logged, and is not acknowledged");
                    return self.refused(&message, &busy());
                }
                self.bell.notify_one();
                self.accepted(&message)
            }
            Err(refusal) => {
                self.say("refused", &kind, bytes, &refusal.text).await.ok();
                self.refused(&message, &refusal)
            }
        }
    }

    /// Bytes that are no message still get an answer if their first line says who sent them.
    async fn unreadable(&self, bytes: &[u8], fault: &Fault) -> Option<Vec<u8>> {
        self.say("refused", "?", bytes, &fault.to_string()).await.ok();
        let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).find(|line| !line.is_empty())?;
        let header = Message::read(line, &self.limits).ok()?;
        let location = match fault {
            Fault::SegmentName { number, .. } | Fault::NotInCharset { number, .. } => format!("?^{number}"),
            _ => String::new(),
        };
        self.refused(&header, &Refusal { is_final: true, code: "100", location, text: fault.to_string() })
    }

    async fn take(&self, message: &Message<'_>, bytes: &[u8]) -> Result<(), Refusal> {
        let kind = message.kind().map_err(|fault| Refusal::message(&fault))?;
        let control_id = message.control_id().map_err(|fault| Refusal::message(&fault))?;
        if let Some((code, text)) = self.rules.refusal(message, &kind) {
            return Err(Refusal { is_final: code != "103", code, location: String::new(), text });
        }
        let needs = needs(message, &self.partner).map_err(|fault| Refusal::mapping(&fault))?;
        let patient =
            needs.patient.first().map(|number| format!("{}|{}", number.system, number.value)).unwrap_or_default();
        let kept = self.keep(&kind, control_id, &patient, bytes).await;
        match kept {
            Ok(Put::Kept | Put::SentAgain) => Ok(()),
            Ok(Put::OtherContent) => Err(Refusal {
                is_final: true,
                code: "205",
                location: "MSH^1^10".to_owned(),
                text: "MSH-10: another message came under this control id; give each its own".to_owned(),
            }),
            Ok(Put::Full) => Err(busy()),
            Err(error) => {
                tracing::error!(error, "a message could not be kept");
                Err(busy())
            }
        }
    }

    async fn keep(&self, kind: &MessageKind, control_id: String, patient: &str, bytes: &[u8]) -> Result<Put, String> {
        let message = NewDelivery {
            partner: self.partner.name.clone(),
            control_id,
            kind: kind.to_string(),
            subject: hmac_sha256(&self.blind, patient.as_bytes()),
            digest: sha256(bytes),
            received: (self.clock)(),
            bytes: bytes.to_vec(),
        };
        let queue = Arc::clone(&self.queue);
        let kept =
            tokio::task::spawn_blocking(move || queue.put(&[message])).await.map_err(|error| error.to_string())?;
        let puts = kept.map_err(|error| error.to_string())?;
        puts.first().copied().ok_or_else(|| "the queue answered nothing".to_owned())
    }

    async fn say(&self, act: &'static str, kind: &str, bytes: &[u8], said: &str) -> Result<(), String> {
        let digest = hex::encode(sha256(bytes));
        (self.record)(Event {
            partner: self.partner.name.clone(),
            act,
            kind: kind.to_owned(),
            digest,
            said: said.to_owned(),
        })
        .await
    }

    /// In original mode an application acknowledgement, in enhanced mode a commit acknowledgement: the chart is reached later.
    fn accepted(&self, message: &Message<'_>) -> Option<Vec<u8>> {
        let code = match Wishes::of(message) {
            Wishes::Original => AcknowledgementCode::ApplicationAccept,
            Wishes::Enhanced { commit, .. } => wanted(commit, AcknowledgementCode::CommitAccept)?,
        };
        Some(self.acknowledge(message, code, &[]))
    }

    fn refused(&self, message: &Message<'_>, refusal: &Refusal) -> Option<Vec<u8>> {
        let (original, enhanced) = if refusal.is_final {
            (AcknowledgementCode::ApplicationError, AcknowledgementCode::CommitError)
        } else {
            (AcknowledgementCode::ApplicationReject, AcknowledgementCode::CommitReject)
        };
        let code = match Wishes::of(message) {
            Wishes::Original => original,
            Wishes::Enhanced { commit, .. } => wanted(commit, enhanced)?,
        };
        let place = ErrorPlace { location: refusal.location.clone(), code: refusal.code, text: refusal.text.clone() };
        Some(self.acknowledge(message, code, &[place]))
    }

    fn acknowledge(&self, message: &Message<'_>, code: AcknowledgementCode, errors: &[ErrorPlace]) -> Vec<u8> {
        let now = (self.clock)();
        let time: String = now.to_instant().chars().filter(char::is_ascii_digit).take(14).collect();
        let control_id = bascule_store::random::id().unwrap_or_else(|_| now.micros().to_string());
        let control_id = control_id.get(..20).unwrap_or(&control_id);
        Acknowledge { code, control_id, time: &format!("{time}+0000"), errors }.of(message)
    }
}

fn wanted(when: WhenToAcknowledge, code: AcknowledgementCode) -> Option<AcknowledgementCode> {
    when.wants(code).then_some(code)
}

/// The house cannot take it now; the sender keeps it and tries again.
fn busy() -> Refusal {
    let text = "the message could not be kept now; keep it and send it again later".to_owned();
    Refusal { is_final: false, code: "207", location: String::new(), text }
}

impl Refusal {
    fn message(fault: &Fault) -> Self {
        let location = match fault {
            Fault::Missing { path, .. } => place(path),
            _ => String::new(),
        };
        Self { is_final: true, code: "101", location, text: fault.to_string() }
    }

    fn mapping(fault: &MapFault) -> Self {
        match fault {
            MapFault::Message(fault) => Self::message(fault),
            MapFault::Kind { .. } => {
                Self { is_final: true, code: "200", location: "MSH^1^9".to_owned(), text: fault.to_string() }
            }
            MapFault::Content { path, .. } => {
                Self { is_final: true, code: "101", location: place(path), text: fault.to_string() }
            }
            MapFault::UnknownPatient => {
                Self { is_final: true, code: "204", location: "PID^1^3".to_owned(), text: fault.to_string() }
            }
        }
    }
}

/// `PID-3.1` as ERR-2 writes it: `PID^1^3^1^1`.
fn place(path: &str) -> String {
    let (segment, rest) = path.split_once('-').unwrap_or((path, ""));
    match rest.split_once('.') {
        _ if rest.is_empty() => format!("{segment}^1"),
        Some((field, component)) => format!("{segment}^1^{field}^1^{component}"),
        None => format!("{segment}^1^{rest}"),
    }
}

//! The texts and the rule of C2SP `tlog-witness`: what a log sends, what a witness answers, and why.
//! The HTTP around it stands in a door; the witness's memory in its store.

use crate::LedgerError;
use crate::checkpoint::{Checkpoint, parse_decimal};
use crate::cosignature::{cosign, verify_cosignature};
use crate::hash::Hash;
use crate::note::{Note, NoteSigner, Signature, VerifierKey};
use crate::proof::verify_consistency;

/// Hashes that a request may carry.
pub const PROOF_HASHES_MAX: usize = 63;

/// What a log asks: to cosign `checkpoint`, which grew from `old_size`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the witness cosigned last, as the log believes.
    pub old_size: u64,
    /// The consistency proof from there.
    pub proof: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: Note,
}

impl AddCheckpoint {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// `Malformed`, which a witness answers with 400.
    pub fn parse(text: &str) -> Result<Self, LedgerError> {
        let malformed = |why| LedgerError::malformed("add-checkpoint request", why);
        let (head, note) = text.split_once("\n\n").ok_or_else(|| malformed("no checkpoint"))?;
        let mut lines = head.split('\n');
        let old_size = lines
            .next()
            .and_then(|line| line.strip_prefix("old "))
            .and_then(parse_decimal)
            .ok_or_else(|| malformed("no old size"))?;
        let proof: Vec<Hash> = lines.take(PROOF_HASHES_MAX + 1).map(Hash::from_base64).collect::<Result<_, _>>()?;
        if proof.len() > PROOF_HASHES_MAX {
            return Err(malformed("too many hashes"));
        }
        Ok(Self { old_size, proof, checkpoint: Note::parse(note)? })
    }
}

impl std::fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400
    #[error("bad request: {0}")]
    BadRequest(LedgerError),
    /// 404: none of the logs that this witness watches.
    #[error("unknown log")]
    UnknownLog,
    /// 403: not signed by the log's key.
    #[error("not signed by the log")]
    NotSigned,
    /// 409: the witness is at another size than the log believes. The body tells which.
    #[error("the witness is at size {0}")]
    OtherSize(u64),
    /// 422: the same size with another root. Two histories: evidence to keep.
    #[error("the same size with another root")]
    OtherRoot,
    /// 422: the proof does not hold. Two histories, or a broken log: evidence to keep.
    #[error("the log did not grow from what was cosigned")]
    Inconsistent,
}

impl Refusal {
    /// The status code of the protocol.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::NotSigned => 403,
            Self::UnknownLog => 404,
            Self::OtherSize(_) => 409,
            Self::OtherRoot | Self::Inconsistent => 422,
        }
    }

    /// Whether the request, signed by the log, proves that the log misbehaved.
    #[must_use]
    pub const fn is_evidence(&self) -> bool {
        matches!(self, Self::OtherRoot | Self::Inconsistent)
    }
}

/// The rule of a witness: `keys` are the logs that it watches, `last` is what it cosigned last for an origin.
/// What comes back must be made durable, in the same transaction as the look at `last`, before it is cosigned.
///
/// # Errors
/// The refusal to answer with.
pub fn consider(
    request: &AddCheckpoint,
    keys: &[VerifierKey],
    last: impl FnOnce(&str) -> Option<Checkpoint>,
) -> Result<Checkpoint, Refusal> {
    let checkpoint = Checkpoint::parse(&request.checkpoint.text).map_err(Refusal::BadRequest)?;
    let mut of_log = keys.iter().filter(|key| key.name() == checkpoint.origin).peekable();
    of_log.peek().ok_or(Refusal::UnknownLog)?;
    if !of_log.any(|key| request.checkpoint.verify(key).is_ok()) {
        return Err(Refusal::NotSigned);
    }
    if request.old_size > checkpoint.size {
        return Err(Refusal::BadRequest(LedgerError::malformed("add-checkpoint request", "the old size is larger")));
    }
    let (size, root) = last(&checkpoint.origin).map_or((0, Hash::empty_root()), |last| (last.size, last.root));
    if size != request.old_size {
        return Err(Refusal::OtherSize(size));
    }
    if size == checkpoint.size && root != checkpoint.root {
        return Err(Refusal::OtherRoot);
    }
    verify_consistency(size, root, checkpoint.size, checkpoint.root, &request.proof)
        .map_err(|_| Refusal::Inconsistent)?;
    Ok(checkpoint)
}

/// The answer of a witness that has made the checkpoint durable: one signature line.
///
/// # Errors
/// `Malformed` if the signer is no witness's key.
pub fn answer(request: &AddCheckpoint, signer: &NoteSigner, seconds: u64) -> Result<String, LedgerError> {
    Ok(cosign(signer, &request.checkpoint.text, seconds)?.line())
}

/// Reads a witness's answer: the lines of `keys` that hold, each with its time. Lines of other keys are passed over.
///
/// # Errors
/// `Unsigned` if none holds.
pub fn accept(answer: &str, checkpoint: &Note, keys: &[VerifierKey]) -> Result<Vec<(Signature, u64)>, LedgerError> {
    let lines = answer.lines().filter_map(|line| Signature::parse(line).ok());
    let holding: Vec<_> = lines
        .filter_map(|line| {
            let time = keys.iter().find_map(|key| verify_cosignature(&line, &checkpoint.text, key).ok());
            time.map(|time| (line, time))
        })
        .collect();
    if holding.is_empty() { Err(LedgerError::Unsigned("the witness".to_owned())) } else { Ok(holding) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::KeyKind;
    use crate::proof::prove_consistency;
    use crate::tiles::TileReader;
    use crate::tiles::tests::MemoryLog;
    use bascule_crypto::Secret;

    fn log_key() -> NoteSigner {
        NoteSigner::from_seed("log", KeyKind::Ed25519, &Secret::new([1; 32])).unwrap()
    }

    fn checkpoint(log: &MemoryLog) -> Checkpoint {
        Checkpoint { origin: "log".into(), size: log.tiler.size(), root: log.tiler.root() }
    }

    fn request(log: &MemoryLog, old_size: u64) -> AddCheckpoint {
        let reader = TileReader::new(log.tiler.size(), log.read());
        let proof = prove_consistency(&reader, old_size.min(log.tiler.size())).unwrap();
        AddCheckpoint { old_size, proof, checkpoint: checkpoint(log).sign(&log_key()) }
    }

    fn check(request: &AddCheckpoint, last: Option<Checkpoint>, expect: Result<u64, u16>) {
        let read = AddCheckpoint::parse(&request.to_string()).unwrap();
        assert_eq!(&read, request);
        let outcome = consider(&read, &[log_key().verifier().clone()], |_| last);
        assert_eq!(outcome.map(|checkpoint| checkpoint.size).map_err(|refusal| refusal.status()), expect);
    }

    #[test]
    fn a_growing_log_is_cosigned() {
        let (old, new) = (MemoryLog::of_size(1000), MemoryLog::of_size(1700));
        check(&request(&old, 0), None, Ok(1000));
        check(&request(&new, 1000), Some(checkpoint(&old)), Ok(1700));
        check(&request(&new, 1700), Some(checkpoint(&new)), Ok(1700));
    }

    #[test]
    fn a_rewritten_or_rolled_back_or_foreign_log_is_not() {
        let old = MemoryLog::of_size(1000);
        let mut rewritten = MemoryLog::default();
        (0..1700).for_each(|index| rewritten.append(format!("other {index}").as_bytes()));
        rewritten.publish();
        check(&request(&rewritten, 1000), Some(checkpoint(&old)), Err(422));
        let same_size = MemoryLog::of_size(1700);
        check(&request(&rewritten, 1700), Some(checkpoint(&same_size)), Err(422));
        check(&request(&MemoryLog::of_size(900), 900), Some(checkpoint(&old)), Err(409));
        check(&request(&old, 2000), None, Err(400));
        let mut unsigned = request(&old, 0);
        unsigned.checkpoint.text.push_str("extension\n");
        check(&unsigned, None, Err(403));
        let foreign = Checkpoint { origin: "elsewhere".into(), ..checkpoint(&old) };
        check(&AddCheckpoint { checkpoint: foreign.sign(&log_key()), ..request(&old, 0) }, None, Err(404));
    }

    #[test]
    fn the_answer_is_accepted_only_if_it_holds() {
        let request = request(&MemoryLog::of_size(10), 0);
        let witness = NoteSigner::from_seed("w", KeyKind::CosignatureEd25519, &Secret::new([2; 32])).unwrap();
        let keys = [witness.verifier().clone()];
        let text = answer(&request, &witness, 77).unwrap();
        assert_eq!(accept(&text, &request.checkpoint, &keys).unwrap()[0].1, 77);
        let other = AddCheckpoint { checkpoint: checkpoint(&MemoryLog::of_size(9)).sign(&log_key()), ..request };
        assert!(accept(&text, &other.checkpoint, &keys).is_err());
        assert!(accept("garbage", &other.checkpoint, &keys).is_err());
    }
}

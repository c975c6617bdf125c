//! The write-ahead log: segments of batches. A batch is one write and one sync; what stands before a later batch was
//! durable when that one was written, so damage there is corruption, and only the last batch can be torn.
//!
//! ```text
//! segment  "BASCWAL1" number:u64 shard:u32 flags:u32 first:u64 crc:u32
//! batch    "BBAT" bytes:u32 records:u32 number:u64 previous-crc:u32 crc:u32 body
//! record   kind:u8 bytes:u32 body
//! ```

use bascule_audit::{EntryId, KeyId};

use super::shard::Shard;
use crate::keys::NewKey;

pub(crate) const SEGMENT_HEAD_BYTES: usize = 36;
const BATCH_HEAD_BYTES: usize = 28;
const SEGMENT_MAGIC: &[u8; 8] = b"BASCWAL1";
const BATCH_MAGIC: &[u8; 4] = b"BBAT";
const FLAG_RESTART: u32 = 1;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    /// An entry of the tree.
    Entry { index: u64, closes: Option<EntryId>, bytes: Vec<u8> },
    /// An intent, open until an entry closes it.
    Intent { id: EntryId, bytes: Vec<u8> },
    /// A key, before it is in the key store.
    Key(NewKey),
}

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHead {
    pub(crate) number: u64,
    pub(crate) shard: Shard,
    /// Whether it holds all that is needed of the segments before it.
    pub(crate) restart: bool,
    /// The first index that it may hold.
    pub(crate) first: u64,
}

impl SegmentHead {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut bytes = SEGMENT_MAGIC.to_vec();
        bytes.extend(self.number.to_le_bytes());
        bytes.extend(self.shard.number().to_le_bytes());
        bytes.extend(u32::from(self.restart).to_le_bytes());
        bytes.extend(self.first.to_le_bytes());
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, _) = bytes.split_at_checked(SEGMENT_HEAD_BYTES)?;
        let (head, crc) = head.split_last_chunk::<4>()?;
        if crc32c::crc32c(head) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut reader = Reader(head.strip_prefix(SEGMENT_MAGIC)?);
        let (number, shard, flags, first) = (reader.u64()?, reader.u32()?, reader.u32()?, reader.u64()?);
        Some(Self { number, shard: Shard::from_number(shard)?, restart: flags & FLAG_RESTART != 0, first })
    }
}

/// Where the chain of batches stands: the next batch's number, and the checksum of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Chain {
    pub(crate) next: u64,
    pub(crate) previous: u32,
}

/// A batch, as it is written.
pub(crate) fn encode_batch(chain: &mut Chain, records: &[Record]) -> Vec<u8> {
    let mut bytes = vec![0; BATCH_HEAD_BYTES];
    records.iter().for_each(|record| encode_record(&mut bytes, record));
    let body = u32::try_from(bytes.len() - BATCH_HEAD_BYTES).unwrap_or(u32::MAX);
    let mut head = BATCH_MAGIC.to_vec();
    head.extend(body.to_le_bytes());
    head.extend(u32::try_from(records.len()).unwrap_or(u32::MAX).to_le_bytes());
    head.extend(chain.next.to_le_bytes());
    head.extend(chain.previous.to_le_bytes());
    let (_, written) = bytes.split_at(BATCH_HEAD_BYTES);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&head), written);
    head.extend(crc.to_le_bytes());
    if let Some(place) = bytes.get_mut(..BATCH_HEAD_BYTES) {
        place.copy_from_slice(&head);
    }
    *chain = Chain { next: chain.next + 1, previous: crc };
    bytes
}

fn encode_record(bytes: &mut Vec<u8>, record: &Record) {
    let start = bytes.len();
    bytes.extend([0; 5]);
    let kind = match record {
        Record::Entry { index, closes, bytes: entry } => {
            bytes.extend(index.to_le_bytes());
            bytes.extend(closes.map_or([0; 16], |id| id.0));
            bytes.extend(entry);
            1
        }
        Record::Intent { id, bytes: entry } => {
            bytes.extend(id.0);
            bytes.extend(entry);
            2
        }
        Record::Key(key) => {
            bytes.extend(key.id.0);
            bytes.extend(u32::try_from(key.name.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend(&key.name);
            bytes.extend(&key.wrapped);
            3
        }
    };
    let length = u32::try_from(bytes.len() - start - 5).unwrap_or(u32::MAX);
    if let Some(place) = bytes.get_mut(start..start + 5) {
        place.copy_from_slice(&[&[kind], length.to_le_bytes().as_slice()].concat());
    }
}

/// What was found in a segment.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) head: Option<SegmentHead>,
    pub(crate) records: Vec<Record>,
    /// Bytes of a torn last batch.
    pub(crate) torn_bytes: usize,
}

/// Damage that is not a torn last batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("damaged at byte {at}, before a batch that was written after it")]
pub(crate) struct Damaged {
    pub(crate) at: usize,
}

/// Reads a segment. `chain` is where the segments before it ended; `None` for the first that is read. `last` says that
/// no later segment follows, so its end may be torn.
pub(crate) fn read_segment(bytes: &[u8], chain: &mut Option<Chain>, last: bool) -> Result<Read, Damaged> {
    let Some(head) = SegmentHead::decode(bytes) else {
        let sound = !last || any_batch_from(bytes, chain.map_or(0, |chain| chain.next));
        return if sound {
            Err(Damaged { at: 0 })
        } else {
            Ok(Read { head: None, records: vec![], torn_bytes: bytes.len() })
        };
    };
    let mut records = Vec::new();
    let mut at = SEGMENT_HEAD_BYTES;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let batch = decode_batch(rest).filter(|batch| chain.is_none_or(|chain| batch.follows(chain)));
        let Some(batch) = batch else {
            let next = chain.map_or(0, |chain| chain.next);
            if !last || any_batch_from(rest, next) {
                return Err(Damaged { at });
            }
            return Ok(Read { head: Some(head), records, torn_bytes: rest.len() });
        };
        *chain = Some(Chain { next: batch.number + 1, previous: batch.crc });
        at += batch.bytes;
        records.extend(batch.records);
    }
    Ok(Read { head: Some(head), records, torn_bytes: 0 })
}

/// Reads batches as long as each follows the one before, and tells how many bytes they take. What comes after may be anything but
/// a sound batch of this chain, whose numbers lie below `end`.
pub(crate) fn read_chain(bytes: &[u8], chain: &mut Chain, end: u64) -> Result<(Vec<Record>, usize), Damaged> {
    let mut records = Vec::new();
    let mut at = 0;
    while let Some(batch) = bytes.get(at..).and_then(decode_batch).filter(|batch| batch.follows(*chain)) {
        *chain = Chain { next: batch.number + 1, previous: batch.crc };
        at += batch.bytes;
        records.extend(batch.records);
    }
    let rest = bytes.get(at..).unwrap_or_default();
    if batches(rest).any(|batch| batch.number >= chain.next && batch.number < end) {
        return Err(Damaged { at });
    }
    Ok((records, at))
}

struct Batch {
    number: u64,
    previous: u32,
    crc: u32,
    bytes: usize,
    records: Vec<Record>,
}

impl Batch {
    const fn follows(&self, chain: Chain) -> bool {
        self.number == chain.next && self.previous == chain.previous
    }
}

/// Whether a sound batch of that number or a later one begins anywhere in `bytes`.
fn any_batch_from(bytes: &[u8], number: u64) -> bool {
    batches(bytes).any(|batch| batch.number >= number)
}

/// Every sound batch that begins anywhere in `bytes`.
fn batches(bytes: &[u8]) -> impl Iterator<Item = Batch> {
    let starts = bytes.windows(BATCH_MAGIC.len()).enumerate().filter(|(_, window)| *window == BATCH_MAGIC);
    starts.filter_map(|(place, _)| bytes.get(place..).and_then(decode_batch))
}

fn decode_batch(bytes: &[u8]) -> Option<Batch> {
    let mut reader = Reader(bytes.strip_prefix(BATCH_MAGIC)?);
    let (length, count, number, previous, crc) =
        (reader.u32()?, reader.u32()?, reader.u64()?, reader.u32()?, reader.u32()?);
    let (body, _) = reader.0.split_at_checked(usize::try_from(length).ok()?)?;
    let head = bytes.get(..BATCH_HEAD_BYTES - 4)?;
    if crc32c::crc32c_append(crc32c::crc32c(head), body) != crc {
        return None;
    }
    let mut records = Vec::new();
    let mut body = Reader(body);
    for _ in 0..count {
        records.push(decode_record(&mut body)?);
    }
    Some(Batch { number, previous, crc, bytes: BATCH_HEAD_BYTES + usize::try_from(length).ok()?, records })
}

fn decode_record(reader: &mut Reader<'_>) -> Option<Record> {
    let kind = reader.take(1)?;
    let length = reader.u32()?;
    let mut body = Reader(reader.take(usize::try_from(length).ok()?)?);
    match kind {
        [1] => {
            let index = body.u64()?;
            let closes = body.id()?;
            let closes = (closes != [0; 16]).then_some(EntryId(closes));
            Some(Record::Entry { index, closes, bytes: body.0.to_vec() })
        }
        [2] => Some(Record::Intent { id: EntryId(body.id()?), bytes: body.0.to_vec() }),
        [3] => {
            let id = KeyId(body.id()?);
            let name = body.u32()?;
            let name = body.take(usize::try_from(name).ok()?)?.to_vec();
            Some(Record::Key(NewKey { name, id, wrapped: body.0.to_vec() }))
        }
        _ => None,
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn id(&mut self) -> Option<[u8; 16]> {
        self.array()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> SegmentHead {
        SegmentHead { number: 7, shard: Shard::from_number(8107).unwrap(), restart: true, first: 256 }
    }

    fn records(seed: u8) -> Vec<Record> {
        vec![
            Record::Entry { index: u64::from(seed), closes: None, bytes: vec![seed; 40] },
            Record::Entry { index: 9, closes: Some(EntryId([seed + 1; 16])), bytes: vec![] },
            Record::Intent { id: EntryId([seed; 16]), bytes: b"intent".to_vec() },
            Record::Key(NewKey { name: b"name".to_vec(), id: KeyId([3; 16]), wrapped: vec![4; 60] }),
        ]
    }

    /// A segment of three batches, and where each begins.
    fn segment() -> (Vec<u8>, Vec<usize>) {
        let mut chain = Chain { next: 5, previous: 1 };
        let mut bytes = head().encode();
        let mut starts = Vec::new();
        for seed in 1..=3 {
            starts.push(bytes.len());
            bytes.extend(encode_batch(&mut chain, &records(seed)));
        }
        (bytes, starts)
    }

    #[test]
    fn a_segment_goes_round() {
        let (bytes, _) = segment();
        let mut chain = Some(Chain { next: 5, previous: 1 });
        let read = read_segment(&bytes, &mut chain, true).unwrap();
        assert_eq!((read.head, read.torn_bytes), (Some(head()), 0));
        assert_eq!(read.records, [records(1), records(2), records(3)].concat());
        assert_eq!(chain.unwrap().next, 8);
    }

    #[test]
    fn a_torn_end_is_cut_at_every_length() {
        let (bytes, starts) = segment();
        for length in SEGMENT_HEAD_BYTES..bytes.len() {
            let whole = starts.iter().filter(|start| **start < length).count();
            let cut = starts.contains(&length);
            let read = read_segment(&bytes[..length], &mut None, true).unwrap();
            let batches = if cut { whole } else { whole - usize::from(length > SEGMENT_HEAD_BYTES) };
            assert_eq!(read.records.len(), batches.min(3) * 4, "at {length}");
        }
    }

    #[test]
    fn a_flipped_bit_before_a_later_batch_is_corruption_and_in_the_last_batch_a_torn_end() {
        let (bytes, starts) = segment();
        for place in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[place] ^= 16;
            let read = read_segment(&flipped, &mut None, true);
            if place < starts[2] {
                assert!(read.is_err(), "at {place}");
            } else {
                assert_eq!(read.unwrap().records.len(), 8, "at {place}");
            }
            assert!(read_segment(&flipped, &mut None, false).is_err(), "not the last segment, at {place}");
        }
    }

    #[test]
    fn a_batch_that_does_not_follow_is_no_part_of_the_chain() {
        let (bytes, _) = segment();
        let mut other = Some(Chain { next: 5, previous: 2 });
        assert!(read_segment(&bytes, &mut other, true).is_err());
    }
}

//! Files that others made (`BASCULE_SHARED/data/hl7v2`): each is read or refused with a reason; the committed table
//! `corpus.txt` says which. What is read is written again byte for byte.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot read its files fails")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bascule_hl7::{Deframer, Event, Limits, Message, split};
use expect_test::expect_file;

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "hl7" || extension == "er7") {
            into.push(path);
        }
    }
}

/// Some files are a recording of the wire.
fn unframed(bytes: Vec<u8>) -> Vec<Vec<u8>> {
    if bytes.first() != Some(&0x0b) {
        return vec![bytes];
    }
    let events = Deframer::new(1 << 20).push(&bytes);
    let frames = events.into_iter().map(|event| match event {
        Event::Frame(frame) => frame,
        Event::Fault(fault) => panic!("{fault}"),
    });
    frames.collect()
}

fn judge(bytes: &[u8]) -> String {
    let batches = match split(bytes) {
        Ok(batches) => batches,
        Err(fault) => return format!("refused: {fault}"),
    };
    let mut kinds = Vec::new();
    for piece in batches.messages() {
        let message = match Message::read(piece, &Limits::default()) {
            Ok(message) => message,
            Err(fault) => return format!("refused: {fault}"),
        };
        assert!(message.encode() == piece, "not the same bytes");
        match message.control_id().and(message.kind()) {
            Ok(kind) => kinds.push(kind.to_string()),
            Err(fault) => return format!("refused: {fault}"),
        }
    }
    let together: Vec<u8> = batches.pieces.iter().flat_map(|piece| piece.bytes()).copied().collect();
    assert!(bytes.ends_with(&together), "a piece is missing");
    match batches.check() {
        Ok(()) => format!("read: {}", kinds.join(", ")),
        Err(fault) => format!("read, counts wrong: {}; {fault}", kinds.join(", ")),
    }
}

#[test]
fn every_file_is_read_or_refused_with_a_reason() {
    let Some(shared) = std::env::var_os("BASCULE_SHARED") else {
        println!("skipped: BASCULE_SHARED is unset");
        return;
    };
    let root = PathBuf::from(shared).join("data/hl7v2");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    paths.sort();
    let mut table = String::new();
    for path in &paths {
        let name = path.strip_prefix(&root).unwrap().display();
        for bytes in unframed(std::fs::read(path).unwrap()) {
            let _ = writeln!(table, "{name}\t{}", judge(&bytes));
        }
    }
    assert!(paths.len() >= 354, "{} files", paths.len());
    expect_file!["corpus.txt"].assert_eq(&table);
}

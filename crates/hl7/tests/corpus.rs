//! Files that others made (`BASCULE_SHARED/data/hl7v2`): each is read or refused with a reason; the committed table
//! `corpus.txt` says which. What is read is written again byte for byte.

mod collection;

use std::fmt::Write as _;

use bascule_hl7::{Limits, Message, split};
use collection::{files, unframed};
use expect_test::expect_file;

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
    let Some((root, paths)) = files() else { return };
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

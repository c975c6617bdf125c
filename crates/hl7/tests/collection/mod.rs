//! The collection of messages that others made (`BASCULE_SHARED/data/hl7v2`), for every test that reads it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

use bascule_hl7::{Deframer, Event};

/// The collection's folder and its files in order; `None`, said, where there is no shared data.
pub(crate) fn files() -> Option<(PathBuf, Vec<PathBuf>)> {
    let Some(shared) = std::env::var_os("BASCULE_SHARED") else {
        println!("skipped: BASCULE_SHARED is unset");
        return None;
    };
    let root = PathBuf::from(shared).join("data/hl7v2");
    let mut paths = Vec::new();
    find(&root, &mut paths);
    paths.sort();
    Some((root, paths))
}

fn find(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "hl7" || extension == "er7") {
            into.push(path);
        }
    }
}

/// Some files are a recording of the wire.
#[allow(dead_code, reason = "one of its readers takes files as they are")]
pub(crate) fn unframed(bytes: Vec<u8>) -> Vec<Vec<u8>> {
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

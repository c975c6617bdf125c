//! `bascule audit matches`: whether the bytes of a file are those that a request received from the upstream, released to the client,
//! or sent to the upstream (45 CFR 164.312(c)(2): data have not been altered). The entry is proved, then its keyed digests are.

use std::path::Path;

use bascule_crypto::digest::{Sha256, Sha256Stream};
use serde_json::json;

use crate::cli::RecordsArgs;
use crate::exit::Exit;
use crate::terminal;
use crate::verbs::audit::{by_request, flush, reader, said, settings};

/// Bytes that are read at once.
const PIECE_BYTES: usize = 64 << 10;

/// Compares, says what was found, and says in the log that it was asked. Exit 1 if the bytes are none of the request's.
pub(super) async fn run(records: &RecordsArgs, request: &str, file: &Path) -> Result<Exit, String> {
    let settings = settings(records)?;
    let digest = digest_of(file).map_err(|error| format!("{}: {error}", file.display()))?;
    flush(&settings).await?;
    let mut rows = Vec::new();
    {
        let reader = reader(&settings)?;
        for entry in by_request(&reader, request).map_err(|error| error.to_string())? {
            let bodies = reader.bodies_with(&entry.position, digest).map_err(|error| error.to_string())?;
            let Some(bodies) = bodies else { continue };
            let resources = entry.patients.iter().flatten().flat_map(|patient| &patient.resources);
            let versioned = |one: &bascule_audit::ResourceVersion| match &one.version {
                Some(version) => format!("{}/_history/{version}", one.reference),
                None => one.reference.clone(),
            };
            rows.push(json!({
                "origin": entry.position.origin,
                "index": entry.position.index,
                "at": entry.at().to_instant(),
                "matches": bodies,
                "resources": resources.map(versioned).collect::<Vec<_>>(),
            }));
        }
    }
    let found = rows.iter().any(|row| row["matches"].as_array().is_some_and(|bodies| !bodies.is_empty()));
    if records.json {
        terminal::line(&json!({ "request": request, "matches": found, "entries": rows }).to_string());
    } else if rows.is_empty() {
        terminal::line("the log has no digests of that request that can still be opened");
    } else {
        terminal::table(&rows);
        terminal::line(if found { "the bytes are those that passed" } else { "no: other bytes passed" });
    }
    said(settings, "matches", rows.len()).await?;
    Ok(if found { Exit::Done } else { Exit::Found })
}

fn digest_of(file: &Path) -> std::io::Result<Sha256> {
    use std::io::Read as _;
    let mut file = std::fs::File::open(file)?;
    let (mut digest, mut piece) = (Sha256Stream::default(), vec![0; PIECE_BYTES]);
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(digest.finish());
        }
        digest.update(piece.get(..read).unwrap_or_default());
    }
}

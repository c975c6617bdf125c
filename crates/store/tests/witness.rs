//! A witness, and an administrator who rewrites the log with the real key.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::path::Path;

use bascule_audit::Entry;
use bascule_crypto::Secret;
use bascule_ledger::note::KeyKind;
use bascule_ledger::tile::{entries_of, entries_path, push_entry};
use bascule_ledger::{Checkpoint, NoteSigner, Tiler, leaf_hash};
use bascule_store::log::read::ShardView;
use bascule_store::log::verify::{VerifyOptions, verify};
use bascule_store::log::witness::WitnessMemory;
use bascule_store::log::{Log, LogSettings};
use support::{NOW, facts, foreign_verify, runtime, settings};

fn write(settings: &LogSettings, count: u64) {
    runtime().block_on(async {
        let log = Log::open(settings.clone(), NOW).unwrap();
        for number in 0..count {
            log.append(Entry::disclosure(facts(number), NOW), None).await.unwrap();
        }
        log.close(NOW).await.unwrap();
    });
}

fn witness_key() -> NoteSigner {
    NoteSigner::from_seed("witness.example", KeyKind::CosignatureEd25519, &Secret::new([9; 32])).unwrap()
}

/// Asks the witness, as a door would: from the size it knows, which a 409 tells.
fn ask(memory: &WitnessMemory, shard: &Path) -> Result<Vec<u64>, u16> {
    let view = ShardView::open(shard).unwrap();
    let signer = witness_key();
    let logs = [view.key().clone()];
    let send = |old: u64| {
        let request = view.witness_request(old).unwrap();
        (memory.add_checkpoint(&request.to_string(), &logs, &signer, 1_795_550_500).unwrap(), request)
    };
    let (mut answer, mut request) = send(0);
    if let Err(bascule_ledger::witness::Refusal::OtherSize(size)) = answer {
        if size > view.checkpoint().size {
            return Err(409);
        }
        (answer, request) = send(size);
    }
    let answer = answer.map_err(|refusal| refusal.status())?;
    Ok(view.keep_cosignatures(&request, &answer, &[signer.verifier().clone()]).unwrap())
}

fn options() -> VerifyOptions {
    VerifyOptions { witnesses: vec![witness_key().verifier().clone()], quorum: 1, ..VerifyOptions::default() }
}

/// The administrator: changes entry 50, derives every tile again, signs with the real key, and mends the lock store.
fn rewrite_with_the_real_key(settings: &LogSettings, shard: &Path) {
    let view = ShardView::open(shard).unwrap();
    let seed = std::fs::read(settings.keys_folder.join("node-1-2026q4.key")).unwrap();
    let signer = NoteSigner::from_seed(view.key().name(), KeyKind::Ed25519, &Secret::new(seed)).unwrap();
    let tiles = view.tiles();
    let (size, mut tiler, mut bundle) = (view.checkpoint().size, Tiler::new(), Vec::new());
    let put = |path: &str, bytes: &[u8]| std::fs::write(shard.join(path), bytes).unwrap();
    for index in 0..size {
        let mut bytes = tiles.entry(index).unwrap();
        if index == 50 {
            let text = String::from_utf8(bytes).unwrap().replace("\"portal\"", "\"nobody\"");
            bytes = text.into_bytes();
        }
        tiler.append(leaf_hash(&bytes));
        push_entry(&mut bundle, &bytes).unwrap();
        if (index + 1) % 256 == 0 {
            put(&entries_path(index / 256, 256), &std::mem::take(&mut bundle));
        }
    }
    if size % 256 > 0 {
        put(&entries_path(size / 256, u16::try_from(size % 256).unwrap()), &bundle);
    }
    for (tile, bytes) in tiler.take_full().into_iter().chain(tiler.partial()) {
        put(&tile.path(), &bytes);
    }
    let checkpoint = Checkpoint { origin: view.key().name().to_owned(), size, root: tiler.root() };
    put("checkpoint", checkpoint.sign(&signer).to_string().as_bytes());
    let _ = std::fs::remove_file(shard.join("cosigned"));
}

#[test]
fn a_growing_log_is_cosigned_and_the_claim_says_how_far() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    let shard = settings.folder.join("node-1/2026q4");
    let memory = WitnessMemory::open(&root.path().join("witness.db")).unwrap();
    write(&settings, 300);
    assert_eq!(ask(&memory, &shard), Ok(vec![1_795_550_500]));
    write(&settings, 100);
    let report = verify(&settings.folder, &options());
    assert!(report.holds(), "{report:?}");
    assert_eq!(report.shards[0].cosigned_size, 303);
    assert!(report.claim().contains("The 102 newer entries"), "{}", report.claim());
    assert_eq!(ask(&memory, &shard), Ok(vec![1_795_550_500]));
    assert_eq!(verify(&settings.folder, &options()).shards[0].cosigned_size, 405);
    // Where the newest checkpoint is the cosigned one, strangers' tools count the witness, too.
    std::fs::copy(shard.join("cosigned"), shard.join("checkpoint")).unwrap();
    let key = witness_key().verifier().to_string();
    if let Some(holds) = foreign_verify(&shard, &["-w", &key, "-q", "1"]) {
        assert!(holds);
    }
}

#[test]
fn a_rewrite_with_the_real_key_is_caught_by_the_witness_and_by_a_kept_checkpoint() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    let shard = settings.folder.join("node-1/2026q4");
    let memory = WitnessMemory::open(&root.path().join("witness.db")).unwrap();
    write(&settings, 600);
    // After a second start the write-ahead log holds the tail only; before, it would have mended the tiles.
    write(&settings, 1);
    ask(&memory, &shard).unwrap();
    let kept = std::fs::read_to_string(shard.join("checkpoint")).unwrap();
    let kept_file = root.path().join("kept");
    std::fs::write(&kept_file, &kept).unwrap();
    rewrite_with_the_real_key(&settings, &shard);
    // By itself it verifies: that is why a witness is needed.
    assert!(verify(&settings.folder, &VerifyOptions::default()).holds());
    let with_kept = VerifyOptions { kept: Some(kept), ..VerifyOptions::default() };
    assert!(!verify(&settings.folder, &with_kept).holds());
    assert!(!verify(&settings.folder, &options()).holds(), "no witness cosigned the rewritten log");
    assert_eq!(ask(&memory, &shard), Err(422), "the same size with another root");
    assert_eq!(memory.evidence("gateway.example/audit/node-1/2026q4").unwrap()[0].0, 422);
    if let Some(holds) = foreign_verify(&shard, &["-o", kept_file.to_str().unwrap()]) {
        assert!(!holds, "a stranger's tool must refuse it as well");
    }
    // The next start compares with the lock store, which lies elsewhere.
    let refused = Log::open(settings, NOW).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("not those that were signed"), "{refused}");
}

#[test]
fn a_log_restored_from_a_backup_is_behind_its_witness() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    let shard = settings.folder.join("node-1/2026q4");
    let memory = WitnessMemory::open(&root.path().join("witness.db")).unwrap();
    write(&settings, 20);
    let old = std::fs::read(shard.join("checkpoint")).unwrap();
    write(&settings, 20);
    ask(&memory, &shard).unwrap();
    std::fs::write(shard.join("checkpoint"), old).unwrap();
    assert_eq!(ask(&memory, &shard), Err(409));
    assert!(ShardView::open(&shard).unwrap().witness_request(45).is_err());
}

#[test]
fn every_small_attack_of_an_administrator_is_found() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings(root.path());
    let shard = settings.folder.join("node-1/2026q4");
    write(&settings, 600);
    let sound = |shard: &Path| verify(shard, &VerifyOptions::default()).holds();
    assert!(sound(&shard));
    let attack = |name: &str, act: &dyn Fn(&Path)| {
        let copy = root.path().join(name);
        assert!(std::process::Command::new("cp").arg("-a").arg(&shard).arg(&copy).status().unwrap().success());
        act(&copy);
        assert!(!sound(&copy), "{name}");
        if let Some(holds) = foreign_verify(&copy, &[]) {
            assert!(!holds, "{name}: strangers' tools must find it as well");
        }
    };
    let edit = |path: &Path, act: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let bytes = std::fs::read(path).unwrap();
        std::fs::write(path, act(bytes)).unwrap();
    };
    let bundle = entries_path(0, 256);
    let with_entries = |bytes: &[u8], act: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut entries: Vec<Vec<u8>> = entries_of(bytes).unwrap().into_iter().map(<[u8]>::to_vec).collect();
        act(&mut entries);
        let mut bundle = Vec::new();
        entries.iter().for_each(|entry| push_entry(&mut bundle, entry).unwrap());
        bundle
    };
    attack("changes a letter", &|copy| {
        edit(&copy.join(&bundle), &|bytes| String::from_utf8_lossy(&bytes).replacen("portal", "Portal", 1).into_bytes())
    });
    attack("drops an entry", &|copy| {
        edit(&copy.join(&bundle), &|bytes| with_entries(&bytes, &|entries| drop(entries.remove(9))))
    });
    attack("swaps two entries", &|copy| {
        edit(&copy.join(&bundle), &|bytes| with_entries(&bytes, &|entries| entries.swap(8, 9)))
    });
    attack("repeats an entry", &|copy| {
        edit(&copy.join(&bundle), &|bytes| with_entries(&bytes, &|entries| entries[9] = entries[8].clone()))
    });
    attack("changes a hash tile", &|copy| {
        edit(&copy.join("tile/0/000"), &|mut bytes| {
            bytes[40] ^= 1;
            bytes
        })
    });
    attack("removes a bundle", &|copy| std::fs::remove_file(copy.join(&bundle)).unwrap());
    attack("removes a tile", &|copy| std::fs::remove_file(copy.join("tile/0/001")).unwrap());
    attack("makes the log shorter", &|copy| {
        edit(&copy.join("checkpoint"), &|bytes| {
            String::from_utf8(bytes).unwrap().replace("\n603\n", "\n600\n").into_bytes()
        })
    });
    attack("signs with another key", &|copy| {
        let signer =
            NoteSigner::from_seed("gateway.example/audit/node-1/2026q4", KeyKind::Ed25519, &Secret::new([1; 32]));
        let view = ShardView::open(copy).unwrap();
        let note = view.checkpoint().sign(&signer.unwrap());
        std::fs::write(copy.join("checkpoint"), note.to_string()).unwrap();
    });
    attack("removes the checkpoint", &|copy| std::fs::remove_file(copy.join("checkpoint")).unwrap());
    // Another key altogether, put beside the log: found by whoever holds the published one.
    let published =
        VerifyOptions { keys: vec![ShardView::open(&shard).unwrap().key().clone()], ..VerifyOptions::default() };
    assert!(verify(&shard, &published).shards[0].key_was_given);
    let copy = root.path().join("brings its own key");
    assert!(std::process::Command::new("cp").arg("-a").arg(&shard).arg(&copy).status().unwrap().success());
    let origin = "gateway.example/audit/node-1/2026q4";
    let signer = NoteSigner::from_seed(origin, KeyKind::Ed25519, &Secret::new([1; 32])).unwrap();
    let note = ShardView::open(&copy).unwrap().checkpoint().sign(&signer);
    std::fs::write(copy.join("checkpoint"), note.to_string()).unwrap();
    std::fs::write(copy.join("vkey"), signer.verifier().to_string()).unwrap();
    assert!(verify(&copy, &VerifyOptions::default()).holds());
    assert!(!verify(&copy, &published).holds());
}

//! Power loss on a real file system: ext4 on a loop device, shut down without flushing its journal while the log writes.
//! As root on Linux with loop devices; elsewhere skipped, with a line. The seeded simulator runs everywhere.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bascule_audit::Entry;
use bascule_store::log::verify::{VerifyOptions, verify};
use bascule_store::log::{Log, LogSettings};
use support::{NOW, facts, foreign_verify, missing, runtime, settings};

/// A mounted file system that can lose its power. The lock file lies on another disk, as it should.
struct Machine {
    image: PathBuf,
    mount: PathBuf,
    _folder: tempfile::TempDir,
}

fn run(command: &str, arguments: &[&str]) -> bool {
    let done = Command::new(command).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

impl Machine {
    /// `None`, with a printed line, where it cannot be built.
    fn build(megabytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (image, mount) = (folder.path().join("image"), folder.path().join("mount"));
        std::fs::create_dir(&mount).unwrap();
        std::fs::File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        let machine = Self { image, mount, _folder: folder };
        let made = run("mkfs.ext4", &["-q", "-F", machine.image.to_str().unwrap()]) && machine.start();
        if !made {
            println!("skipped: power loss on a loop device (needs root, mkfs.ext4, loop devices)");
        }
        made.then_some(machine)
    }

    fn start(&self) -> bool {
        run("mount", &["-o", "loop", self.image.to_str().unwrap(), self.mount.to_str().unwrap()])
    }

    /// FS_IOC_SHUTDOWN with GOING_FLAGS_NOLOGFLUSH: what was not synced is gone.
    fn lose_power(&self) {
        let code = "open(F, '<', $ARGV[0]) or die; my $how = pack('L', 2); ioctl(F, 0x8004587d, $how) or die";
        assert!(run("perl", &["-e", code, self.mount.to_str().unwrap()]), "the file system did not shut down");
        assert!(run("umount", &[self.mount.to_str().unwrap()]) || run("umount", &["-l", self.mount.to_str().unwrap()]));
    }

    fn settings(&self) -> LogSettings {
        let lock_file = self.image.parent().unwrap().join("lock/lock.db");
        LogSettings { lock_file, segment_bytes_max: 300_000, ..settings(&self.mount) }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        run("umount", &["-l", self.mount.to_str().unwrap()]);
    }
}

/// Runs in the child only: appends until it is frozen and killed.
#[test]
fn child() {
    let Some(root) = std::env::var_os("BASCULE_POWER_CHILD") else { return };
    let lock = PathBuf::from(std::env::var_os("BASCULE_POWER_LOCK").unwrap());
    let settings = LogSettings { lock_file: lock, segment_bytes_max: 300_000, ..settings(Path::new(&root)) };
    runtime().block_on(async {
        let log = Log::open(settings, NOW).unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..8_u64 {
            let log = log.clone();
            tasks.spawn(async move {
                for number in 0.. {
                    let receipt = log.append(Entry::disclosure(facts(writer * 1_000_000 + number), NOW), None);
                    let receipt = receipt.await.unwrap();
                    let line = format!("acked {} {}\n", receipt.index(), receipt.leaf_hash());
                    std::io::stdout().write_all(line.as_bytes()).unwrap();
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    });
}

/// Whether a sync of the child does anything.
#[derive(Clone, Copy)]
enum Syncs {
    Work,
    /// It says yes and is not done.
    DoNothing,
}

/// Lets the child write, freezes it, takes the power away. What it had acknowledged.
fn write_and_lose_power(machine: &Machine, syncs: Syncs, millis: u64) -> Vec<(u64, String)> {
    let settings = machine.settings();
    let mut command = match syncs {
        Syncs::Work => Command::new(std::env::current_exe().unwrap()),
        Syncs::DoNothing => {
            let mut command = Command::new("strace");
            let calls = "fdatasync,fsync,syncfs";
            command
                .args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")])
                .args(["-e", &format!("inject={calls}:retval=0")])
                .arg(std::env::current_exe().unwrap());
            command
        }
    };
    command
        .args(["--exact", "child", "--nocapture"])
        .env("BASCULE_POWER_CHILD", &machine.mount)
        .env("BASCULE_POWER_LOCK", &settings.lock_file)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let reader = std::thread::spawn(move || {
        let acked = lines.map_while(Result::ok).filter_map(|line| {
            let (index, leaf) = line.split_once("acked ")?.1.split_once(' ')?;
            Some((index.parse().ok()?, leaf.to_owned()))
        });
        acked.collect::<Vec<_>>()
    });
    std::thread::sleep(std::time::Duration::from_millis(millis));
    // Frozen first: a sync that is under way while the journal is aborted may say yes for nothing.
    assert!(run("kill", &["-STOP", &child.id().to_string()]));
    std::thread::sleep(std::time::Duration::from_millis(30));
    machine.lose_power();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(machine.start(), "the file system does not mount again");
    reader.join().unwrap()
}

#[test]
fn nothing_acknowledged_is_lost_with_the_power() {
    let Some(machine) = Machine::build(192) else { return };
    let rounds = if std::env::var_os("BASCULE_LONG").is_some() { 100 } else { 5 };
    let settings = machine.settings();
    let shard = settings.folder.join("node-1/2026q4");
    let mut all = Vec::new();
    for round in 0..rounds {
        all.extend(write_and_lose_power(&machine, Syncs::Work, 400 + round * 131 % 600));
        runtime().block_on(async { Log::open(settings.clone(), NOW).unwrap().close(NOW).await.unwrap() });
        assert_eq!(missing(&shard, &all), 0, "round {round}");
        let report = verify(&settings.folder, &VerifyOptions::default());
        assert!(report.holds(), "{report:?}");
    }
    println!("{rounds} power losses, {} acknowledged, none missing", all.len());
    assert!(all.len() > 50, "the child wrote too little to prove anything: {}", all.len());
    if let Some(holds) = foreign_verify(&shard, &[]) {
        assert!(holds);
    }
}

#[test]
fn where_syncs_do_nothing_acknowledged_entries_are_lost() {
    let Some(machine) = Machine::build(192) else { return };
    if !run("strace", &["-V"]) {
        println!("skipped: the negative control of power loss (needs strace)");
        return;
    }
    let settings = machine.settings();
    let shard = settings.folder.join("node-1/2026q4");
    for _ in 0..5 {
        let acked = write_and_lose_power(&machine, Syncs::DoNothing, 1500);
        let opened = runtime().block_on(async {
            match Log::open(settings.clone(), NOW) {
                Ok(log) => log.close(NOW).await.is_ok(),
                Err(_) => false,
            }
        });
        if !acked.is_empty() && (!opened || missing(&shard, &acked) > 0) {
            return;
        }
    }
    panic!("nothing was lost where syncs do nothing: this test could not have noticed a missing one");
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let Some(machine) = Machine::build(12) else { return };
    let settings = machine.settings();
    let shard = settings.folder.join("node-1/2026q4");
    let mut acked = Vec::new();
    runtime().block_on(async {
        let log = Log::open(settings.clone(), NOW).unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..64 {
            let log = log.clone();
            tasks.spawn(async move {
                let mut acked = Vec::new();
                loop {
                    match log.append(Entry::disclosure(facts(writer), NOW), None).await {
                        Ok(receipt) => acked.push((receipt.index(), receipt.leaf_hash().to_base64())),
                        Err(error) => return (acked, error.to_string()),
                    }
                }
            });
        }
        let mut refused = String::new();
        while let Some(done) = tasks.join_next().await {
            let (more, why) = done.unwrap();
            acked.extend(more);
            refused = why;
        }
        println!("{} acknowledged, then: {refused}", acked.len());
        assert!(log.append(Entry::disclosure(facts(1), NOW), None).await.is_err(), "it stays refused");
        let _ = log.close(NOW).await;
    });
    // Room again: the image grows.
    assert!(run("umount", &[machine.mount.to_str().unwrap()]));
    std::fs::OpenOptions::new().write(true).open(&machine.image).unwrap().set_len(96 << 20).unwrap();
    assert!(run("e2fsck", &["-f", "-y", machine.image.to_str().unwrap()]));
    assert!(run("resize2fs", &[machine.image.to_str().unwrap()]));
    assert!(machine.start());
    runtime().block_on(async { Log::open(settings.clone(), NOW).unwrap().close(NOW).await.unwrap() });
    assert_eq!(missing(&shard, &acked), 0);
    assert!(verify(&settings.folder, &VerifyOptions::default()).holds());
}

#[test]
fn below_its_reserve_the_log_refuses_before_the_disk_does() {
    let root = tempfile::tempdir().unwrap();
    let settings = LogSettings { reserve_bytes: u64::MAX, ..settings(root.path()) };
    runtime().block_on(async {
        let log = Log::open(settings, NOW).unwrap();
        log.flush().await.unwrap();
        let refused = log.append(Entry::disclosure(facts(1), NOW), None).await.unwrap_err();
        assert!(refused.to_string().contains("bytes left"), "{refused}");
        assert!(log.failure().is_none(), "it goes on when there is room again");
    });
}

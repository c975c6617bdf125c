//! A witness of our own, over the wire: it cosigns what grew; gone, it is missed and nothing stops; a restored backup is refused.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{BINARY, Demo, free_port};

/// A process of the binary, ended by its own id.
struct Running(Child);

impl Running {
    fn spawn(folder: &Path, name: &str, arguments: &[&str]) -> Self {
        let out = |kind: &str| std::fs::File::create(folder.join(format!("{name}.{kind}"))).unwrap();
        let child =
            Command::new(BINARY).args(arguments).stdin(Stdio::null()).stdout(out("out")).stderr(out("log")).spawn();
        Self(child.unwrap())
    }

    fn end(mut self) {
        let ended = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap();
        assert!(ended.success());
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(120), "not in time: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// The folder of a demo that has ended, as a house of its own with a witness.
struct House {
    _demo: Demo,
    folder: PathBuf,
    config: String,
    witness: String,
    vkey: String,
}

impl House {
    fn new(witness_port: u16) -> Self {
        let demo = Demo::start(&["--patients", "1"]);
        let config = demo.config();
        let (_, report, _) = demo.run(&["audit", "verify", "--config", &config]);
        let keys: Vec<String> = report
            .split_whitespace()
            .filter(|word| word.starts_with("localhost/") && word.contains('+'))
            .map(|key| format!("\"{key}\""))
            .collect();
        assert_eq!(keys.len(), 2, "a shard and the log of logs: {report}");
        demo.kill();
        let folder = demo.data();
        let witness = folder.join("witness.toml").display().to_string();
        let text = format!(
            "[witness]\nname = \"witness.example\"\nfolder = \"witness\"\nlisten = \"127.0.0.1:{witness_port}\"\nlogs = [{}]\n",
            keys.join(", ")
        );
        std::fs::write(&witness, text).unwrap();
        let house = Self { _demo: demo, folder, config, witness, vkey: String::new() };
        let running = house.start_witness();
        let vkey = std::fs::read_to_string(house.folder.join("witness/vkey")).unwrap().trim().to_owned();
        running.end();
        let text = std::fs::read_to_string(&house.config).unwrap();
        let with = format!(
            "witness_interval_seconds = 1\nwitness = [{{ url = \"http://127.0.0.1:{witness_port}\", key = \"{vkey}\" }}]\nnode ="
        );
        let text = text.replacen("node =", &with, 1);
        let text = text.lines().map(|line| {
            // The demo's port may have been taken meanwhile.
            if line.starts_with("https = ") {
                format!("https = \"127.0.0.1:{}\"", free_port())
            } else {
                line.to_owned()
            }
        });
        std::fs::write(&house.config, text.collect::<Vec<_>>().join("\n")).unwrap();
        Self { vkey, ..house }
    }

    fn start_witness(&self) -> Running {
        let mut running = Running::spawn(&self.folder, "witness-process", &["witness", "--config", &self.witness]);
        wait_for("the witness", || {
            let ended = running.0.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "it ended: {}",
                std::fs::read_to_string(self.folder.join("witness-process.log")).unwrap()
            );
            std::fs::read_to_string(self.folder.join("witness-process.out")).unwrap_or_default().contains("Ctrl-C")
        });
        running
    }

    fn serve(&self) -> Running {
        Running::spawn(&self.folder, "serve", &["serve", "--config", &self.config])
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("serve.log")).unwrap_or_default()
    }

    fn verify(&self) -> (i32, String) {
        let arguments = ["audit", "verify", "--config", &self.config, "--witness", &self.vkey, "--quorum", "1"];
        let output = Command::new(BINARY).args(arguments).output().unwrap();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn alerts(&self) -> String {
        let output = Command::new(BINARY).args(["alert", "list", "--json", "--config", &self.config]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

#[test]
fn a_witness_cosigns_is_missed_when_it_is_gone_and_refuses_a_restored_backup() {
    let house = House::new(free_port());
    assert_eq!(house.verify().0, 1, "nobody has cosigned yet");
    let witness = house.start_witness();
    let serving = house.serve();
    wait_for("a cosignature", || house.verify().0 == 0);
    assert!(house.verify().1.contains("Witnesses cosigned 1 shard"), "{}", house.verify().1);

    // A backup of everything that lies on this machine, the lock store too.
    serving.end();
    let backup = house.folder.join("backup");
    std::fs::create_dir(&backup).unwrap();
    for name in ["data", "lock"] {
        copy(&house.folder.join(name), &backup.join(name));
    }

    // Gone: the house serves on, and within two turns the alarm is raised.
    witness.end();
    let serving = house.serve();
    // Before it is open, the command for alerts would open the house itself.
    wait_for("the house", || house.log().contains("the bridge is open"));
    let start = Instant::now();
    while !house.alerts().contains("witness-silent") {
        assert!(start.elapsed() < Duration::from_secs(60), "no alarm: {}\n{}", house.alerts(), house.log());
        std::thread::sleep(Duration::from_millis(200));
    }
    let witness = house.start_witness();
    let shard = house.folder.join("data/audit/demo");
    let cosigned = || {
        let shard = std::fs::read_dir(&shard)
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.contains('q')));
        std::fs::read_to_string(shard.unwrap().join("cosigned")).unwrap_or_default()
    };
    let size = |note: &str| note.lines().nth(1).and_then(|line| line.parse::<u64>().ok()).unwrap_or(0);
    let before = size(&cosigned());
    // Back, it is asked again, and cosigns what was missed.
    wait_for("the witness to be asked again", || size(&cosigned()) > before);
    serving.end();

    // The backup is put back, with its lock store: by itself it is a sound log, and only the witness knows better.
    for name in ["data", "lock"] {
        std::fs::remove_dir_all(house.folder.join(name)).unwrap();
        copy(&backup.join(name), &house.folder.join(name));
    }
    let mut refused = house.serve();
    let status = refused.0.wait().unwrap();
    assert_eq!(status.code(), Some(70), "{}", house.log());
    assert!(house.log().contains("contradicts this log"), "{}", house.log());
    witness.end();
    // Negative control: without the witness's word the same backup opens.
    let serving = house.serve();
    wait_for("the restored house to open", || house.log().contains("the bridge is open"));
    serving.end();
}

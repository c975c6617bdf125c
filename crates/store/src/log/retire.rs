//! The end of keys and shards: a shard's signing key is destroyed once its last checkpoint is safe elsewhere, so that
//! nobody can sign that past again; a shard's entries are deleted whole after retention, and its last checkpoint stays.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use bascule_audit::{Entry, SystemEvent};
use bascule_fhir::Timestamp;
use bascule_ledger::VerifierKey;

use super::read::ShardView;
use super::witness::COSIGNED_FILE;
use super::{Log, LogError, Shard};
use crate::keys::{KeyError, Retention, Subject};

/// When a shard's signing key goes.
#[derive(Debug, Clone)]
pub struct RetireRule {
    /// Witnesses whose cosignature on the last checkpoint suffices.
    pub witnesses: Vec<VerifierKey>,
    /// Days after the shard's end after which the key goes without a cosignature. `verify` then shows none.
    pub grace_days: u32,
}

impl Log {
    /// Destroys the signing keys of ended shards whose last checkpoint is cosigned, or whose days of grace are over, and
    /// says so in the log. The origins.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn retire_keys(&self, rule: &RetireRule, now: Timestamp) -> Result<Vec<String>, LogError> {
        let settings = self.settings();
        let mut retired = Vec::new();
        for shard in self.ended_shards(now)? {
            let file = settings.signing_key_file(shard);
            if !file.exists() {
                continue;
            }
            let view = ShardView::open(&settings.node_folder().join(shard.name()))?;
            let cosignatures = view.cosigners(&rule.witnesses) as u64;
            let over = Shard::at(now.plus_seconds(-86_400 * i64::from(rule.grace_days))) > shard;
            if cosignatures == 0 && !over {
                continue;
            }
            destroy_file(&file)?;
            let origin = view.checkpoint().origin.clone();
            let event = SystemEvent::KeyDestroyed { origin: origin.clone(), cosignatures };
            self.append(Entry::system(&event, now), None).await?;
            retired.push(origin);
        }
        if !retired.is_empty() {
            self.bring_log_of_logs_up_to_date(now)?;
        }
        Ok(retired)
    }

    /// Destroys the keys of a month or a patient, and says so in the log; also when retention or a hold forbids it.
    /// `last_entry` is the time of the newest entry about it.
    ///
    /// # Errors
    /// `Keys(Kept)` if it is forbidden, else [`LogError`].
    pub async fn shred(
        &self,
        subject: &Subject,
        last_entry: Timestamp,
        retention: Retention,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), LogError> {
        // What is still on its way into the key store must be there to be destroyed.
        self.flush().await?;
        let on = self.keys().describe(subject)?;
        let done = self.keys().destroy(subject, last_entry, retention, reason, now);
        let (act, why) = match &done {
            Ok(_) => ("done", reason.to_owned()),
            Err(KeyError::Kept { why, .. }) => ("refused", why.clone()),
            Err(_) => return done.map(|_| ()).map_err(LogError::from),
        };
        let event = SystemEvent::Shred { act: act.to_owned(), on, reason: why };
        self.append(Entry::system(&event, now), None).await?;
        done.map(|_| ()).map_err(LogError::from)
    }

    /// Sets or lifts a hold, and says so in the log.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn set_hold(
        &self,
        subject: &Subject,
        matter: &str,
        by: &str,
        set: bool,
        now: Timestamp,
    ) -> Result<(), LogError> {
        if set {
            self.keys().hold(subject, matter, now)?;
        } else {
            self.keys().lift(subject, matter)?;
        }
        let act = if set { "set" } else { "lifted" }.to_owned();
        let on = self.keys().describe(subject)?;
        let event = SystemEvent::Hold { act, on, matter: matter.to_owned(), by: by.to_owned() };
        self.append(Entry::system(&event, now), None).await.map(|_| ())
    }

    /// Deletes the entries of a shard after retention: its folder goes, its last checkpoint and key stay under `retired/`.
    ///
    /// # Errors
    /// `Keys(Kept)` inside retention or while one of its months is held, else [`LogError`].
    pub async fn drop_shard(&self, shard: Shard, retention: Retention, now: Timestamp) -> Result<(), LogError> {
        let settings = self.settings();
        let folder = settings.node_folder().join(shard.name());
        let view = ShardView::open(&folder)?;
        let ends = retention.ends(shard.end());
        let kept = |why| Err(KeyError::Kept { name: shard.name(), why }.into());
        if now < ends {
            return kept(format!("retention until {}", ends.to_instant()));
        }
        for month in shard.months() {
            if let Some(matter) = self.keys().holds(&Subject::Month(month))?.first() {
                return kept(format!("held for {matter}"));
            }
        }
        if let Some(matter) = self.keys().any_patient_hold()? {
            return kept(format!("held for {matter}"));
        }
        let retired = settings.node_folder().join("retired").join(shard.name());
        fs::create_dir_all(&retired).map_err(LogError::file("making", &retired))?;
        for name in ["checkpoint", "vkey", COSIGNED_FILE].into_iter().filter(|name| folder.join(name).exists()) {
            let to = retired.join(name);
            fs::copy(folder.join(name), &to).map_err(LogError::file("copying", &to))?;
            File::open(&to).and_then(|file| file.sync_all()).map_err(LogError::file("syncing", &to))?;
        }
        File::open(&retired).and_then(|file| file.sync_all()).map_err(LogError::file("syncing", &retired))?;
        let event = SystemEvent::Shred {
            act: "done".to_owned(),
            on: format!("shard {} of {} entries", view.checkpoint().origin, view.checkpoint().size),
            reason: "retention is over".to_owned(),
        };
        self.append(Entry::system(&event, now), None).await?;
        fs::remove_dir_all(&folder).map_err(LogError::file("removing", &folder))?;
        self.bring_log_of_logs_up_to_date(now)
    }

    fn ended_shards(&self, now: Timestamp) -> Result<Vec<Shard>, LogError> {
        let folder = self.settings().node_folder();
        let names = fs::read_dir(&folder).map_err(LogError::file("listing", &folder))?;
        let shards = names.flatten().filter_map(|name| Shard::parse(&name.file_name().to_string_lossy()));
        let mut ended: Vec<_> = shards.filter(|shard| *shard < Shard::at(now)).collect();
        ended.sort_unstable();
        Ok(ended)
    }
}

/// Overwrites a file, makes that durable, and removes it.
fn destroy_file(path: &Path) -> Result<(), LogError> {
    let length = fs::metadata(path).map_err(LogError::file("looking at", path))?.len();
    let mut file = OpenOptions::new().write(true).open(path).map_err(LogError::file("opening", path))?;
    let zeroes = vec![0; usize::try_from(length).unwrap_or(0)];
    file.write_all(&zeroes).and_then(|()| file.sync_all()).map_err(LogError::file("overwriting", path))?;
    fs::remove_file(path).map_err(LogError::file("removing", path))?;
    let folder = path.parent().unwrap_or(path);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(LogError::file("syncing", folder))
}

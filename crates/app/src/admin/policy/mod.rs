//! Change control of the running policy: proposed by one person, approved by another, kept, logged, and only then put in
//! force, so that no request is decided by half a policy or by one that the log does not know.

mod act;
pub(crate) mod begin;
pub(crate) mod panel;
mod rows;
mod schedule;
mod signed;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bascule_audit::{Entry, SystemEvent};
use bascule_fhir::Timestamp;
use bascule_policy::change::{Approved, Next, Proposal, REVIEW_SECONDS_MAX, another, check_reason};
use bascule_policy::diff::diff;
use bascule_policy::rules::Keeps;
use bascule_policy::{ApiKind, Policy, PolicyFile};
use bascule_store::Store;
use bascule_store::alert::NewAlert;
use bascule_store::log::Log;
use bascule_store::policy_change::{ChangeKind, ChangeState, NewChange, PolicyChange};
use serde_json::{Value, json};
use tokio::sync::Mutex;

pub(crate) use self::act::{PolicyAct, Signed};
pub(crate) use self::signed::keeper;

use self::begin::{Begun, How};
use crate::config::Settings;
use crate::day::start_of_day;

/// Letters of a hash that name it.
const HASH_LETTERS_MIN: usize = 6;
/// Who is the author of what a changed folder brings.
const FOLDER: &str = "policy folder";

/// The policy in force, and the only way to change it.
pub(crate) struct PolicyControl {
    state: Mutex<State>,
    live: Arc<ArcSwap<Policy>>,
    store: Arc<Store>,
    log: Log,
    apis: BTreeMap<String, ApiKind>,
}

struct State {
    folder_hash: String,
    /// How the start came by its policy, until it was said.
    unsaid: Option<How>,
    /// Why it is not the policy of the configured folder.
    fallback: Option<String>,
}

impl PolicyControl {
    /// Over the policy that the house began with.
    pub(crate) fn open(begun: Begun, store: &Arc<Store>, log: &Log, settings: &Settings) -> Self {
        let Begun { policy, folder_hash, how } = begun;
        Self {
            state: Mutex::new(State { folder_hash, unsaid: Some(how), fallback: None }),
            live: Arc::new(ArcSwap::from_pointee(policy)),
            store: Arc::clone(store),
            log: log.clone(),
            apis: settings.api_names(),
        }
    }

    /// The policy in force, for the doors.
    pub(crate) const fn live(&self) -> &Arc<ArcSwap<Policy>> {
        &self.live
    }

    /// Says, once, how the policy came that the doors open with. Nothing is in force that is neither kept nor logged.
    ///
    /// # Errors
    /// A sentence: then no door may open.
    pub(crate) async fn say_beginning(&self, now: Timestamp) -> Result<(), String> {
        let mut state = self.state.lock().await;
        self.settle(&mut state, now).await
    }

    async fn settle(&self, state: &mut State, now: Timestamp) -> Result<(), String> {
        let Some(how) = state.unsaid.take() else { return Ok(()) };
        let said = self.settled(state, &how, now).await;
        if said.is_err() {
            state.unsaid = Some(how);
        }
        said
    }

    async fn settled(&self, state: &mut State, how: &How, now: Timestamp) -> Result<(), String> {
        let policy = self.live.load_full();
        match how {
            How::Same => self.say_begin("begin", "the policy that was in force", now).await,
            How::First(files) => {
                self.store.keep_policy(policy.hash(), files, now).map_err(text)?;
                self.say_begin("begin", "the first policy of this house", now).await?;
                self.store.begin_policy(policy.hash(), &state.folder_hash, now).map_err(text)
            }
            How::Folder(files) => {
                let before = begin::accepted(&self.store)?.ok_or("there is no accepted policy")?.1;
                self.folder_changed(state, &before, Arc::clone(&policy), files, now).await.map(drop)
            }
            How::Fallback(said) => {
                tracing::error!(hash = policy.hash(), "{said}; mend the folder (`bascule check`)");
                self.say_begin("fallback", said, now).await?;
                self.alert("policy-faulty", said, now);
                state.fallback = Some(said.clone());
                Ok(())
            }
        }
    }

    async fn say_begin(&self, act: &str, why: &str, now: Timestamp) -> Result<(), String> {
        let hash = self.live.load().hash().to_owned();
        let event = SystemEvent::Policy {
            act: act.to_owned(),
            change: 0,
            before: hash.clone(),
            after: hash,
            author: String::new(),
            approver: String::new(),
            reason: why.to_owned(),
            review_by: String::new(),
            difference: Vec::new(),
        };
        self.log.append(Entry::system(&event, now), None).await.map(drop).map_err(text)
    }

    /// Takes the configured folder as it is now: a change by one person, to be reviewed by another. The hash in force.
    ///
    /// # Errors
    /// A sentence, and what was in force stays.
    pub(crate) async fn read_again(
        &self,
        policy: Policy,
        files: &[(String, String)],
        now: Timestamp,
    ) -> Result<String, String> {
        let mut state = self.state.lock().await;
        self.settle(&mut state, now).await?;
        if policy.hash() != state.folder_hash {
            panel::check(&policy, &self.store, now)?;
        }
        state.fallback = None;
        if policy.hash() == state.folder_hash {
            return Ok(self.live.load().hash().to_owned());
        }
        let before = std::mem::replace(&mut state.folder_hash, policy.hash().to_owned());
        let current = self.live.load_full();
        if policy.hash() == current.hash() {
            self.store.begin_policy(current.hash(), &state.folder_hash, now).map_err(text)?;
            return Ok(current.hash().to_owned());
        }
        let put = self.folder_changed(&mut state, &current, Arc::new(policy), files, now).await;
        if put.is_err() {
            state.folder_hash = before;
        }
        put
    }

    async fn folder_changed(
        &self,
        state: &mut State,
        before: &Policy,
        policy: Arc<Policy>,
        files: &[(String, String)],
        now: Timestamp,
    ) -> Result<String, String> {
        self.store.keep_policy(policy.hash(), files, now).map_err(text)?;
        let new = NewChange {
            kind: ChangeKind::Folder,
            before: before.hash().to_owned(),
            after: policy.hash().to_owned(),
            author: FOLDER.to_owned(),
            reason: "the policy folder is other than before".to_owned(),
            difference: diff(before, &policy).to_string(),
            from: None,
            review_by: Some(now.plus_seconds(REVIEW_SECONDS_MAX)),
        };
        let change = self.propose(&new, now)?;
        self.put(state, &change, policy, None, now).await?;
        Ok(self.live.load().hash().to_owned())
    }

    /// Does what a person asks; what they see of it.
    ///
    /// # Errors
    /// A sentence with its mend, and what was in force stays.
    pub(crate) async fn act(&self, act: PolicyAct, signed: Option<Signed>, now: Timestamp) -> Result<Value, String> {
        if act.looks() {
            return self.look(&act).await;
        }
        let user = keeper(&self.store, &self.live.load_full(), Keeps::Policy, signed, now).await?;
        let mut state = self.state.lock().await;
        self.settle(&mut state, now).await?;
        match act {
            PolicyAct::Propose { files, reason, emergency, from } => {
                let from = from.map(Timestamp::from_seconds);
                let proposal = Proposal { emergency, reason, from };
                self.proposed(&mut state, ChangeKind::Apply, files, &user.id, proposal, now).await
            }
            PolicyAct::Rollback { reason, emergency } => {
                let proposal = Proposal { emergency, reason, from: None };
                let files = self.store.kept_policy(&self.earlier()?.hash).map_err(text)?;
                self.proposed(&mut state, ChangeKind::Rollback, files, &user.id, proposal, now).await
            }
            PolicyAct::Approve { number } => self.approve(&mut state, number, &user.id, now).await,
            PolicyAct::Withdraw { number } => {
                let change = self.store.policy_change(number).map_err(text)?;
                self.store.withdraw_policy(number, now).map_err(text)?;
                self.say("withdrawn", &change, &user.id, now).await?;
                Ok(rows::change(&self.store.policy_change(number).map_err(text)?))
            }
            PolicyAct::Review { number, note } => self.review(number, &user.id, &note, now).await,
            PolicyAct::Changes | PolicyAct::Status | PolicyAct::Files { .. } => Ok(Value::Null),
        }
    }

    async fn look(&self, act: &PolicyAct) -> Result<Value, String> {
        match act {
            PolicyAct::Files { which } => {
                let hash = match which {
                    None => self.live.load().hash().to_owned(),
                    Some(which) => self.hash_of(which)?,
                };
                let files = self.store.kept_policy(&hash).map_err(text)?;
                // The newest stands first.
                let held = self.store.policies_in_force().map_err(text)?;
                let at = held.iter().position(|one| one.hash == hash);
                let since = at.and_then(|at| held.get(at)).map(|one| one.at.to_instant());
                let first = at.is_some_and(|at| at + 1 == held.len());
                Ok(json!({ "hash": hash, "files": files, "since": since, "first": first }))
            }
            PolicyAct::Changes => {
                let changes = self.store.policy_changes().map_err(text)?;
                Ok(Value::Array(changes.iter().map(rows::line).collect()))
            }
            _ => {
                let state = self.state.lock().await;
                rows::status(&self.store, &self.live.load(), &state.folder_hash, state.fallback.as_deref())
            }
        }
    }

    /// The policy that the beginning of a hash names, or that was in force at the beginning of a day (UTC); for a day
    /// before the first, the first.
    fn hash_of(&self, which: &str) -> Result<String, String> {
        let held = self.store.policies_in_force().map_err(text)?;
        if let Some(day) = start_of_day(which) {
            let then = held.iter().find(|one| one.at <= day).or_else(|| held.last());
            return then.map(|one| one.hash.clone()).ok_or_else(|| "no policy was ever in force".to_owned());
        }
        let changes = self.store.policy_changes().map_err(text)?;
        let hashes = held.into_iter().map(|one| one.hash).chain(changes.into_iter().map(|one| one.change.after));
        let mut found = hashes.filter(|hash| which.len() >= HASH_LETTERS_MIN && hash.starts_with(which));
        found.next().ok_or_else(|| {
            format!(
                "no policy of this house has a hash that begins with `{which}`; `bascule policy changes` lists them"
            )
        })
    }

    /// What a rollback would go back to.
    fn earlier(&self) -> Result<bascule_store::policy_change::InForce, String> {
        let nothing = "there is no earlier policy to go back to";
        let now = self.store.policy_in_force().map_err(text)?.ok_or(nothing)?;
        let earlier = now.earlier.ok_or(nothing)?;
        self.store.policy_in_force_at(earlier).map_err(text)?.ok_or_else(|| nothing.to_owned())
    }

    async fn proposed(
        &self,
        state: &mut State,
        kind: ChangeKind,
        files: Vec<(String, String)>,
        author: &str,
        proposal: Proposal,
        now: Timestamp,
    ) -> Result<Value, String> {
        let next = proposal.check(now).map_err(text)?;
        let policy = self.load(&files, now)?;
        let current = self.live.load_full();
        if policy.hash() == current.hash() {
            return Err("this policy is in force already".to_owned());
        }
        self.store.keep_policy(policy.hash(), &files, now).map_err(text)?;
        let new = NewChange {
            kind,
            before: current.hash().to_owned(),
            after: policy.hash().to_owned(),
            author: author.to_owned(),
            reason: proposal.reason,
            difference: diff(&current, &policy).to_string(),
            from: proposal.from,
            review_by: match next {
                Next::Approval => None,
                Next::Emergency { review_by } => Some(review_by),
            },
        };
        let change = self.propose(&new, now)?;
        match next {
            Next::Approval => self.say("proposed", &change, "", now).await?,
            Next::Emergency { .. } => self.put(state, &change, Arc::new(policy), None, now).await?,
        }
        Ok(rows::change(&self.store.policy_change(change.number).map_err(text)?))
    }

    async fn approve(&self, state: &mut State, number: i64, approver: &str, now: Timestamp) -> Result<Value, String> {
        let change = self.store.policy_change(number).map_err(text)?;
        if change.state != ChangeState::Proposed {
            return Err(format!("change {number} is {}; only what is proposed is approved", change.state.name()));
        }
        let asked = &change.change;
        let proposal = Proposal { emergency: false, reason: asked.reason.clone(), from: asked.from };
        let current = self.live.load_full();
        let approved = proposal.approve(&asked.author, approver, &asked.before, current.hash(), now).map_err(text)?;
        let policy = begin::kept(&self.store, &asked.after)?;
        panel::check(&policy, &self.store, now)?;
        match approved {
            Approved::Now => self.put(state, &change, Arc::new(policy), Some(approver), now).await?,
            Approved::From(_) => {
                self.store.schedule_policy(number, approver, now).map_err(text)?;
                self.say("scheduled", &change, approver, now).await?;
            }
        }
        Ok(rows::change(&self.store.policy_change(number).map_err(text)?))
    }

    async fn review(&self, number: i64, by: &str, note: &str, now: Timestamp) -> Result<Value, String> {
        check_reason(note).map_err(text)?;
        let change = self.store.policy_change(number).map_err(text)?;
        another(&change.change.author, by).map_err(text)?;
        self.store.review_policy(number, by, note, now).map_err(text)?;
        self.say("reviewed", &change, by, now).await?;
        Ok(rows::change(&self.store.policy_change(number).map_err(text)?))
    }

    fn propose(&self, new: &NewChange, now: Timestamp) -> Result<PolicyChange, String> {
        let number = self.store.propose_policy(new, now).map_err(text)?;
        self.store.policy_change(number).map_err(text)
    }

    /// First the log, then the shelf, then the requests.
    async fn put(
        &self,
        state: &mut State,
        change: &PolicyChange,
        policy: Arc<Policy>,
        approver: Option<&str>,
        now: Timestamp,
    ) -> Result<(), String> {
        let approver = approver.or(change.approver.as_deref());
        self.say("in-force", change, approver.unwrap_or_default(), now).await?;
        let current = self.store.policy_in_force().map_err(text)?;
        let earlier = match change.change.kind {
            ChangeKind::Rollback => self.earlier()?.earlier,
            ChangeKind::Apply | ChangeKind::Folder => current.map(|current| current.sequence),
        };
        let put = self.store.put_policy_in_force(change, approver, &state.folder_hash, earlier, now);
        put.map_err(|error| format!("nothing was changed, since it could not be kept: {error}"))?;
        self.live.store(Arc::clone(&policy));
        state.fallback = None;
        tracing::info!(change = change.number, hash = policy.hash(), "a policy came into force");
        if let Some(by) = change.change.review_by {
            let (number, author) = (change.number, &change.change.author);
            let by = by.to_instant();
            let said =
                format!("change {number} of the policy, by {author} alone, acts; another person reviews it by {by}");
            self.alert("policy-review", &said, now);
        }
        Ok(())
    }

    async fn say(&self, act: &str, change: &PolicyChange, approver: &str, now: Timestamp) -> Result<(), String> {
        let asked = &change.change;
        let event = SystemEvent::Policy {
            act: act.to_owned(),
            change: u64::try_from(change.number).unwrap_or_default(),
            before: asked.before.clone(),
            after: asked.after.clone(),
            author: asked.author.clone(),
            approver: approver.to_owned(),
            reason: asked.reason.clone(),
            review_by: asked.review_by.map(Timestamp::to_instant).unwrap_or_default(),
            difference: asked.difference.lines().map(ToOwned::to_owned).collect(),
        };
        let logged = self.log.append(Entry::system(&event, now), None).await;
        logged.map(drop).map_err(|error| format!("nothing was changed, since it could not be logged: {error}"))
    }

    fn load(&self, files: &[(String, String)], now: Timestamp) -> Result<Policy, String> {
        let files = files.iter().map(|(name, text)| PolicyFile { name: base(name), text: text.clone() });
        let loaded = Policy::load_for(&files.collect::<Vec<_>>(), &self.apis);
        let policy = loaded.map_err(|faults| bascule_policy::fault::render(&faults, "Nothing was changed."))?;
        panel::check(&policy, &self.store, now)?;
        Ok(policy)
    }

    fn alert(&self, rule: &str, said: &str, now: Timestamp) {
        let alert = NewAlert {
            at: now,
            rule: rule.to_owned(),
            severity: "high".to_owned(),
            client: None,
            user: None,
            api: None,
            said: said.to_owned(),
        };
        if let Err(error) = self.store.raise_alert(&alert) {
            tracing::error!(%error, said, "an alert could not be raised");
        }
    }
}

/// A file's name without its folder.
fn base(name: &str) -> String {
    Path::new(name).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

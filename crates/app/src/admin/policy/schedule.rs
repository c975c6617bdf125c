//! What comes due by itself: scheduled changes, and reviews that nobody made.

use std::sync::Arc;
use std::time::Duration;

use bascule_fhir::Timestamp;
use bascule_store::policy_change::PolicyChange;

use super::{PolicyControl, State, begin, text};
use crate::clock;

/// How often is looked for what is due.
const LOOK_SECONDS: u64 = 1;

impl PolicyControl {
    /// Puts scheduled changes in force when they are due; runs until it is dropped. What is due lies on the shelf, so that
    /// a restart in between loses nothing.
    pub(crate) async fn keep_schedule(self: Arc<Self>) {
        loop {
            tokio::time::sleep(Duration::from_secs(LOOK_SECONDS)).await;
            let now = clock::now();
            if let Err(error) = self.tick(now).await {
                tracing::error!(error, "a scheduled policy could not be put in force; it is tried again");
            }
        }
    }

    async fn tick(&self, now: Timestamp) -> Result<(), String> {
        for overdue in self.store.take_overdue_policies(now).map_err(text)? {
            let said = format!(
                "nobody reviewed change {} of the policy within a day: `bascule policy review {}`",
                overdue.number, overdue.number
            );
            self.alert("policy-review-overdue", &said, now);
        }
        if self.store.due_policy(now).map_err(text)?.is_none() {
            return Ok(());
        }
        let mut state = self.state.lock().await;
        self.settle(&mut state, now).await?;
        match self.store.due_policy(now).map_err(text)? {
            Some(due) => self.due(&mut state, &due, now).await,
            None => Ok(()),
        }
    }

    /// What was approved was a difference: if another policy came into force meanwhile, it is another difference.
    async fn due(&self, state: &mut State, due: &PolicyChange, now: Timestamp) -> Result<(), String> {
        let policy = if due.change.before == self.live.load().hash() {
            begin::kept(&self.store, &due.change.after)
        } else {
            Err("another policy came into force since it was approved; propose it again".to_owned())
        };
        match policy {
            Ok(policy) => self.put(state, due, Arc::new(policy), None, now).await,
            Err(why) => {
                self.say("withdrawn", due, due.approver.as_deref().unwrap_or_default(), now).await?;
                self.store.withdraw_policy(due.number, now).map_err(text)?;
                self.alert("policy-schedule", &format!("change {} of the policy was not made: {why}", due.number), now);
                Ok(())
            }
        }
    }
}

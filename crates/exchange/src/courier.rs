//! The courier of one partner: carries its messages into the chart, each patient's in their order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bascule_fhir::Timestamp;
use bascule_hl7::{Limits, Message};
use bascule_store::delivery::{Delivery, Queue};
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::chart::{Chart, Trouble};
use crate::event::{Event, Record};
use crate::map::{Identifier, Known, MapFault, Mapped, Partner, map, needs};
use crate::resolve::resolve;
use crate::rules::Orders;

/// Messages on their way at once.
const UNDER_WAY_MAX: usize = 8;
/// How often the queue is looked at when no bell rings.
const PAUSE: Duration = Duration::from_secs(1);
/// Seconds before the second attempt; each further one doubles it.
const RETRY_FIRST_S: i64 = 1;
/// Bound on the time between two attempts, in seconds.
const RETRY_MOST_S: i64 = 300;

/// The courier.
pub struct Courier {
    /// Whose messages.
    pub partner: Partner,
    /// For which orders it may send.
    pub orders: Orders,
    /// How large its messages may be.
    pub limits: Limits,
    /// Where messages wait.
    pub queue: Arc<Queue>,
    /// Where they go.
    pub chart: Chart,
    /// The log.
    pub record: Record,
    /// The clock.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Rung when something is to be delivered.
    pub bell: Arc<Notify>,
}

/// What becomes of a message for now.
enum Outcome {
    Delivered,
    Later(String),
    Dead(String),
}

impl Courier {
    /// Carries until `stop` turns true; what is under way then comes to its end.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut under_way: Vec<i64> = Vec::new();
        let mut carrying: JoinSet<i64> = JoinSet::new();
        while !*stop.borrow() {
            let free = UNDER_WAY_MAX.saturating_sub(under_way.len());
            let due = if free == 0 { Ok(Vec::new()) } else { self.due(under_way.clone(), free).await };
            let due = due.unwrap_or_else(|error| {
                tracing::error!(partner = self.partner.name, error, "the delivery queue cannot be read");
                Vec::new()
            });
            let began = !due.is_empty();
            for delivery in due.into_iter().take(free) {
                under_way.push(delivery.number);
                let courier = Arc::clone(&self);
                carrying.spawn(async move {
                    let number = delivery.number;
                    courier.carry(delivery).await;
                    number
                });
            }
            if began && under_way.len() < UNDER_WAY_MAX {
                continue;
            }
            tokio::select! {
                Some(ended) = carrying.join_next() => under_way.retain(|number| ended.as_ref().ok() != Some(number)),
                () = self.bell.notified() => {}
                () = tokio::time::sleep(PAUSE) => {}
                _ = stop.changed() => {}
            }
        }
        while carrying.join_next().await.is_some() {}
    }

    async fn due(&self, under_way: Vec<i64>, most: usize) -> Result<Vec<Delivery>, String> {
        let (queue, partner, now) = (Arc::clone(&self.queue), self.partner.name.clone(), (self.clock)());
        let due = tokio::task::spawn_blocking(move || queue.due(&partner, now, &under_way, most)).await;
        due.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }

    async fn carry(&self, delivery: Delivery) {
        let outcome = self.deliver(&delivery).await;
        let now = (self.clock)();
        let kept = match &outcome {
            Outcome::Delivered => self.queue.delivered(delivery.number, now),
            Outcome::Later(said) => self.queue.later(delivery.number, now.plus_seconds(wait(&delivery)), said),
            Outcome::Dead(said) => self.queue.dead(delivery.number, said),
        };
        if let Err(error) = kept {
            tracing::error!(%error, number = delivery.number, "the queue could not be told what became of a message");
        }
        let (act, said) = match outcome {
            Outcome::Delivered => ("delivered", String::new()),
            Outcome::Dead(said) => ("held", said),
            Outcome::Later(said) => {
                tracing::warn!(
                    partner = self.partner.name,
                    number = delivery.number,
                    said,
                    "a message is tried again later"
                );
                return;
            }
        };
        let event = Event {
            partner: self.partner.name.clone(),
            act,
            kind: delivery.kind,
            digest: hex::encode(delivery.digest),
            said,
        };
        if let Err(error) = (self.record)(event).await {
            tracing::error!(error, "a delivery could not be logged");
        }
    }

    async fn deliver(&self, delivery: &Delivery) -> Outcome {
        let bytes = match self.queue.bytes(delivery.number) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Outcome::Dead("its bytes are gone".to_owned()),
            Err(error) => return Outcome::Dead(error.to_string()),
        };
        let mapped = match self.mapped(&bytes).await {
            Ok(mapped) => mapped,
            Err(outcome) => return outcome,
        };
        let sent = match resolve(&self.chart, &mapped).await {
            Ok(bundle) => self.chart.submit(&bundle).await,
            Err(trouble) => Err(trouble),
        };
        match sent {
            Ok(()) => Outcome::Delivered,
            Err(trouble) => trouble.into(),
        }
    }

    async fn mapped(&self, bytes: &[u8]) -> Result<Mapped, Outcome> {
        let dead = |fault: &dyn std::fmt::Display| Outcome::Dead(fault.to_string());
        let message = Message::read(bytes, &self.limits).map_err(|fault| dead(&fault))?;
        let needs = needs(&message, &self.partner).map_err(|fault| dead(&fault))?;
        let patient = self.one_patient(&needs.patient).await?;
        let merged = self.one_patient(&needs.merged).await?;
        let orders = self.orders(&needs.orders, patient.as_ref()).await?;
        let answers = message.kind().is_ok_and(|kind| matches!(kind.code.as_str(), "ORU" | "OUL"));
        if answers && self.orders != Orders::Any && orders.is_empty() {
            return Err(Outcome::Dead(
                "no order of this patient and partner bears the numbers that ORC and OBR give".to_owned(),
            ));
        }
        let known = Known { patient, merged, orders };
        map(&message, &self.partner, &known).map_err(|fault: MapFault| dead(&fault))
    }

    async fn one_patient(&self, identifiers: &[Identifier]) -> Result<Option<Value>, Outcome> {
        let mut found = self.chart.find("Patient", identifiers).await?;
        match found.len() {
            0 | 1 => Ok(found.pop()),
            count => Err(Outcome::Dead(format!(
                "the identifiers of the patient belong to {count} records; merge them, or mend the message"
            ))),
        }
    }

    /// The orders among the numbers that this partner may answer for this patient.
    async fn orders(
        &self,
        numbers: &[Identifier],
        patient: Option<&Value>,
    ) -> Result<BTreeMap<Identifier, String>, Outcome> {
        let of_patient = patient.and_then(|patient| patient.get("id")?.as_str()).map(|id| format!("Patient/{id}"));
        let mut orders = BTreeMap::new();
        for number in numbers {
            let found = self.chart.find("ServiceRequest", std::slice::from_ref(number)).await?;
            let own = found.iter().find(|order| is_of(order, of_patient.as_deref()) && self.may_answer(order));
            if let Some(id) = own.and_then(|order| order.get("id")?.as_str()) {
                orders.insert(number.clone(), format!("ServiceRequest/{id}"));
            }
        }
        Ok(orders)
    }

    fn may_answer(&self, order: &Value) -> bool {
        let Orders::Own(performer) = &self.orders else { return true };
        let performers = order.get("performer").and_then(Value::as_array).into_iter().flatten();
        performers.filter_map(|reference| reference.get("reference")?.as_str()).any(|reference| reference == performer)
    }
}

fn is_of(order: &Value, patient: Option<&str>) -> bool {
    patient.is_some() && order.get("subject").and_then(|subject| subject.get("reference")?.as_str()) == patient
}

impl From<Trouble> for Outcome {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Later(said) => Self::Later(said),
            Trouble::Refused(said) => Self::Dead(said),
        }
    }
}

/// Seconds until the next attempt: doubled each time, with a jitter of a quarter that differs from message to message.
fn wait(delivery: &Delivery) -> i64 {
    let doubled = RETRY_FIRST_S.checked_shl(delivery.attempts.min(16)).unwrap_or(RETRY_MOST_S).min(RETRY_MOST_S);
    let spread = doubled / 4;
    let lot = delivery.digest.first().copied().map_or(0, i64::from).wrapping_add(i64::from(delivery.attempts));
    doubled.saturating_add(if spread > 0 { lot.rem_euclid(spread.saturating_add(1)) } else { 0 })
}

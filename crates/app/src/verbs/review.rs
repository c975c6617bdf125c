//! `bascule review`: asks the running house, or opens it for the while.

use serde_json::Value;

use crate::admin::{Act, Outcome};
use crate::cli::{RecordsArgs, ReviewVerb};
use crate::exit::Exit;
use crate::verbs::{policy, records};
use crate::{config, terminal};

/// Runs one of them.
pub(crate) async fn run(verb: ReviewVerb) -> Exit {
    match verb {
        ReviewVerb::List { all, records } => records::run((Act::ReviewList { all }, records)).await,
        ReviewVerb::Close { number, note, sign } => match policy::signed(&sign) {
            Ok(signed) => {
                let act = Act::ReviewClose { number, note, signed: Some(signed) };
                records::run((act, sign.records)).await
            }
            Err(sentence) => {
                terminal::error(&sentence);
                Exit::Usage
            }
        },
        ReviewVerb::Digest { days, records } => digest(days, records).await,
    }
}

async fn digest(days: u32, records: RecordsArgs) -> Exit {
    if records.json {
        return records::run((Act::ReviewDigest { days }, records)).await;
    }
    let settings = match config::load(&config::found_here(records.config.as_deref())) {
        Ok(settings) => settings,
        Err(faults) => return terminal::faults(&faults, "Nothing was read."),
    };
    match records::ask(settings, &Act::ReviewDigest { days }).await {
        Ok(Outcome::Done(value)) => {
            told(&value);
            Exit::Done
        }
        Ok(Outcome::Refused(sentence)) | Err(sentence) => terminal::failed(&sentence),
    }
}

fn told(value: &Value) {
    let text = |name: &str| value.get(name).map_or_else(|| "-".to_owned(), terminal::cell);
    terminal::line(&format!("emergency access since {}", text("since")));
    let rows = value.get("emergencies").and_then(Value::as_array).cloned().unwrap_or_default();
    terminal::table(&rows);
    terminal::line("");
    terminal::line(&format!("without a second proof  {}", text("without_second_proof")));
    terminal::line(&format!(
        "reviews that wait       {} ({} flagged)",
        text("reviews_waiting"),
        text("reviews_flagged")
    ));
    terminal::line(&format!("the oldest waits        {} days", text("oldest_waits_days")));
}

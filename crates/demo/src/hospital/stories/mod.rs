//! What happens to a patient, one file per story. Each asks the plan whether it applies and writes to the chart.

mod bones;
mod breathing;
mod care;
mod circulation;
mod diabetes;
mod documents;
mod ending;
mod imaging;
mod medicine;
mod messages;
mod mind;
mod needs;
mod pregnancy;
mod protected;
mod routine;
mod screening;
mod sick;
mod vaccines;

use serde_json::Value;
use time::Date;

use super::admin::{bill, record};
use super::chart::{Chart, Label};
use super::dice::Seed;
use super::person::Person;
use super::planned;

pub(super) use medicine::list as medicines;

/// The whole chart of a patient.
pub(super) fn tell(person: &Person, seed: Seed, anchor: Date) -> Vec<Value> {
    let mut chart = Chart::new(person, seed, anchor);
    if person.works_here_as.is_some() {
        chart.under(Label::Employee, everything);
    } else {
        everything(&mut chart);
    }
    chart.into_resources()
}

fn everything(chart: &mut Chart<'_>) {
    record::patient(chart);
    bill::coverage(chart);
    record::relatives(chart);
    record::consent(chart);
    care::team(chart);
    breathing::allergies(chart);
    vaccines::tell(chart);
    routine::tell(chart);
    needs::tell(chart);
    screening::tell(chart);
    diabetes::tell(chart);
    circulation::tell(chart);
    breathing::tell(chart);
    mind::tell(chart);
    protected::tell(chart);
    pregnancy::tell(chart);
    bones::tell(chart);
    sick::tell(chart);
    ending::tell(chart);
    messages::tell(chart);
    planned::appointments(chart);
    record::provenance(chart);
}

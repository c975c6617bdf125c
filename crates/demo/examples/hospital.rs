//! Writes a synthetic hospital as NDJSON: `cargo run --example hospital -- PATIENTS SEED YYYY-MM-DD FOLDER`.

use bascule_demo::hospital::{Hospital, Seed, write_ndjson};
use time::Date;
use time::macros::format_description;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [patients, seed, anchor, folder] = words.as_slice() else {
        return Err("usage: hospital PATIENTS SEED YYYY-MM-DD FOLDER".into());
    };
    let anchor = Date::parse(anchor, format_description!("[year]-[month]-[day]"))?;
    let hospital = Hospital::new(seed.parse::<Seed>()?, patients.parse()?, anchor);
    write_ndjson(hospital, folder.as_ref(), |_| ())?;
    Ok(())
}

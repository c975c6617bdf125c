//! Writes every page of the portal as a file, for looking at: `cargo run --example portal_pages -- PATIENT FOLDER`.

use std::fs;
use std::path::Path;

use bascule_demo::hospital::{Hospital, Seed};
use bascule_demo::portal::{Clock, preview};
use time::macros::{datetime, offset};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [patient, folder] = words.as_slice() else { return Err("usage: portal_pages PATIENT FOLDER".into()) };
    let now = datetime!(2026-11-24 20:00 UTC);
    let chart = Hospital::new(Seed::new(1), 200, now.date()).chart(patient.parse()?);
    let folder = Path::new(folder);
    fs::create_dir_all(folder)?;
    fs::write(folder.join("style.css"), preview::STYLE_SHEET)?;
    for (name, html) in preview::pages("Mercy Hospital", &chart, Clock::new(now, offset!(-7))) {
        fs::write(folder.join(format!("{name}.html")), html.replace("/style.css", "style.css"))?;
    }
    Ok(())
}

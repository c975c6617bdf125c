//! `bascule demo data`: the synthetic hospital as NDJSON, one file a type.

use std::path::Path;

use bascule_demo::hospital::{Hospital, Seed, write_ndjson};

use crate::exit::Exit;
use crate::{clock, day, terminal};

/// Writes it.
pub(crate) fn run(patients: u32, seed: u64, out: &Path) -> Exit {
    let today = day::of(clock::now());
    let Some(anchor) = day::parse(&today) else { return terminal::failed(&format!("the clock says {today}")) };
    let bar = indicatif::ProgressBar::new(u64::from(patients));
    let written =
        write_ndjson(Hospital::new(Seed::new(seed), patients, anchor), out, |tally| bar.set_position(tally.patients));
    bar.finish_and_clear();
    match written {
        Ok(tally) => {
            for (name, count) in &tally.by_type {
                terminal::line(&format!("{count:>9}  {name}.ndjson"));
            }
            Exit::Done
        }
        Err(error) => terminal::failed(&error),
    }
}

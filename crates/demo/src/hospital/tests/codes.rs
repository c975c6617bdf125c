//! Every clinical code of the hospital against data that others published: Synthea's, US Core's and the official examples. What
//! stands in none of them is listed in `codes.txt`, so that whoever has the terminologies can look it up.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde_json::Value;

use super::hospital;
use crate::hospital::code::{CVX, ICD10, LOINC, RXNORM, SNOMED};

const SYSTEMS: [(&str, &str); 5] =
    [(LOINC, "LOINC"), (SNOMED, "SNOMED"), (RXNORM, "RxNorm"), (CVX, "CVX"), (ICD10, "ICD-10-CM")];

/// Codings, and the concepts that a value set lists under its system.
fn gather(value: &Value, codes: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| gather(item, codes)),
        Value::Object(fields) => {
            let system = fields.get("system").or(fields.get("url")).and_then(Value::as_str).unwrap_or_default();
            if let Some((_, name)) = SYSTEMS.iter().find(|(url, _)| *url == system) {
                let listed = fields.get("concept").and_then(Value::as_array).into_iter().flatten();
                let all = listed.chain([value]).filter_map(|one| one.get("code")?.as_str());
                codes.extend(all.map(|code| format!("{name} {code}")));
            }
            fields.values().for_each(|inner| gather(inner, codes));
        }
        _ => {}
    }
}

fn published(folder: &Path) -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    let open = |path: &Path| MultiGzDecoder::new(std::fs::File::open(path).unwrap());
    for file in ["r4-examples.ndjson.gz", "us-core-examples.ndjson.gz"] {
        for line in BufReader::new(open(&folder.join(file))).lines() {
            if let Ok(value) = serde_json::from_str(&line.unwrap()) {
                gather(&value, &mut codes);
            }
        }
    }
    for file in std::fs::read_dir(folder.join("synthea")).unwrap() {
        gather(&serde_json::from_reader(open(&file.unwrap().path())).unwrap(), &mut codes);
    }
    codes
}

#[test]
fn every_code_is_published_or_listed_as_not_compared() {
    let mut ours = BTreeSet::new();
    hospital(1, 60).iter().for_each(|body| gather(body, &mut ours));
    let listed: BTreeSet<String> = include_str!("codes.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.split_once(':').map(|(code, _)| code.to_owned()))
        .collect();
    let unused: Vec<_> = listed.difference(&ours).collect();
    assert!(unused.is_empty(), "codes.txt lists what the hospital does not use: {unused:?}");
    let Some(folder) = std::env::var_os("BASCULE_SHARED").map(PathBuf::from) else {
        println!("skipped: BASCULE_SHARED is not set");
        return;
    };
    let published = published(&folder.join("data/fhir"));
    let neither: Vec<_> = ours.iter().filter(|code| !published.contains(*code) && !listed.contains(*code)).collect();
    assert!(neither.is_empty(), "neither published nor listed: {neither:?}");
    let both: Vec<_> = listed.intersection(&published).collect();
    assert!(both.is_empty(), "listed as not compared, but published: {both:?}");
    println!("{} of {} codes are published", ours.len() - listed.len(), ours.len());
}

//! What the filter costs, next to a copy of the bytes and to the libraries that one would reach for, on one input in
//! one run. Prints MB of input a second: minimum, median and maximum of thread CPU time.

mod corpus;
mod rivals;
mod task;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bascule_fhir::ResourceType;
use bascule_minimum::open::{filtered, stream};
use bascule_minimum::{Limits, Masks, Rewrite, Shape};
use bascule_policy::{Elements, Narrowing, TotalRule, TypeNarrowing};
use rustix::time::{ClockId, clock_gettime};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs of which the median is taken.
const RUNS: usize = 15;
/// Thread time of one run, at least.
const RUN_TIME: Duration = Duration::from_millis(60);

fn main() {
    let compact = corpus::searchset();
    let pretty = format!("{:#}", serde_json::from_str::<serde_json::Value>(&compact).unwrap());
    for (name, body) in [("compact", &compact), ("pretty", &pretty)] {
        table(name, body.as_bytes());
    }
}

fn table(name: &str, body: &[u8]) {
    let masks = Masks::default();
    let rewrite = Rewrite::new(task::UPSTREAM, task::PUBLIC, &|_, _| None);
    let narrowing = narrowing(false);
    let whole = self::narrowing(true);
    let limits = Limits::default();
    let ours = |narrowing: &Narrowing| filtered(&masks, narrowing, Shape::Bundle, body, &rewrite, &limits).unwrap();
    let left = ours(&narrowing);
    println!("\n{name}: {} bytes in, {} bytes out ({:.0} %)", body.len(), left.len(), 100.0 * left.len() as f64 / body.len() as f64);
    let streamed = || {
        let mut out = Vec::with_capacity(body.len());
        for _ in 0..1 {
            stream(&masks, &narrowing, Shape::Bundle, &mut body.chunks(16_384), &rewrite, &limits, &mut out).unwrap();
        }
        out
    };
    assert_eq!(streamed(), left);
    let expected: serde_json::Value = serde_json::from_slice(&rivals::serde_tree(body)).unwrap();
    let lines: [(&str, &dyn Fn() -> Vec<u8>, bool); 10] = [
        ("memcpy", &|| body.to_vec(), false),
        ("UTF-8 check alone", &|| vec![u8::from(std::str::from_utf8(body).is_ok())], false),
        ("bascule, held", &|| ours(&narrowing), true),
        ("bascule, held, all whole", &|| ours(&whole), false),
        ("bascule, stream of 16 KiB, with digests", &streamed, true),
        ("serde_json tree", &|| rivals::serde_tree(body), true),
        ("serde_json RawValue", &|| rivals::serde_raw(body), true),
        ("simd-json tree", &|| rivals::simd_json(body), true),
        ("sonic-rs tree", &|| rivals::sonic(body), true),
        ("jiter pull + slices", &|| rivals::jiter(body), true),
    ];
    let wanted = std::env::args().nth(1).unwrap_or_default();
    for (name, run, same) in lines.into_iter().filter(|(name, ..)| name.contains(&wanted)) {
        if same {
            let found: serde_json::Value = serde_json::from_slice(&run()).unwrap();
            assert!(same_values(&found, &expected), "{name} leaves something else");
        }
        let speeds = speeds(body.len(), run);
        println!("{name:42} {:8.0} MB/s  ({:.0} to {:.0})", speeds[RUNS / 2], speeds[0], speeds[RUNS - 1]);
    }
}

/// Whether two trees say the same. Libraries that rewrite numbers may: `5.10` and `5.1` count as one here.
fn same_values(left: &serde_json::Value, right: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (left, right) {
        (Number(left), Number(right)) => left.as_f64() == right.as_f64(),
        (Array(left), Array(right)) => left.len() == right.len() && left.iter().zip(right).all(|(a, b)| same_values(a, b)),
        (Object(left), Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| same_values(value, other)))
        }
        _ => left == right,
    }
}

fn narrowing(whole: bool) -> Narrowing {
    let elements = |paths: &str| match whole {
        true => Elements::Whole,
        false => Elements::Only(paths.split_whitespace().map(str::to_owned).collect()),
    };
    let types = [("Patient", task::PATIENT_POLICY), ("Observation", task::OBSERVATION_POLICY)].map(|(name, paths)| {
        (ResourceType::parse(name).unwrap(), TypeNarrowing::new(Arc::new(elements(paths)), Vec::new()))
    });
    Narrowing { types: types.into_iter().collect(), total: TotalRule::Exact }
}

/// MB of input a second, sorted.
fn speeds(bytes: usize, run: &dyn Fn() -> Vec<u8>) -> Vec<f64> {
    let mut all: Vec<f64> = (0..RUNS).map(|_| {
        let (start, mut rounds) = (now(), 0_u32);
        while now() - start < RUN_TIME {
            black_box(run());
            rounds += 1;
        }
        bytes as f64 * f64::from(rounds) / (now() - start).as_secs_f64() / 1e6
    }).collect();
    all.sort_by(f64::total_cmp);
    all
}

fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

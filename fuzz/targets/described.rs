//! Any bytes as a body that an OpenAPI description describes: nothing panics, what leaves is JSON, and of it nothing more leaves
//! when it comes again.
//!
//! The first byte chooses the grant.
#![no_main]

use std::sync::LazyLock;

use bascule_minimum::{Described, Limits};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits { resource_bytes_max: 4_096, depth_max: 24, listed_resources_max: 64, withheld_paths_max: 16 };

const GRANTS: [&[&str]; 4] = [&["a"], &["a", "b.c", "d.*"], &["b.b.c", "b.a"], &["*"]];

static DESCRIBED: LazyLock<Vec<Described>> = LazyLock::new(|| {
    let schema = serde_json::json!({ "items": { "properties": {
        "a": { "type": ["string", "number"] },
        "b": { "properties": { "a": { "type": "boolean" }, "b": { "$ref": "#/items/properties/b" }, "c": { "items": { "type": "integer" } } } },
        "d": {},
    } } });
    let of = |paths: &&[&str]| {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        Described::schema(&schema, &schema, &paths).unwrap_or_else(|fault| panic!("{fault}"))
    };
    GRANTS.iter().map(of).collect()
});

fuzz_target!(|input: &[u8]| {
    let [choice, body @ ..] = input else { return };
    let Some(described) = DESCRIBED.get(usize::from(*choice) % GRANTS.len()) else { return };
    let Ok(left) = described.release(body, &LIMITS) else { return };
    let read = |text: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(text);
    assert!(read(body).is_ok() && read(left.body()).is_ok());
    let again = described.release(left.body(), &LIMITS);
    assert!(again.is_ok_and(|again| again.body() == left.body()), "what leaves leaves again as it is");
});

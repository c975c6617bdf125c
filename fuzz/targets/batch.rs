//! The body of a batch or transaction.
#![no_main]

use bascule_fhir::{Interaction, Request, json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let read = Interaction::parse(&Request { method: "POST", body: Some(data), ..Request::default() });
    if let Ok(Interaction::Batch { entries, .. }) = read {
        let nested = |one: &Interaction| matches!(one, Interaction::Batch { .. } | Interaction::Page { .. });
        assert!(!entries.iter().any(|entry| nested(&entry.interaction)));
        assert!(json::parse(data).is_ok());
    }
});

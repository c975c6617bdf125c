//! A query string: what is read is written and read back the same, names and values too.
#![no_main]

use bascule_fhir::query::{self, Include};
use bascule_fhir::{ParameterName, Query, Reference};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(read) = Query::parse_form(data) else { return };
    assert_eq!(Query::parse(&read.encode()).as_ref(), Ok(&read));
    for parameter in &read.parameters {
        if let Ok(name) = ParameterName::parse(&parameter.name) {
            assert_eq!(ParameterName::parse(&name.to_string()), Ok(name));
        }
        if let Ok(include) = Include::parse(&parameter.value, false, false) {
            assert_eq!(Include::parse(&include.to_string(), false, false), Ok(include));
        }
        if let Ok(reference) = Reference::parse(&parameter.value) {
            assert_eq!(Reference::parse(&reference.to_string()), Ok(reference));
        }
        assert_eq!(query::alternatives(&parameter.value).join(","), parameter.value);
        let _ = (query::token(&parameter.value), query::unescape(&parameter.value));
    }
});

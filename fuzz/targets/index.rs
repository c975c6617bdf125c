//! Any bytes for the index: the vector code finds what plain code finds, and a cut changes nothing.
#![no_main]

use bascule_minimum::open::compare_index;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [cut, text @ ..] = input else { return };
    compare_index(text, usize::from(*cut));
});

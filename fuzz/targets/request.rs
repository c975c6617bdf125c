//! A request line, its form and its header: `METHOD path?query`, then lines for `If-None-Exist` and the form.
#![no_main]

use bascule_fhir::{Interaction, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let Some(Ok(first)) = lines.next().map(std::str::from_utf8) else { return };
    let (method, url) = first.split_once(' ').unwrap_or(("GET", first));
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    let if_none_exist = lines.next().and_then(|line| std::str::from_utf8(line).ok()).filter(|line| !line.is_empty());
    let request = Request { method, path, query, form: lines.next(), body: None, if_none_exist };
    if let Ok(interaction) = Interaction::parse(&request) {
        let segments = path.strip_prefix('/').unwrap_or(path).split('/');
        assert!(path.len() < 2 || segments.clone().all(|segment| !segment.is_empty() && segment != ".."));
        let _ = (interaction.kind(), interaction.resource());
    }
});

//! Peak memory of a stream: that of one resource and a window, whatever the size of the body. A binary of its own, because
//! what is measured is the process.

mod given;

use bascule_minimum::{Filter, Limits, Masks, Rewrite, Shape};

/// Bytes above the buffers that a stream may take at its peak.
const PEAK_BYTES_MAX: u64 = 1 << 20;

/// A line of `/proc/self/status`, in bytes; `None` where there is no such file.
#[cfg(test)]
fn memory(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
}

/// One entry of a searchset, some two kilobytes.
#[cfg(test)]
fn entry(number: usize) -> String {
    let words = "The quick brown fox jumps over the lazy dog. ".repeat(30);
    format!(
        r#"{{"fullUrl":"http://ehr/fhir/Appointment/{number}","resource":{{"resourceType":"Appointment","id":"{number}","status":"booked","description":"{words}","start":"2026-01-01T09:00:00Z","end":"2026-01-01T09:30:00Z","participant":[{{"actor":{{"reference":"http://ehr/fhir/Patient/p{number}","display":"x"}},"status":"accepted"}}]}}}}"#
    )
}

/// Streams `megabytes` of a searchset through the filter; what came in, what left, and what it took at its peak.
#[cfg(test)]
fn peak(megabytes: u64) -> Option<(u64, u64, u64)> {
    let (masks, permit) = (Masks::default(), given::permit("Appointment"));
    let rewrite = Rewrite::new("http://ehr/fhir", "https://bridge/ehr", &|_, _| None);
    let mut filter = Filter::new(&masks, &permit, Shape::Bundle, &rewrite, &Limits::default());
    let part: String = (0..32).map(|number| format!("{},", entry(number))).collect();
    let mut out = Vec::with_capacity(part.len());
    let mut left = 0;
    filter.push(br#"{"resourceType":"Bundle","type":"searchset","entry":["#, &mut out).unwrap();
    filter.push(part.as_bytes(), &mut out).unwrap();
    // The masks are made and the buffers have their size: from here on it is the stream's own.
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    let before = memory("VmRSS")?;
    let mut came = 0;
    while came < megabytes << 20 {
        out.clear();
        filter.push(part.as_bytes(), &mut out).unwrap();
        drop(filter.take_resources());
        came += part.len() as u64;
        left += out.len() as u64;
    }
    let after = memory("VmHWM")?;
    filter.push(format!("{}]}}", entry(0)).as_bytes(), &mut out).unwrap();
    assert_eq!(filter.finish(&mut out).unwrap().withheld_resources(), 0);
    Some((came, left, after.saturating_sub(before)))
}

#[test]
fn a_stream_takes_less_than_a_megabyte_above_its_buffers() {
    let megabytes = if std::env::var_os("BASCULE_LONG").is_some() { 1_024 } else { 64 };
    let Some((came, left, peak)) = peak(megabytes) else {
        println!("skipped: this system does not tell the peak of a process");
        return;
    };
    println!("{came} bytes in, {left} bytes out, {peak} bytes at the peak above what there was");
    assert!(left > came / 10, "{left} of {came} left");
    assert!(peak < PEAK_BYTES_MAX, "{peak} bytes at the peak of {came}");
}

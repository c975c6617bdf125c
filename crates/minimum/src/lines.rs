//! Bulk data: one resource a line (NDJSON), each line filtered as if it came alone.
//!
//! No JSON string holds a raw line feed, so a line ends where its bytes say it does, whatever stands on it. A line that
//! cannot be read stays, whole, and is counted: the lines after it are no worse for it. Only a last line that breaks
//! off without a line feed is a fault of the whole body, because a file that was cut must not be taken for all of it.

use crate::fault::{Fault, Flaw};
use crate::keys::Keys;
use crate::log::Log;
use crate::mask::Holder;
use crate::plan::Plan;
use crate::scan::Index;
use crate::token::{Cursor, Place};
use crate::walk::{Verdict, Walk};

/// How far a body of lines has been read.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// The line whose end has not come; at most `resource_bytes_max`.
    held: Vec<u8>,
    /// Whether that line is larger than may be held, and its bytes are being dropped.
    dropping: bool,
    index: Index,
    keys: Keys,
}

impl Lines {
    /// Bytes of the line whose end has not come.
    pub(crate) const fn held_bytes(&self) -> usize {
        self.held.len()
    }

    /// Takes the next bytes of the body in; appends to `out` what may leave of the lines that end in them.
    pub(crate) fn push(
        &mut self,
        plan: &Plan<'_>,
        log: &mut Log,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let mut rest = bytes;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(at);
            rest = after.get(1..).unwrap_or_default();
            self.line(plan, log, line, out)?;
        }
        if self.dropping || self.held.len() + rest.len() > plan.limits.resource_bytes_max {
            self.dropping = true;
            self.held = Vec::new();
        } else {
            self.held.extend_from_slice(rest);
        }
        Ok(())
    }

    /// The body has ended: the last line may do without a line feed.
    pub(crate) fn finish(&mut self, plan: &Plan<'_>, log: &mut Log, out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.dropping {
            withhold(log);
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        self.last(plan, log, &held, out)
    }

    /// A line whose last bytes, up to the line feed, are `end`.
    fn line(&mut self, plan: &Plan<'_>, log: &mut Log, end: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        if std::mem::take(&mut self.dropping) || self.held.len() + end.len() > plan.limits.resource_bytes_max {
            self.held.clear();
            withhold(log);
            return Ok(());
        }
        if self.held.is_empty() {
            return self.whole(plan, log, end, out);
        }
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(end);
        let result = self.whole(plan, log, &held, out);
        held.clear();
        self.held = held;
        result
    }

    /// A line that is there in full. What is wrong with it is wrong with nothing else.
    fn whole(&mut self, plan: &Plan<'_>, log: &mut Log, line: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        match self.filtered(plan, log, line, out) {
            Err(Fault::TooMany) => Err(Fault::TooMany),
            Err(_) => {
                log.unreadable_lines += 1;
                withhold(log);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// The last line, without a line feed.
    fn last(&mut self, plan: &Plan<'_>, log: &mut Log, line: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let cut = matches!(std::str::from_utf8(line), Err(cut) if cut.error_len().is_none());
        match self.filtered(plan, log, line, out) {
            Err(Fault::Incomplete) => Err(Fault::Incomplete),
            Err(Fault::NotUtf8) if cut => Err(Fault::NotUtf8),
            Err(_) => self.whole(plan, log, line, out),
            Ok(()) => Ok(()),
        }
    }

    /// Appends what leaves of one line; on a fault, nothing.
    fn filtered(&mut self, plan: &Plan<'_>, log: &mut Log, line: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        std::str::from_utf8(line).map_err(|_| Fault::NotUtf8)?;
        self.index.restart();
        self.index.extend(line, true)?;
        self.keys.clear();
        let (written, log_mark) = (out.len(), log.mark());
        let cursor = Cursor::new(line, &self.index, Place::default(), true);
        let result = resource(&mut Walk::new(cursor, out, plan, log, &mut self.keys));
        if result.as_ref().map_or(true, |verdict| *verdict != Verdict::Kept) {
            out.truncate(written);
            log.roll_back(log_mark);
        }
        if result? != Verdict::Kept {
            withhold(log);
        }
        Ok(())
    }
}

/// The resource of a line, and nothing after it.
fn resource(walk: &mut Walk<'_>) -> Result<Verdict, Fault> {
    let open = walk.cursor.expect(b'{', Flaw::NoObjectLine)?;
    walk.slices.start(open);
    let (verdict, end) = walk.resource(open, Holder::Envelope)?;
    if walk.cursor.peek().is_ok() {
        return Err(Fault::Malformed(Flaw::AfterResource));
    }
    walk.slices.stop(end);
    walk.slices.write(b"\n");
    Ok(verdict)
}

const fn withhold(log: &mut Log) {
    log.withheld_resources += 1;
}

#[cfg(test)]
mod tests {
    use crate::reply::Shape;
    use crate::tests::support::{filter, grants};
    use crate::withheld::Withheld;

    /// What leaves of these lines, how many stayed, and how many of these could not be read.
    fn check(body: &[u8]) -> (String, u64, u64) {
        let narrowing = grants(&[("Patient", "gender")]);
        let left = filter(&narrowing, Shape::Ndjson, body).unwrap();
        let counts = (left.withheld_resources(), left.unreadable_lines());
        let text = String::from_utf8(left.into_body()).unwrap();
        let text = text.replace(
            r#","meta":{"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}"#,
            "",
        );
        (text, counts.0, counts.1)
    }

    const GOOD: &str = r#"{"resourceType":"Patient","id":"1","gender":"male","birthDate":"1980"}"#;
    const LEFT: &str = "{\"resourceType\":\"Patient\",\"id\":\"1\",\"gender\":\"male\"}\n";

    #[test]
    fn a_broken_line_stays_and_is_counted_and_those_around_it_leave() {
        for broken in [
            "{",
            "]",
            "x",
            r#"{"resourceType":"Patient","id":"2","gender":"SECRET"#,
            r#"{"resourceType":"Patient","id":"2","gender":"SECRET}"#,
            r#"{"resourceType":"Patient","id":"2","gender":"SECRET"}}"#,
            r#"{"resourceType":"Patient","id":"2","gender":"SECRET"}{"resourceType":"Patient"}"#,
            r#"{"resourceType":"Patient","id":"2","gender":"SECRET","gender":"SECRET"}"#,
            "{\"resourceType\":\"Patient\",\"gender\":\"SECRET\tX\"}",
            r#"[{"resourceType":"Patient","gender":"SECRET"}]"#,
        ] {
            let (left, withheld, unreadable) = check(format!("{GOOD}\n{broken}\n{GOOD}\n").as_bytes());
            assert_eq!((&*left, withheld, unreadable), (&*format!("{LEFT}{LEFT}"), 1, 1), "{broken}");
        }
        let mut bytes = format!("{GOOD}\n{GOOD}\n{GOOD}").into_bytes();
        bytes[GOOD.len() + 20] = 0xff;
        assert_eq!(check(&bytes), (format!("{LEFT}{LEFT}"), 1, 1));
    }

    #[test]
    fn a_line_of_another_type_stays_and_is_readable() {
        let device = r#"{"resourceType":"Device"}"#;
        assert_eq!(check(format!("{device}\n{GOOD}\r\n\n \r\n{GOOD}").as_bytes()), (format!("{LEFT}{LEFT}"), 1, 0));
    }

    #[test]
    fn a_last_line_that_is_cut_is_a_fault_of_the_body() {
        let narrowing = grants(&[("Patient", "gender")]);
        for cut in 1..GOOD.len() {
            let body = format!("{GOOD}\n{}", &GOOD[..cut]);
            let found = filter(&narrowing, Shape::Ndjson, body.as_bytes());
            assert!(matches!(found, Err(Withheld::Malformed { .. })), "{body}");
        }
    }
}

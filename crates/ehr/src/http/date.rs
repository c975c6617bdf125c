//! HTTP dates (RFC 9110): `Tue, 24 Nov 2026 19:16:51 GMT`.

use bascule_fhir::Timestamp;
use time::format_description::FormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

const FORMAT: &[FormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// As it stands in `Last-Modified`.
pub(crate) fn write_date(moment: Timestamp) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(moment.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    moment.format(FORMAT).unwrap_or_default()
}

/// Seconds since 1970.
pub(crate) fn read_date(text: &str) -> Option<i64> {
    PrimitiveDateTime::parse(text.trim(), FORMAT).ok().map(|moment| moment.assume_utc().unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let text = write_date(Timestamp::from_seconds(1_700_000_000));
        assert_eq!(text, "Tue, 14 Nov 2023 22:13:20 GMT");
        assert_eq!(read_date(&text), Some(1_700_000_000));
        assert_eq!(read_date("2023-11-14"), None);
    }
}

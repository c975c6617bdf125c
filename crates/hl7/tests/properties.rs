//! A stranger's bytes: whatever comes, nothing stops, and what is read is written again byte for byte.

use bascule_hl7::{Charset, Deframer, Delimiters, Event, Limits, Message, Timestamp, escape, frame, split, unescape};
use proptest::prelude::*;

fn message() -> impl Strategy<Value = Vec<u8>> {
    let field = r"[A-Za-z0-9 ^~\\&é.]{0,12}";
    let segment = ("[A-Z][A-Z0-9]{2}", prop::collection::vec(field, 0..8))
        .prop_filter("a header stands first only", |(name, _)| {
            !["MSH", "FHS", "BHS", "BTS", "FTS"].contains(&name.as_str())
        })
        .prop_map(|(name, fields)| format!("{name}|{}", fields.join("|")));
    (prop::collection::vec(segment, 0..6), prop::sample::select(vec!["\r", "\n", "\r\n"])).prop_map(
        |(segments, end)| {
            let mut text = format!("MSH|^~\\&|a|b|c|d|20260101||ADT^A01|1|P|2.5.1{end}");
            text.extend(segments.iter().map(|segment| format!("{segment}{end}")));
            text.into_bytes()
        },
    )
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let with_header = [b"MSH|^~\\&|".as_slice(), &bytes].concat();
        for bytes in [&bytes, &with_header] {
            let _ = split(bytes).map(|batches| batches.check());
            if let Ok(message) = Message::read(bytes, &Limits::default()) {
                prop_assert_eq!(&message.encode(), bytes);
            }
        }
    }

    #[test]
    fn a_message_is_written_as_it_was_read(bytes in message()) {
        let read = Message::read(&bytes, &Limits::default()).unwrap();
        prop_assert_eq!(read.encode(), bytes);
    }

    #[test]
    fn frames_survive_every_cut(messages in prop::collection::vec("[a-z|\r]{0,20}", 1..5), sizes in prop::collection::vec(1usize..9, 1..60)) {
        let stream: Vec<u8> = messages.iter().flat_map(|text| frame(text.as_bytes())).collect();
        let (mut deframer, mut events, mut rest) = (Deframer::new(100), Vec::new(), stream.as_slice());
        for size in sizes.iter().cycle() {
            let (piece, next) = rest.split_at((*size).min(rest.len()));
            events.extend(deframer.push(piece));
            rest = next;
            if rest.is_empty() {
                break;
            }
        }
        let expected: Vec<Event> = messages.into_iter().map(|text| Event::Frame(text.into_bytes())).collect();
        prop_assert_eq!(events, expected);
    }

    #[test]
    fn any_stream_of_bytes_is_bounded(pieces in prop::collection::vec(prop::collection::vec(prop::sample::select(vec![0x0b, 0x1c, 0x0d, b'a']), 0..40), 0..20)) {
        let mut deframer = Deframer::new(16);
        for event in pieces.iter().flat_map(|piece| deframer.push(piece)).collect::<Vec<_>>() {
            if let Event::Frame(frame) = event {
                prop_assert!(frame.len() <= 16);
            }
        }
    }

    #[test]
    fn escaped_text_comes_back(text in "[a-zé|^~&\\\\ .\n]{0,40}") {
        let written = escape(&text, Delimiters::default());
        prop_assert!(!written.contains(['|', '^', '~', '&', '\n']));
        prop_assert_eq!(unescape(&written, Delimiters::default(), Charset::Utf8), text);
    }

    #[test]
    fn any_text_is_a_time_or_not(text in "[0-9+.Z-]{0,24}") {
        if let Some(time) = Timestamp::read(&text) {
            prop_assert!(time.to_date().len() <= 10);
            prop_assert!(time.to_date_time(0).len() <= 40);
        }
    }
}

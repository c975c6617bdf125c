//! NTE: notes, which belong to the segment before them.

use bascule_hl7::{Message, Segment};
use serde_json::{Value, json};

/// The text of a note.
pub(crate) fn text(nte: &Segment<'_>) -> Option<String> {
    let lines: Vec<String> = nte.field(3).repetitions().filter_map(|line| line.text(1)).collect();
    let text = lines.join("\n").trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// The notes that follow the segment at `place`, as Annotations, and how many there are.
pub(crate) fn after(message: &Message<'_>, place: usize) -> (Vec<Value>, usize) {
    let following = message.segments().iter().skip(place.saturating_add(1));
    let notes: Vec<_> = following.take_while(|segment| segment.name() == "NTE").collect();
    let annotations = notes.iter().filter_map(|nte| text(nte)).map(|text| json!({ "text": text })).collect();
    (annotations, notes.len())
}

//! Where a page ended, as the opaque word in a `next` link: the sort keys and the key of the last resource, and the
//! newest resource that the first page could see, so that a walk through the pages ends and repeats nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::types::Value as Cell;
use serde_json::{Value, json};

/// The end of a page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cursor {
    /// The last resource's sort keys.
    pub(crate) keys: Vec<Cell>,
    /// The last resource.
    pub(crate) after: i64,
    /// The newest resource when the walk began.
    pub(crate) newest: i64,
    /// How many there were, if they were counted.
    pub(crate) total: Option<i64>,
}

impl Cursor {
    /// As it stands in a link.
    pub(crate) fn write(&self) -> String {
        let keys: Vec<Value> = self
            .keys
            .iter()
            .map(|key| match key {
                Cell::Integer(number) => json!({ "i": number }),
                Cell::Real(number) => json!({ "r": number.to_bits().to_string() }),
                Cell::Text(text) => json!({ "t": text }),
                Cell::Null | Cell::Blob(_) => json!({}),
            })
            .collect();
        URL_SAFE_NO_PAD.encode(json!([keys, self.after, self.newest, self.total]).to_string())
    }

    /// As it was given out.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (keys, after, newest, total): (Vec<Value>, i64, i64, Option<i64>) = serde_json::from_slice(&bytes).ok()?;
        let keys = keys.iter().map(cell).collect::<Option<Vec<_>>>()?;
        Some(Self { keys, after, newest, total })
    }
}

fn cell(value: &Value) -> Option<Cell> {
    if let Some(number) = value.get("i") {
        return number.as_i64().map(Cell::Integer);
    }
    if let Some(bits) = value.get("r") {
        return bits.as_str()?.parse().ok().map(|bits| Cell::Real(f64::from_bits(bits)));
    }
    value.get("t")?.as_str().map(|text| Cell::Text(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let keys = vec![Cell::Integer(-5), Cell::Real(0.1), Cell::Text("é|,".to_owned())];
        let cursor = Cursor { keys, after: 7, newest: 9, total: Some(3) };
        assert_eq!(Cursor::read(&cursor.write()), Some(cursor));
        assert_eq!(Cursor::read("bm9wZQ"), None);
        assert_eq!(Cursor::read("%"), None);
    }
}

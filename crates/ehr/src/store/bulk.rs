//! Index rows on their way into the tables: gathered, then written table by table in the order of their keys, so that a
//! page of a table is found once for all the rows that it takes.

use super::session::Session;
use crate::Refusal;
use crate::index::fold::fold;
use crate::index::{Row, RowValue, Words};

/// Rows of one turn. Tuples are the columns of their tables, in the order of the primary key.
#[derive(Default)]
pub(crate) struct Bulk {
    token: Vec<(i64, String, i64, i64, i64, i64)>,
    string: Vec<(i64, i64, i64, String)>,
    reference: Vec<(i64, i64, i64, i64)>,
    uri: Vec<(i64, String, i64, i64)>,
    date: Vec<(i64, i64, i64, i64, i64)>,
    number: Vec<(i64, i64, i64, f64, f64)>,
    quantity: Vec<(i64, i64, i64, Measure)>,
    words: Vec<(i64, Words)>,
}

/// The columns of a quantity beside its place.
type Measure = (f64, f64, i64, String, String);

impl Bulk {
    /// Whether nothing waits.
    fn is_empty(&self) -> bool {
        self.words.is_empty()
            && self.token.is_empty()
            && self.string.is_empty()
            && self.reference.is_empty()
            && self.uri.is_empty()
            && self.date.is_empty()
            && self.number.is_empty()
            && self.quantity.is_empty()
    }
}

impl Session<'_> {
    /// Takes the rows of a resource; its words only where this file has them.
    pub(crate) fn gather(
        &mut self,
        bulk: &mut Bulk,
        key: i64,
        rows: impl IntoIterator<Item = Row>,
        words: Option<Words>,
    ) -> Result<(), Refusal> {
        for row in rows {
            self.gather_row(bulk, key, row)?;
        }
        bulk.words.extend(words.filter(|_| self.full_text).map(|words| (key, words)));
        Ok(())
    }

    fn gather_row(&mut self, bulk: &mut Bulk, key: i64, row: Row) -> Result<(), Refusal> {
        let (parameter, slot) = (row.parameter, row.slot);
        match row.value {
            RowValue::Token { system, code, display } => {
                let (system, display) = (self.word(&system)?, self.word(&display)?);
                bulk.token.push((parameter, code, key, system, slot, display));
            }
            RowValue::Text(exact) => bulk.string.push((parameter, key, slot, exact)),
            RowValue::Reference(resource, id) => {
                let target = self.key_of(resource, id)?;
                bulk.reference.push((parameter, target, key, slot));
            }
            RowValue::Uri(value) => bulk.uri.push((parameter, value, key, slot)),
            RowValue::Date(low, high) => bulk.date.push((parameter, key, slot, low, high)),
            RowValue::Number(low, high) => bulk.number.push((parameter, key, slot, low.0, high.0)),
            RowValue::Quantity { low, high, system, code, unit } => {
                let system = self.word(&system)?;
                bulk.quantity.push((parameter, key, slot, (low.0, high.0, system, code, unit)));
            }
        }
        Ok(())
    }

    /// Writes what was gathered.
    pub(crate) fn flush(&mut self, bulk: &mut Bulk) -> Result<(), Refusal> {
        if bulk.is_empty() {
            return Ok(());
        }
        let Bulk { token, string, reference, uri, date, number, quantity, words } = std::mem::take(bulk);
        self.flush_tokens(token)?;
        self.flush_strings(string)?;
        self.flush_references(reference, uri)?;
        self.flush_spans(date, number)?;
        self.flush_quantities(quantity)?;
        self.flush_words(words)
    }

    fn flush_tokens(&mut self, mut rows: Vec<(i64, String, i64, i64, i64, i64)>) -> Result<(), Refusal> {
        rows.sort_unstable();
        let sql = "INSERT INTO token (parameter, code, pk, system, slot, display) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
        let mut insert = self.connection.prepare_cached(sql)?;
        rows.iter().try_for_each(|(parameter, code, key, system, slot, display)| {
            insert.execute((parameter, code, key, system, slot, display)).map(drop)
        })?;
        Ok(())
    }

    fn flush_strings(&mut self, mut rows: Vec<(i64, i64, i64, String)>) -> Result<(), Refusal> {
        rows.sort_unstable();
        let sql = "INSERT INTO string (parameter, pk, slot, folded, exact) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
        let mut insert = self.connection.prepare_cached(sql)?;
        rows.iter().try_for_each(|(parameter, key, slot, exact)| {
            insert.execute((parameter, key, slot, fold(exact), exact)).map(drop)
        })?;
        Ok(())
    }

    fn flush_references(
        &mut self,
        mut references: Vec<(i64, i64, i64, i64)>,
        mut uris: Vec<(i64, String, i64, i64)>,
    ) -> Result<(), Refusal> {
        references.sort_unstable();
        let sql = "INSERT INTO reference (parameter, target, pk, slot) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
        let mut insert = self.connection.prepare_cached(sql)?;
        references.iter().try_for_each(|row| insert.execute(*row).map(drop))?;
        uris.sort_unstable();
        let sql = "INSERT INTO uri (parameter, value, pk, slot) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
        let mut insert = self.connection.prepare_cached(sql)?;
        uris.iter()
            .try_for_each(|(parameter, value, key, slot)| insert.execute((parameter, value, key, slot)).map(drop))?;
        Ok(())
    }

    fn flush_spans(
        &mut self,
        mut dates: Vec<(i64, i64, i64, i64, i64)>,
        mut numbers: Vec<(i64, i64, i64, f64, f64)>,
    ) -> Result<(), Refusal> {
        dates.sort_unstable();
        let sql =
            "INSERT INTO date (parameter, pk, slot, low, high) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
        let mut insert = self.connection.prepare_cached(sql)?;
        dates.iter().try_for_each(|row| insert.execute(*row).map(drop))?;
        numbers.sort_unstable_by_key(|row| (row.0, row.1, row.2));
        let sql =
            "INSERT INTO number (parameter, pk, slot, low, high) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
        let mut insert = self.connection.prepare_cached(sql)?;
        numbers.iter().try_for_each(|row| insert.execute(*row).map(drop))?;
        Ok(())
    }

    fn flush_quantities(&mut self, mut rows: Vec<(i64, i64, i64, Measure)>) -> Result<(), Refusal> {
        rows.sort_unstable_by_key(|row| (row.0, row.1, row.2));
        let sql = "INSERT INTO quantity (parameter, pk, slot, low, high, system, code, unit) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING";
        let mut insert = self.connection.prepare_cached(sql)?;
        rows.iter().try_for_each(|(parameter, key, slot, (low, high, system, code, unit))| {
            insert.execute((parameter, key, slot, low, high, system, code, unit)).map(drop)
        })?;
        Ok(())
    }

    /// In the order of keys: the full-text index writes out what it holds whenever a key is not greater than the last.
    fn flush_words(&mut self, mut rows: Vec<(i64, Words)>) -> Result<(), Refusal> {
        rows.sort_unstable_by_key(|(key, _)| *key);
        let sql = "INSERT INTO words (rowid, narrative, content) VALUES (?1, ?2, ?3)";
        let mut insert = self.connection.prepare_cached(sql)?;
        rows.iter().try_for_each(|(key, words)| insert.execute((key, &words.narrative, &words.content)).map(drop))?;
        Ok(())
    }
}

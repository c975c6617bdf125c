//! What changes in the index tables when one resource does.

use super::bulk::Bulk;
use super::session::Session;
use crate::Refusal;
use crate::index::{Row, RowValue, Words};

impl Session<'_> {
    /// Replaces the rows of a resource. Both lists are sorted and without repetition.
    pub(super) fn reindex(&mut self, key: i64, old: &[Row], new: Vec<Row>) -> Result<(), Refusal> {
        for row in old.iter().filter(|row| new.binary_search(row).is_err()) {
            self.remove_row(key, row)?;
        }
        let mut bulk = Bulk::default();
        let fresh = new.into_iter().filter(|row| old.binary_search(row).is_err());
        self.gather(&mut bulk, key, fresh, None)?;
        self.flush(&mut bulk)
    }

    /// Replaces its words.
    pub(super) fn reword(&mut self, key: i64, words: Option<Words>, was_indexed: bool) -> Result<(), Refusal> {
        if was_indexed && self.full_text {
            self.connection.prepare_cached("DELETE FROM words WHERE rowid = ?1")?.execute([key])?;
        }
        let mut bulk = Bulk::default();
        self.gather(&mut bulk, key, Vec::new(), words)?;
        self.flush(&mut bulk)
    }

    fn remove_row(&mut self, key: i64, row: &Row) -> Result<(), Refusal> {
        let (parameter, slot) = (row.parameter, row.slot);
        match &row.value {
            RowValue::Token { system, code, display } => {
                let (system, display) = (self.word(system)?, self.word(display)?);
                self.connection
                    .prepare_cached("DELETE FROM token WHERE parameter = ?1 AND code = ?2 AND pk = ?3 AND system = ?4 AND slot = ?5 AND display = ?6")?
                    .execute((parameter, code, key, system, slot, display))?;
            }
            RowValue::Reference(resource, id) => {
                let target = self.key(*resource, id)?;
                self.connection
                    .prepare_cached(
                        "DELETE FROM reference WHERE parameter = ?1 AND target = ?2 AND pk = ?3 AND slot = ?4",
                    )?
                    .execute((parameter, target, key, slot))?;
            }
            RowValue::Uri(value) => {
                self.connection
                    .prepare_cached("DELETE FROM uri WHERE parameter = ?1 AND value = ?2 AND pk = ?3 AND slot = ?4")?
                    .execute((parameter, value, key, slot))?;
            }
            RowValue::Text(exact) => {
                self.connection
                    .prepare_cached("DELETE FROM string WHERE parameter = ?1 AND pk = ?2 AND slot = ?3 AND exact = ?4")?
                    .execute((parameter, key, slot, exact))?;
            }
            RowValue::Date(low, high) => {
                self.connection
                    .prepare_cached(
                        "DELETE FROM date WHERE parameter = ?1 AND pk = ?2 AND slot = ?3 AND low = ?4 AND high = ?5",
                    )?
                    .execute((parameter, key, slot, low, high))?;
            }
            RowValue::Number(low, high) => {
                self.connection
                    .prepare_cached(
                        "DELETE FROM number WHERE parameter = ?1 AND pk = ?2 AND slot = ?3 AND low = ?4 AND high = ?5",
                    )?
                    .execute((parameter, key, slot, low.0, high.0))?;
            }
            RowValue::Quantity { low, high, system, code, unit } => {
                let system = self.word(system)?;
                self.connection
                    .prepare_cached("DELETE FROM quantity WHERE parameter = ?1 AND pk = ?2 AND slot = ?3 AND low = ?4 AND high = ?5 AND system = ?6 AND code = ?7 AND unit = ?8")?
                    .execute((parameter, key, slot, low.0, high.0, system, code, unit))?;
            }
        }
        Ok(())
    }
}

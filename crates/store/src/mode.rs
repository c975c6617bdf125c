//! What somebody said of an API's mode while the house runs: that its rules hold for all, or for nobody yet. It narrows what
//! the configuration lets be observed, or takes a canary back; it never lets observe what the configuration does not.

use bascule_fhir::Timestamp;

use crate::{Store, StoreError};

/// A word about an API's mode that stands beside the configuration until it is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModeWord {
    /// The rules hold for everybody.
    Enforce,
    /// The rules are observed for all clients of whom the configuration says that they may be; nobody of a canary is enforced.
    Observe,
}

impl ModeWord {
    /// Every word.
    pub const ALL: [Self; 2] = [Self::Enforce, Self::Observe];

    /// The word on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Observe => "observe",
        }
    }

    /// Its place among the moments that the shelf keeps in memory.
    fn place(self, api: &str) -> String {
        format!("mode {} of {api}", self.name())
    }
}

impl Store {
    /// Keeps the word, or takes every word back. It acts on the next request.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn say_mode(&self, api: &str, word: Option<ModeWord>, now: Timestamp) -> Result<(), StoreError> {
        // What is stricter first, so that there is no moment without a word between two.
        for one in ModeWord::ALL {
            if word == Some(one) {
                self.set_feed(&one.place(api), Some(now))?;
            }
        }
        for one in ModeWord::ALL {
            if word != Some(one) {
                self.set_feed(&one.place(api), None)?;
            }
        }
        Ok(())
    }

    /// The word that stands, and since when. On a warm cache nothing is asked of the database.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn mode_said(&self, api: &str) -> Result<Option<(ModeWord, Timestamp)>, StoreError> {
        for word in ModeWord::ALL {
            if let Some(since) = self.feed(&word.place(api))? {
                return Ok(Some((word, since)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};

    #[test]
    fn a_word_stands_until_another_or_none() {
        let (_folder, store) = store();
        assert_eq!(store.mode_said("ehr").unwrap(), None);
        for word in [ModeWord::Observe, ModeWord::Enforce, ModeWord::Observe] {
            store.say_mode("ehr", Some(word), NOW).unwrap();
            assert_eq!(store.mode_said("ehr").unwrap(), Some((word, NOW)));
        }
        assert_eq!(store.mode_said("lab").unwrap(), None, "of another API nothing was said");
        let queries = store.queries();
        store.mode_said("ehr").unwrap();
        assert_eq!(store.queries(), queries);
        store.say_mode("ehr", None, NOW).unwrap();
        assert_eq!(store.mode_said("ehr").unwrap(), None);
    }
}

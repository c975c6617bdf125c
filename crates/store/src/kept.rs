//! Facts kept in memory, so that a decision on a warm cache asks the database nothing. One process has the house open,
//! and every change goes through its shelf: what a change touches is forgotten before the change is answered.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

/// Entries of one kind at most; then all are forgotten and read anew.
const ENTRIES_MAX: usize = 100_000;

/// Values by key, with the number of changes so far.
#[derive(Debug)]
pub(crate) struct Kept<K, V>(RwLock<Inner<K, V>>);

#[derive(Debug)]
struct Inner<K, V> {
    changes: u64,
    values: HashMap<K, Arc<V>>,
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(RwLock::new(Inner { changes: 0, values: HashMap::new() }))
    }
}

impl<K: Eq + Hash + Clone, V> Kept<K, V> {
    /// The value, or what `look_up` says, kept for the next time. What was looked up while something changed is answered
    /// but not kept, since it may be older than the change.
    ///
    /// # Errors
    /// Those of `look_up`; then nothing is kept.
    pub(crate) fn or_look_up<E>(&self, key: &K, look_up: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        let before = {
            let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(value) = inner.values.get(key) {
                return Ok(Arc::clone(value));
            }
            inner.changes
        };
        let value = Arc::new(look_up()?);
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if inner.changes == before {
            if inner.values.len() >= ENTRIES_MAX {
                inner.values.clear();
            }
            inner.values.insert(key.clone(), Arc::clone(&value));
        }
        drop(inner);
        Ok(value)
    }

    /// Forgets these. To be called after the change is on the disk, also if it is not certain that it is.
    pub(crate) fn forget<'k>(&self, keys: impl IntoIterator<Item = &'k K>)
    where
        K: 'k,
    {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        inner.changes += 1;
        for key in keys {
            inner.values.remove(key);
        }
    }

    /// Forgets all.
    pub(crate) fn forget_all(&self) {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        inner.changes += 1;
        inner.values.clear();
    }

    /// How often something changed.
    pub(crate) fn changes(&self) -> u64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_looked_up_once_until_it_is_forgotten() {
        let kept = Kept::<u8, u8>::default();
        let look = |value| kept.or_look_up(&1, || Ok::<_, ()>(value)).unwrap();
        assert_eq!((*look(7), *look(8)), (7, 7));
        kept.forget([&1]);
        assert_eq!(*look(9), 9);
        kept.forget_all();
        assert_eq!(*look(10), 10);
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let kept = Kept::<u8, u8>::default();
        let old = kept.or_look_up(&1, || {
            kept.forget([&1]);
            Ok::<_, ()>(7)
        });
        assert_eq!(*old.unwrap(), 7);
        assert_eq!(*kept.or_look_up(&1, || Ok::<_, ()>(8)).unwrap(), 8);
    }

    #[test]
    fn a_failed_look_up_is_not_kept() {
        let kept = Kept::<u8, u8>::default();
        assert!(kept.or_look_up(&1, || Err(())).is_err());
        assert_eq!(*kept.or_look_up(&1, || Ok::<_, ()>(1)).unwrap(), 1);
    }
}

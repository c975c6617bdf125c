//! What the body of a write may say.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Elements;
use crate::decision::Condition;

/// The narrowing of a write. It is checked on the body, and its conditions on the resource before the write (if there
/// is one) *and* after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteNarrowing {
    /// Elements that the write may set or change.
    pub elements: Arc<Elements>,
    /// Values that an element may be given, by dotted path: a patient may set `status` to `cancelled` only.
    pub values: Arc<BTreeMap<String, Vec<String>>>,
    /// References that an element may hold, by dotted path: `recipient` may name the own care team only.
    pub references: BTreeMap<String, Vec<String>>,
    /// What the resource that a reference names must be: `slot.status` is `free`. The path of the reference, then one
    /// element of the resource that it names, and the values of which it must have one.
    pub targets: Arc<BTreeMap<String, Vec<String>>>,
    /// Conditions on the resource, before and after.
    pub conditions: Vec<Condition>,
}

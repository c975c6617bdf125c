//! Masks, compiled once and kept.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use bascule_fhir::ResourceType;
use bascule_policy::Elements;

use crate::compile::compile;
use crate::mask::Mask;

/// A bounded cache of compiled masks, shared by every request.
#[derive(Debug)]
pub struct Masks {
    kept: RwLock<HashMap<ResourceType, HashMap<Elements, Arc<Mask>>>>,
    masks_max: usize,
}

impl Masks {
    /// A cache of at most `masks_max` masks (some ten to a few hundred kilobytes each). A full cache is emptied.
    #[must_use]
    pub fn new(masks_max: usize) -> Self {
        Self { kept: RwLock::default(), masks_max }
    }

    /// The mask of `resource` under `elements`.
    pub(crate) fn mask(&self, resource: ResourceType, elements: &Elements) -> Arc<Mask> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(mask) = kept.get(&resource).and_then(|by_elements| by_elements.get(elements)) {
            return Arc::clone(mask);
        }
        drop(kept);
        let mask = Arc::new(compile(resource, elements));
        self.keep(resource, elements, &mask);
        mask
    }

    fn keep(&self, resource: ResourceType, elements: &Elements, mask: &Arc<Mask>) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.values().map(HashMap::len).sum::<usize>() >= self.masks_max {
            kept.clear();
        }
        kept.entry(resource).or_default().insert(elements.clone(), Arc::clone(mask));
    }
}

impl Default for Masks {
    /// Room for 512 masks.
    fn default() -> Self {
        Self::new(512)
    }
}

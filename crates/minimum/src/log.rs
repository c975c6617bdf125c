//! What is remembered of a body for the record: which resources left, what stayed.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use bascule_fhir::ResourceType;

use crate::fault::Fault;
use crate::limits::Limits;
use crate::trail::Trail;

/// A resource that left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasedResource {
    /// Its type.
    pub resource: ResourceType,
    /// Its id, if it has one.
    pub id: Option<String>,
    /// Its version, if the upstream says one.
    pub version: Option<String>,
    /// The patients in whose compartment it lies (FHIR R4), by id; of a Patient, its own.
    pub patients: Vec<String>,
}

/// Hashes that are found without a search.
const RECENT: usize = 256;

/// The record of one body.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) resources: Vec<ReleasedResource>,
    pub(crate) withheld_resources: u64,
    /// Lines of bulk data that could not be read: they are among the withheld.
    pub(crate) unreadable_lines: u64,
    pub(crate) withheld_elements: Vec<String>,
    /// Hashes of the withheld elements.
    told: HashSet<u64, BuildHasherDefault<AsIs>>,
    told_in_order: Vec<u64>,
    /// Some of these hashes, each at the place that its lowest bits say: most elements are found here.
    recent: Box<[u64; RECENT]>,
    limits: Limits,
}

/// A state of the log to which it can be rolled back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogMark {
    resources: usize,
    withheld_resources: u64,
    withheld_elements: usize,
}

impl Log {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            resources: Vec::new(),
            withheld_resources: 0,
            unreadable_lines: 0,
            withheld_elements: Vec::new(),
            told: HashSet::default(),
            told_in_order: Vec::new(),
            recent: Box::new([0; RECENT]),
            limits,
        }
    }

    pub(crate) fn mark(&self) -> LogMark {
        LogMark {
            resources: self.resources.len(),
            withheld_resources: self.withheld_resources,
            withheld_elements: self.withheld_elements.len(),
        }
    }

    pub(crate) fn roll_back(&mut self, mark: LogMark) {
        self.resources.truncate(mark.resources);
        self.withheld_resources = mark.withheld_resources;
        self.withheld_elements.truncate(mark.withheld_elements);
        for hash in self.told_in_order.drain(mark.withheld_elements..) {
            self.told.remove(&hash);
            self.recent.fill(0);
        }
    }

    pub(crate) fn release(&mut self, resource: ReleasedResource) -> Result<(), Fault> {
        if self.resources.len() >= self.limits.listed_resources_max {
            return Err(Fault::TooMany);
        }
        self.resources.push(resource);
        Ok(())
    }

    /// The element at the end of the trail does not leave.
    #[inline(always)]
    pub(crate) fn withhold(&mut self, trail: &Trail, window: &[u8]) {
        if !self.is_recent(trail.hash) {
            self.tell(trail.hash, || trail.dotted(window));
        }
    }

    /// An element that R4 does not know does not leave. Its name is the upstream's invention and is not repeated.
    pub(crate) fn withhold_unknown(&mut self, trail: &Trail, window: &[u8]) {
        let hash = !trail.hash;
        if !self.is_recent(hash) {
            self.tell(hash, || format!("{}.?", trail.dotted(window)));
        }
    }

    /// Whether the hash was told a short while ago.
    #[inline(always)]
    fn is_recent(&self, hash: u64) -> bool {
        self.recent.get(place(hash)).is_some_and(|other| *other == hash)
    }

    #[inline(never)]
    fn tell(&mut self, hash: u64, path: impl FnOnce() -> String) {
        if !self.told.contains(&hash) {
            if self.told.len() >= self.limits.withheld_paths_max {
                return;
            }
            self.told.insert(hash);
            self.told_in_order.push(hash);
            self.withheld_elements.push(path());
        }
        if let Some(slot) = self.recent.get_mut(place(hash)) {
            *slot = hash;
        }
    }
}

/// Where a hash stands among the recent ones.
fn place(hash: u64) -> usize {
    usize::try_from(hash % RECENT as u64).unwrap_or(0)
}

/// The hashes of paths are already mixed.
#[derive(Debug, Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

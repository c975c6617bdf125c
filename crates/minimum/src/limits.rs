//! The bounds of the filter, each with its unit.

/// What the filter may hold and list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one resource (with what surrounds it in its Bundle entry). A larger one is withheld whole.
    pub resource_bytes_max: usize,
    /// Objects and arrays in one another.
    pub depth_max: usize,
    /// Resources that may leave between two looks at the list of them.
    pub listed_resources_max: usize,
    /// Paths of withheld elements that are told apart; more are not listed.
    pub withheld_paths_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { resource_bytes_max: 1 << 20, depth_max: 128, listed_resources_max: 1 << 16, withheld_paths_max: 512 }
    }
}

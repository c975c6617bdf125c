//! What is known of 64 bytes at once: one bit a byte.

/// Bit `n` of each mask tells of byte `n` of the block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Masks {
    /// `"`
    pub(crate) quote: u64,
    /// `\`
    pub(crate) backslash: u64,
    /// Space and all below: what JSON calls whitespace, and control characters.
    pub(crate) blank: u64,
    /// Below 0x20.
    pub(crate) control: u64,
    /// Tab, line feed, carriage return: the control characters that may stand outside strings. Known only where
    /// there is any.
    pub(crate) line: u64,
}

//! What is known of 64 bytes at once: one bit a byte.

/// Bit `n` of each mask tells of byte `n` of the block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Masks {
    /// `"`
    pub(crate) quote: u64,
    /// `\`
    pub(crate) backslash: u64,
    /// `{`, `}`, `[`, `]`, `:` and `,`
    pub(crate) operator: u64,
    /// Space, tab, line feed, carriage return.
    pub(crate) space: u64,
    /// Below 0x20.
    pub(crate) control: u64,
}

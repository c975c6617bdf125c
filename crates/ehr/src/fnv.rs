//! A short digest (FNV-1a, 128 bits) that is the same in every run; for names, never for secrets.

/// A digest in the making.
#[derive(Clone, Copy)]
pub(crate) struct Fnv(u128);

impl Fnv {
    /// Of nothing.
    pub(crate) const fn new() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    /// With a text and its end.
    pub(crate) fn with(self, text: &str) -> Self {
        let step = |digest: u128, byte: u8| (digest ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b);
        Self(text.bytes().chain([0xff]).fold(self.0, step))
    }

    /// As 32 hexadecimal digits, which are also a FHIR id.
    pub(crate) fn hex(self) -> String {
        format!("{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_differ_and_so_do_their_borders() {
        let one = Fnv::new().with("ab").with("c").hex();
        assert_ne!(one, Fnv::new().with("a").with("bc").hex());
        assert_eq!(one, Fnv::new().with("ab").with("c").hex());
    }
}

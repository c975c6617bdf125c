//! A logical id: the only text of a stranger that reaches a path.

use std::fmt;

/// A logical id (`[A-Za-z0-9\-.]{1,64}`, R4 `id`). Nothing else reaches a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(String);

impl Id {
    /// The id, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let sound = (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
            && text != "."
            && text != "..";
        sound.then(|| Self(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_r4_says_and_never_a_step_up() {
        for sound in ["1", "a-b.C", "...", &"x".repeat(64)] {
            assert!(Id::parse(sound).is_some(), "{sound}");
        }
        for unsound in ["", ".", "..", "a/b", "a_b", "a b", "ä", "$x", &"x".repeat(65)] {
            assert!(Id::parse(unsound).is_none(), "{unsound}");
        }
    }
}

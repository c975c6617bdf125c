//! Masks: what may leave of an element in the place of its value.
//!
//! A grant writes them under `masks`; among the paths of [`Elements`](crate::Elements) a masked element stands with its
//! mask, as `birthDate|year`. Whoever does not know of masks finds no element of that name there, so that nothing
//! leaves, is searched by or is written where masks are not understood.
//!
//! A mask alone does not make anything de-identified: that takes a [`Profile`](crate::Profile).

use bascule_fhir::element::{Element, is_display_copy};

/// What stands in the place of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mask {
    /// Of a date its year.
    Year,
    /// Of a date its year; one that tells of an age of 90 or more becomes the last year of which that is true.
    PooledYear,
    /// An age or a quantity of years; 90 and more becomes "90 or more".
    PooledAge,
    /// Of a ZIP code its first three digits, where the area holds more than 20,000 people; else `000`.
    Zip3,
    /// A code that was given out at random: the same value in one answer, or in one export, has the same code.
    Code,
    /// The last four characters of a text that is longer.
    LastFour,
}

/// What stands between a path and its mask.
pub(crate) const MARK: char = '|';

impl Mask {
    /// Every mask.
    pub const ALL: [Self; 6] = [Self::Year, Self::PooledYear, Self::PooledAge, Self::Zip3, Self::Code, Self::LastFour];

    /// The word in policy files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::PooledYear => "pooled-year",
            Self::PooledAge => "pooled-age",
            Self::Zip3 => "zip3",
            Self::Code => "code",
            Self::LastFour => "last-four",
        }
    }

    /// The mask of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mask| mask.name() == word)
    }

    /// Whether it can be put on an element of `parent`.
    #[must_use]
    pub fn fits(self, parent: &str, element: &Element) -> bool {
        match self {
            Self::Year | Self::PooledYear => matches!(element.type_name, "date" | "dateTime"),
            Self::PooledAge => matches!(element.type_name, "Age" | "Quantity"),
            Self::Zip3 => (parent, element.name) == ("Address", "postalCode"),
            Self::Code => match (parent, element.name) {
                ("Reference", "reference") => true,
                _ => matches!(element.type_name, "id" | "string") && !is_display_copy(parent, element.name),
            },
            Self::LastFour => element.type_name == "string" && !is_display_copy(parent, element.name),
        }
    }

    /// Where it can be put, for who wrote it elsewhere.
    #[must_use]
    pub const fn fitting(self) -> &'static str {
        match self {
            Self::Year | Self::PooledYear => "it is put on a date or dateTime",
            Self::PooledAge => "it is put on an Age or a Quantity",
            Self::Zip3 => "it is put on the postalCode of an Address",
            Self::Code => "it is put on an id, on the reference of a Reference, or on a text as Identifier.value",
            Self::LastFour => "it is put on a text as Identifier.value",
        }
    }
}

/// A path and the mask that stands with it.
#[must_use]
pub fn split(path: &str) -> (&str, Option<Mask>) {
    match path.split_once(MARK) {
        Some((path, word)) => (path, Mask::parse(word)),
        None => (path, None),
    }
}

/// The path with its mask.
#[must_use]
pub(crate) fn join(path: &str, mask: Mask) -> String {
    format!("{path}{MARK}{}", mask.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bascule_fhir::element::child;

    #[test]
    fn a_word_is_a_mask_and_back() {
        for mask in Mask::ALL {
            assert_eq!(Mask::parse(mask.name()), Some(mask));
            assert_eq!(split(&join("a.b", mask)), ("a.b", Some(mask)));
        }
        assert_eq!(Mask::parse("hash"), None);
        assert_eq!(split("a.b"), ("a.b", None));
    }

    #[test]
    fn a_mask_fits_what_it_can_be_made_of() {
        let fits = |mask: Mask, parent: &str, name: &str| mask.fits(parent, child(parent, name).unwrap());
        assert!(fits(Mask::Year, "Patient", "birthDate"));
        assert!(!fits(Mask::Year, "Patient", "gender"));
        assert!(!fits(Mask::Year, "Meta", "lastUpdated"), "of an instant no year is an instant");
        assert!(fits(Mask::PooledAge, "Condition", "onsetAge"));
        assert!(fits(Mask::Zip3, "Address", "postalCode"));
        assert!(!fits(Mask::Zip3, "Address", "city"));
        assert!(fits(Mask::Code, "Patient", "id") && fits(Mask::Code, "Reference", "reference"));
        assert!(fits(Mask::LastFour, "Identifier", "value"));
        assert!(!fits(Mask::LastFour, "CodeableConcept", "text") && !fits(Mask::Code, "Reference", "display"));
    }
}

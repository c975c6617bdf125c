//! The reasons from which a clinician chooses with one tap, as they are shown and kept.

/// Why a record without a known relation is opened.
pub(crate) const ACCESS: [(&str, &str); 4] = [
    ("on-call", "I am covering or on call"),
    ("consult", "A colleague asked me for advice"),
    ("transfer", "The patient is new to me: referral or transfer"),
    ("follow-up", "Follow-up of care that I gave"),
];

/// Why emergency access is opened.
pub(crate) const EMERGENCY: [(&str, &str); 3] = [
    ("life-threatening", "A life may depend on it"),
    ("cannot-be-asked", "The patient cannot be asked or identified"),
    ("urgent", "Urgent care that cannot wait"),
];

/// The reason of that code, in words.
pub(crate) fn of<'a>(reasons: &'a [(&'a str, &'a str)], code: &str) -> Option<&'a str> {
    reasons.iter().find(|(known, _)| *known == code).map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_reasons_are_reasons() {
        assert!(of(&ACCESS, "on-call").is_some() && of(&EMERGENCY, "urgent").is_some());
        assert!(of(&ACCESS, "urgent").is_none() && of(&EMERGENCY, "").is_none());
    }
}

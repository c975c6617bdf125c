//! Purposes of use (HL7 v3 PurposeOfUse), the words that grants, agreements and tokens use.

/// The code system of the words.
pub const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";

/// The words that a policy file may use, each with its meaning.
pub const PURPOSES: [(&str, &str); 24] = [
    ("TREAT", "treatment"),
    ("ETREAT", "emergency treatment"),
    ("BTG", "break the glass"),
    ("CAREMGT", "care management"),
    ("COC", "coordination of care"),
    ("HPAYMT", "payment"),
    ("CLMATTCH", "claim attachment"),
    ("COVERAGE", "coverage under a policy"),
    ("ELIGDTRM", "eligibility determination"),
    ("REMITADV", "remittance advice"),
    ("HOPERAT", "operations"),
    ("PATADMIN", "patient administration"),
    ("HQUALIMP", "quality improvement"),
    ("HCOMPL", "legal compliance"),
    ("HLEGAL", "legal proceedings"),
    ("HSYSADMIN", "system administration"),
    ("PATRQT", "patient requested"),
    ("FAMRQT", "family requested"),
    ("PWATRNY", "power of attorney"),
    ("HRESCH", "research"),
    ("CLINTRCH", "clinical trial"),
    ("PUBHLTH", "public health"),
    ("DISASTER", "disaster"),
    ("THREAT", "threat to health or safety"),
];

/// Whether the word is a purpose.
#[must_use]
pub fn is_purpose(word: &str) -> bool {
    meaning(word).is_some()
}

/// What the word means.
#[must_use]
pub fn meaning(word: &str) -> Option<&'static str> {
    PURPOSES.iter().find(|(known, _)| *known == word).map(|(_, meaning)| *meaning)
}

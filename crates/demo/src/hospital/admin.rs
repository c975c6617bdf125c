//! What a hospital keeps besides care: the patient's record, insurance, bills, consent, relatives, provenance.

pub(super) mod bill;
pub(super) mod record;

pub(super) use bill::bill;

//! An API of the inventory, as policy sees it.

/// What is spoken on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApiKind {
    /// FHIR R4 REST.
    Fhir,
    /// DICOMweb.
    Dicomweb,
    /// HL7 v2 over MLLP.
    Hl7v2,
    /// Any JSON REST API.
    Rest,
}

/// The least trusted recipient that an API may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exposure {
    /// Inside the organisation.
    Internal,
    /// A partner.
    External,
    /// A vendor, vetted.
    ThirdParty,
}

/// Whether rules are enforced or, for named existing flows until a date, only recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// The rules hold.
    Enforce,
    /// Role, element and purpose rules are recorded and not enforced until then.
    Observe {
        /// The last instant of it.
        until: bascule_fhir::Timestamp,
        /// Who answers for it.
        owner: String,
        /// Why.
        reason: String,
        /// The clients whose existing flows are relaxed; nobody else's.
        clients: Vec<String>,
    },
}

/// An API: a name, a kind, a service, an exposure, a mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// Its name in config, policy and log.
    pub name: String,
    /// What is spoken.
    pub kind: ApiKind,
    /// One of the eight services: `ehr`, `telemedicine`, `imaging`, `laboratory`, `prescriptions`, `billing`,
    /// `scheduling`, `messaging`.
    pub service: String,
    /// Least trusted recipient.
    pub exposure: Exposure,
    /// Enforce or observe.
    pub mode: Mode,
}

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
    /// As observe, while enforcing is tried: some clients and a share of the other users are enforced already.
    Canary {
        /// The last instant of it.
        until: bascule_fhir::Timestamp,
        /// Who answers for it.
        owner: String,
        /// Why.
        reason: String,
        /// The clients whose existing flows are relaxed; nobody else's.
        clients: Vec<String>,
        /// Of them, those for whom the rules hold already.
        enforced: Vec<String>,
        /// Of the rest, the share of users (or of clients without a user) for whom the rules hold already, 0 to 100.
        percent: u8,
    },
}

impl Mode {
    /// The word in config, on pages and in entries.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Observe { .. } => "observe",
            Self::Canary { .. } => "canary",
        }
    }
}

impl ApiKind {
    /// The word in config and policy files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fhir => "fhir",
            Self::Dicomweb => "dicomweb",
            Self::Hl7v2 => "hl7v2",
            Self::Rest => "rest",
        }
    }

    /// The kind of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Fhir, Self::Dicomweb, Self::Hl7v2, Self::Rest].into_iter().find(|kind| kind.name() == word)
    }
}

impl Exposure {
    /// Every exposure, the most trusted recipient first.
    pub const ALL: [Self; 3] = [Self::Internal, Self::External, Self::ThirdParty];

    /// The word in config and policy files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::External => "external",
            Self::ThirdParty => "third-party",
        }
    }

    /// The exposure of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|exposure| exposure.name() == word)
    }
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

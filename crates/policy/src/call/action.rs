//! What can be done at an API that does not speak FHIR, in the words of policy files.

use std::fmt;

use bascule_fhir::InteractionKind;

use crate::ApiKind;

/// What a call does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// An operation of a REST service: `GET /visits/{id}`, as its description writes it.
    Rest {
        /// In capitals.
        method: &'static str,
        /// The template of the path.
        path: String,
    },
    /// A DICOMweb transaction.
    Dicom(DicomAction),
    /// The partner sends a message of this type: `ORU^R01`; in a grant `ORU^*` too.
    Sends(String),
    /// The partner receives a message of this type.
    Receives(String),
}

/// The transactions of DICOMweb (DICOM PS3.18, chapter 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DicomAction {
    /// QIDO-RS: searches studies, series, instances.
    Query,
    /// WADO-RS metadata.
    Metadata,
    /// WADO-RS instances, frames and bulk data.
    Retrieve,
    /// WADO-RS rendered and thumbnails.
    Rendered,
    /// STOW-RS.
    Store,
}

/// The methods that an operation may have.
pub(crate) const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

impl DicomAction {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Query, Self::Metadata, Self::Retrieve, Self::Rendered, Self::Store];

    /// The word in policy files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Metadata => "metadata",
            Self::Retrieve => "retrieve",
            Self::Rendered => "rendered",
            Self::Store => "store",
        }
    }
}

impl Action {
    /// `GET /visits/{id}`.
    ///
    /// # Errors
    /// What is wrong, and what to write.
    pub fn rest(text: &str) -> Result<Self, (String, String)> {
        let (method, path) = text.split_once(' ').unwrap_or((text, ""));
        let Some(method) = METHODS.into_iter().find(|known| *known == method) else {
            let mend = format!("write it as \"GET /visits/{{id}}\", with one of {}", METHODS.join(", "));
            return Err((format!("`{text}` is no operation: `{method}` is no method"), mend));
        };
        if is_template(path) {
            return Ok(Self::Rest { method, path: path.to_owned() });
        }
        let mend = "write the path as the description of the API does: \"/visits/{id}\", without a query";
        Err((format!("`{text}` is no operation: `{path}` is no path"), mend.to_owned()))
    }

    /// `ORU^R01`, or `ORU^*` for every event, as a message that a partner sends or receives.
    ///
    /// # Errors
    /// What is wrong, and what to write.
    pub fn message(text: &str, make: fn(String) -> Self) -> Result<Self, (String, String)> {
        let (code, event) = text.split_once('^').unwrap_or((text, ""));
        let letters =
            |part: &str| part.len() == 3 && part.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if letters(code) && (letters(event) || event == "*") {
            return Ok(make(text.to_owned()));
        }
        let mend = "write type and event as in MSH-9: \"ORU^R01\", or \"ORU^*\"".to_owned();
        Err((format!("`{text}` is no type of message"), mend))
    }

    /// What a person writes of an API of that kind: `GET /visits/{id}`, `query`, `receives ORU^R01`.
    ///
    /// # Errors
    /// What is wrong, and what to write.
    pub fn parse(kind: ApiKind, text: &str) -> Result<Self, (String, String)> {
        match kind {
            ApiKind::Rest => Self::rest(text),
            ApiKind::Dicomweb => {
                DicomAction::ALL.into_iter().find(|one| one.name() == text).map(Self::Dicom).ok_or_else(|| {
                    let all = DicomAction::ALL.map(DicomAction::name).join(", ");
                    (format!("`{text}` is no transaction of DICOMweb"), format!("choose one of {all}"))
                })
            }
            ApiKind::Hl7v2 => match text.split_once(' ') {
                Some(("sends", message)) => Self::message(message, Self::Sends),
                Some(("receives", message)) => Self::message(message, Self::Receives),
                _ => Err((
                    format!("`{text}` says not who sends"),
                    "write \"sends ORU^R01\" or \"receives ORU^R01\"".to_owned(),
                )),
            },
            ApiKind::Fhir => {
                Err((format!("`{text}` is asked of an API that speaks FHIR"), "ask as FHIR does".to_owned()))
            }
        }
    }

    /// The kind of API at which it is done.
    #[must_use]
    pub const fn kind(&self) -> ApiKind {
        match self {
            Self::Rest { .. } => ApiKind::Rest,
            Self::Dicom(_) => ApiKind::Dicomweb,
            Self::Sends(_) | Self::Receives(_) => ApiKind::Hl7v2,
        }
    }

    /// The interaction of FHIR as which it counts. A `GET` whose path names no single thing searches.
    #[must_use]
    pub fn interaction(&self) -> InteractionKind {
        match self {
            Self::Rest { method: "GET", path } if path.contains('{') => InteractionKind::Read,
            Self::Rest { method: "GET", .. } | Self::Dicom(DicomAction::Query) => InteractionKind::Search,
            Self::Rest { method: "POST", .. } | Self::Dicom(DicomAction::Store) | Self::Sends(_) => {
                InteractionKind::Create
            }
            Self::Rest { method: "PUT", .. } => InteractionKind::Update,
            Self::Rest { method: "PATCH", .. } => InteractionKind::Patch,
            Self::Rest { method: "DELETE", .. } => InteractionKind::Delete,
            Self::Rest { .. } | Self::Dicom(_) | Self::Receives(_) => InteractionKind::Read,
        }
    }

    /// Whether the partner says something by it.
    #[must_use]
    pub fn says(&self) -> bool {
        matches!(self.interaction(), InteractionKind::Create | InteractionKind::Update | InteractionKind::Patch)
    }

    /// Whether the partner is shown something by it. A REST service may answer whatever it is asked.
    #[must_use]
    pub const fn shows(&self) -> bool {
        matches!(self, Self::Rest { .. } | Self::Dicom(DicomAction::Query | DicomAction::Metadata) | Self::Receives(_))
    }

    /// Whether a grant of this lets do the other.
    #[must_use]
    pub fn covers(&self, asked: &Self) -> bool {
        let every = |granted: &str, asked: &str| {
            granted == asked
                || granted.strip_suffix('*').is_some_and(|start| start.ends_with('^') && asked.starts_with(start))
        };
        match (self, asked) {
            (Self::Sends(granted), Self::Sends(asked)) | (Self::Receives(granted), Self::Receives(asked)) => {
                every(granted, asked)
            }
            _ => self == asked,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rest { method, path } => write!(f, "{method} {path}"),
            Self::Dicom(action) => f.write_str(action.name()),
            Self::Sends(message) => write!(f, "sends {message}"),
            Self::Receives(message) => write!(f, "receives {message}"),
        }
    }
}

/// `/visits/{id}`: segments between slashes, each a name or one in braces.
fn is_template(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    let plain = |segment: &str| segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:@!$&'()+,;=".contains(&b));
    rest.is_empty()
        || rest.split('/').all(|segment| match segment.strip_prefix('{') {
            Some(inner) => inner.strip_suffix('}').is_some_and(|name| !name.is_empty() && plain(name)),
            None => !segment.is_empty() && segment != "." && segment != ".." && plain(segment),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_a_method_and_a_path() {
        assert_eq!(Action::rest("GET /visits/{id}").unwrap().to_string(), "GET /visits/{id}");
        assert!(Action::rest("GET /").is_ok());
        for wrong in [
            "/visits",
            "get /visits",
            "TRACE /visits",
            "GET visits",
            "GET /visits?x=1",
            "GET /a//b",
            "GET /../b",
            "GET /{}",
        ] {
            assert!(Action::rest(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_message_is_a_type_and_an_event() {
        assert!(Action::message("ORU^R01", Action::Sends).is_ok());
        assert!(Action::message("ADT^*", Action::Sends).is_ok());
        for wrong in ["ORU", "*^*", "ORU^", "oru^r01", "ORU^R0*", "ORU^R01^ORU_R01"] {
            assert!(Action::message(wrong, Action::Receives).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_star_covers_every_event_of_its_type_and_direction() {
        let granted = Action::Sends("ADT^*".to_owned());
        assert!(granted.covers(&Action::Sends("ADT^A01".to_owned())));
        assert!(!granted.covers(&Action::Receives("ADT^A01".to_owned())));
        assert!(!granted.covers(&Action::Sends("ORU^R01".to_owned())));
        assert!(!Action::Sends("ADT^A01".to_owned()).covers(&granted));
    }

    #[test]
    fn each_counts_as_an_interaction() {
        let kind = |kind, text| Action::parse(kind, text).unwrap().interaction();
        assert_eq!(kind(ApiKind::Rest, "GET /visits"), InteractionKind::Search);
        assert_eq!(kind(ApiKind::Rest, "GET /visits/{id}"), InteractionKind::Read);
        assert_eq!(kind(ApiKind::Rest, "PATCH /visits/{id}"), InteractionKind::Patch);
        assert_eq!(kind(ApiKind::Dicomweb, "store"), InteractionKind::Create);
        assert_eq!(kind(ApiKind::Dicomweb, "rendered"), InteractionKind::Read);
        assert_eq!(kind(ApiKind::Hl7v2, "sends ORU^R01"), InteractionKind::Create);
        assert_eq!(kind(ApiKind::Hl7v2, "receives ADT^A08"), InteractionKind::Read);
        assert!(Action::parse(ApiKind::Fhir, "GET /Patient").is_err());
    }
}

//! Reading scopes: strict, one scope at a time; of a request, what we know and what we do not.

use std::str::FromStr;

use bascule_fhir::ResourceType;

use super::{Context, Rights, Scope, Scopes};

/// Bytes of a whole `scope` parameter.
pub const SCOPE_TEXT_BYTES_MAX: usize = 16_384;
/// Scopes in one request.
pub const SCOPES_MAX: usize = 512;
/// Pairs in the granular part of one scope.
const NARROWING_PAIRS_MAX: usize = 8;

/// Why a text is not a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Longer than the bounds.
    #[error("the scope parameter is longer than {SCOPE_TEXT_BYTES_MAX} bytes or holds more than {SCOPES_MAX} scopes")]
    TooLong,
    /// Not a word that SMART or OpenID defines.
    #[error("`{0}` is not a scope that SMART App Launch defines")]
    UnknownWord(String),
    /// The type is none of FHIR R4.
    #[error("`{0}` names no FHIR R4 resource type")]
    UnknownType(String),
    /// The letters after the dot.
    #[error("`{0}`: after the dot stand letters of `cruds` in that order, each at most once, or `read`, `write`, `*`")]
    Rights(String),
    /// The part after `?`.
    #[error("`{0}`: after `?` stand `name=value` pairs of a search, joined by `&`, and only in v2 syntax")]
    Narrowing(String),
}

/// A `scope` parameter, as far as it is understood. What is not understood is not granted and not an error, since
/// clients ask for more than one server knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requested {
    /// The scopes we know, in order, each once.
    pub scopes: Scopes,
    /// The words that are no scope here.
    pub unknown: Vec<String>,
}

impl Requested {
    /// Reads a `scope` parameter.
    ///
    /// # Errors
    /// [`ScopeError::TooLong`]; anything else unknown goes to `unknown`.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        let mut requested = Self::default();
        for word in words(text)? {
            match Scope::from_str(word) {
                Ok(scope) if requested.scopes.0.contains(&scope) => {}
                Ok(scope) => requested.scopes.0.push(scope),
                Err(_) => requested.unknown.push(word.to_owned()),
            }
        }
        Ok(requested)
    }
}

impl FromStr for Scopes {
    type Err = ScopeError;

    /// Strict: every word must be a scope.
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let mut scopes = Vec::new();
        for word in words(text)? {
            let scope = Scope::from_str(word)?;
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        Ok(Self(scopes))
    }
}

fn words(text: &str) -> Result<Vec<&str>, ScopeError> {
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).take(SCOPES_MAX + 1).collect();
    if text.len() > SCOPE_TEXT_BYTES_MAX || words.len() > SCOPES_MAX {
        return Err(ScopeError::TooLong);
    }
    Ok(words)
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(word: &str) -> Result<Self, ScopeError> {
        Ok(match word {
            "openid" => Self::OpenId,
            "fhirUser" => Self::FhirUser,
            "profile" => Self::Profile,
            "launch" => Self::Launch,
            "launch/patient" => Self::LaunchPatient,
            "launch/encounter" => Self::LaunchEncounter,
            "offline_access" => Self::OfflineAccess,
            "online_access" => Self::OnlineAccess,
            "smart/orchestrate_launch" => Self::OrchestrateLaunch,
            "bascule/administer" => Self::Administer,
            "bascule/provision" => Self::Provision,
            _ => return resource_scope(word),
        })
    }
}

fn resource_scope(word: &str) -> Result<Scope, ScopeError> {
    let unknown = || ScopeError::UnknownWord(word.to_owned());
    let (context, rest) = word.split_once('/').ok_or_else(unknown)?;
    let context = match context {
        "patient" => Context::Patient,
        "user" => Context::User,
        "system" => Context::System,
        _ => return Err(unknown()),
    };
    let (name, rest) = rest.split_once('.').ok_or_else(unknown)?;
    let resource = match name {
        "*" => None,
        name => Some(ResourceType::parse(name).ok_or_else(|| ScopeError::UnknownType(word.to_owned()))?),
    };
    let (letters, granular) = match rest.split_once('?') {
        Some((letters, granular)) => (letters, Some(granular)),
        None => (rest, None),
    };
    let (rights, v1) = rights(letters).ok_or_else(|| ScopeError::Rights(word.to_owned()))?;
    let narrowing = match granular {
        None => Vec::new(),
        Some(text) if !v1 => pairs(text).ok_or_else(|| ScopeError::Narrowing(word.to_owned()))?,
        Some(_) => return Err(ScopeError::Narrowing(word.to_owned())),
    };
    Ok(Scope::Resource { context, resource, rights, narrowing, v1 })
}

/// The rights, and whether they were written in v1 syntax.
fn rights(letters: &str) -> Option<(Rights, bool)> {
    match letters {
        "read" => return Some((Rights::READ, true)),
        "write" => return Some((Rights::WRITE, true)),
        "*" => return Some((Rights::ALL, true)),
        _ => {}
    }
    let mut rights = Rights::default();
    let mut order = "cruds".chars();
    for letter in letters.chars() {
        order.find(|next| *next == letter)?;
        match letter {
            'c' => rights.create = true,
            'r' => rights.read = true,
            'u' => rights.update = true,
            'd' => rights.delete = true,
            _ => rights.search = true,
        }
    }
    (rights != Rights::default()).then_some((rights, false))
}

fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    for pair in text.split('&') {
        let (name, value) = pair.split_once('=')?;
        let (name, value) = (decode(name)?, decode(value)?);
        if name.is_empty() || value.is_empty() || pairs.len() == NARROWING_PAIRS_MAX {
            return None;
        }
        pairs.push((name, value));
    }
    Some(pairs)
}

/// Percent-decoding that accepts only sound escapes and UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &str, printed: &str) {
        let read = match Scope::from_str(input) {
            Ok(scope) => scope.to_string(),
            Err(ScopeError::UnknownWord(_)) => "refuse: word".to_owned(),
            Err(ScopeError::UnknownType(_)) => "refuse: type".to_owned(),
            Err(ScopeError::Rights(_)) => "refuse: rights".to_owned(),
            Err(ScopeError::Narrowing(_)) => "refuse: narrowing".to_owned(),
            Err(ScopeError::TooLong) => "refuse: long".to_owned(),
        };
        assert_eq!(read, printed, "{input}");
    }

    #[test]
    fn every_sound_form_is_printed_as_it_was_asked() {
        for form in [
            "openid",
            "fhirUser",
            "profile",
            "launch",
            "launch/patient",
            "launch/encounter",
            "offline_access",
            "online_access",
            "smart/orchestrate_launch",
            "patient/Observation.rs",
            "patient/*.cruds",
            "user/Practitioner.r",
            "system/*.rs",
            "patient/Observation.read",
            "user/*.write",
            "patient/*.*",
            "system/Patient.cud",
            "patient/Observation.rs?category=laboratory",
            "patient/Condition.rs?category=http://terminology.hl7.org/CodeSystem/condition-category|health-concern",
            "patient/Observation.rs?category=a|b&status=final",
        ] {
            check(form, form);
        }
    }

    #[test]
    fn letters_out_of_order_or_doubled_are_refused() {
        for form in [
            "patient/Observation.sr",
            "patient/Observation.rr",
            "patient/Observation.",
            "patient/X.rs",
            "patient/Observation.readrs",
            "patient/Observation.rsread",
            "patient/Observation.READ",
            "patient/Observation.x",
        ] {
            let expected = if form == "patient/X.rs" { "refuse: type" } else { "refuse: rights" };
            check(form, expected);
        }
    }

    #[test]
    fn what_only_looks_like_a_scope_is_refused() {
        for form in [
            "Patient/Observation.rs",
            "patients/Observation.rs",
            "patient",
            "patient/",
            "patient/Observation",
            "OPENID",
            "launch/Patient",
            "smart/launch",
            "offline",
            "/.rs",
            "patient\\Observation.rs",
        ] {
            check(form, "refuse: word");
        }
        check("patient/observation.rs", "refuse: type");
        check("patient/ Observation.rs", "refuse: type");
        check("patient/DomainResource.rs", "refuse: type");
    }

    #[test]
    fn a_granular_part_needs_pairs_and_v2() {
        for form in [
            "patient/Observation.rs?",
            "patient/Observation.rs?category",
            "patient/Observation.rs?category=",
            "patient/Observation.rs?=x",
            "patient/Observation.rs?a=b&",
            "patient/Observation.read?category=x",
            "patient/Observation.rs?category=%zz",
            "patient/Observation.rs?category=%0a",
        ] {
            check(form, "refuse: narrowing");
        }
    }

    #[test]
    fn an_escape_is_decoded_once_and_printed_plainly() {
        check("patient/Observation.rs?category=a%7Cb", "patient/Observation.rs?category=a|b");
        check("patient/Observation.rs?category=a%20b", "patient/Observation.rs?category=a%20b");
        check("patient/Observation.rs?category=a%26b%3Dc", "patient/Observation.rs?category=a%26b=c");
        check("patient/Observation.rs?category=a%2541", "patient/Observation.rs?category=a%2541");
    }

    #[test]
    fn a_request_keeps_what_it_knows_once_and_names_the_rest() {
        let requested = Requested::parse("openid  patient/Observation.rs foo openid patient/Foo.rs").unwrap();
        assert_eq!(requested.scopes.to_string(), "openid patient/Observation.rs");
        assert_eq!(requested.unknown, ["foo", "patient/Foo.rs"]);
    }

    #[test]
    fn too_many_or_too_long_is_refused_before_it_is_read() {
        assert_eq!(Requested::parse(&"openid ".repeat(SCOPES_MAX + 1)), Err(ScopeError::TooLong));
        assert_eq!(Requested::parse(&"x".repeat(SCOPE_TEXT_BYTES_MAX + 1)), Err(ScopeError::TooLong));
    }
}

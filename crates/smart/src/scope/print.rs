//! Writing scopes, so that a client finds again what it asked for.

use std::fmt;

use super::{Context, Rights, Scope, Scopes};

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Patient => "patient",
            Self::User => "user",
            Self::System => "system",
        })
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters =
            [(self.create, "c"), (self.read, "r"), (self.update, "u"), (self.delete, "d"), (self.search, "s")];
        letters.iter().filter(|(has, _)| *has).try_for_each(|(_, letter)| f.write_str(letter))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource { context, resource, rights, narrowing, v1 } => {
                let name = resource.map_or("*", |resource| resource.name());
                write!(f, "{context}/{name}.")?;
                match v1_word(*rights).filter(|_| *v1 && narrowing.is_empty()) {
                    Some(word) => f.write_str(word)?,
                    None => write!(f, "{rights}")?,
                }
                for (index, (name, value)) in narrowing.iter().enumerate() {
                    let mark = if index == 0 { '?' } else { '&' };
                    write!(f, "{mark}{}={}", encode(name, true), encode(value, false))?;
                }
                Ok(())
            }
            Self::OpenId => f.write_str("openid"),
            Self::FhirUser => f.write_str("fhirUser"),
            Self::Profile => f.write_str("profile"),
            Self::Launch => f.write_str("launch"),
            Self::LaunchPatient => f.write_str("launch/patient"),
            Self::LaunchEncounter => f.write_str("launch/encounter"),
            Self::OfflineAccess => f.write_str("offline_access"),
            Self::OnlineAccess => f.write_str("online_access"),
            Self::OrchestrateLaunch => f.write_str("smart/orchestrate_launch"),
            Self::Administer => f.write_str("bascule/administer"),
            Self::Provision => f.write_str("bascule/provision"),
        }
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{scope}")?;
        }
        Ok(())
    }
}

fn v1_word(rights: Rights) -> Option<&'static str> {
    [(Rights::READ, "read"), (Rights::WRITE, "write"), (Rights::ALL, "*")]
        .into_iter()
        .find(|(known, _)| *known == rights)
        .map(|(_, word)| word)
}

/// Escapes what may not stand in a scope token (RFC 6749 section 3.3) or would end the pair.
fn encode(text: &str, name: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'%' | b'&') && !(name && byte == b'=');
        if plain {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

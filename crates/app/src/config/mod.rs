//! The configuration: text to typed settings in two steps, every fault at once, before a port is bound.

mod api;
mod ask;
mod audit;
mod credential;
mod dangerous;
mod feeds;
mod issuer;
mod partner;
mod provider;
mod read;
pub(crate) mod secret;
mod settings;
mod sign_in;
#[cfg(test)]
mod tests;
mod udap;
mod upstream;

use std::path::{Path, PathBuf};

use bascule_policy::fault::Fault;

pub(crate) use ask::{required_section, required_word};
pub(crate) use partner::PartnerSettings;
pub(crate) use settings::{Emergency, Settings, Syslog, Witness};
pub(crate) use sign_in::SignIn;

/// Reads the environment; the only place that does.
#[expect(clippy::disallowed_methods, reason = "this is the place that the ban points to")]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads a configuration file.
///
/// # Errors
/// Every fault of the text; one fault if the file cannot be read.
pub(crate) fn load(file: &Path) -> Result<Settings, Vec<Fault>> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| {
        vec![Fault::of_file(&name, format!("cannot read the configuration: {error}"), "name it with --config FILE")]
    })?;
    read::read(&name, &text, &base(file))
}

/// The folder that paths of a configuration are relative to.
pub(crate) fn base(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The configuration that records commands use when none is named.
pub(crate) fn found_here(named: Option<&Path>) -> PathBuf {
    let candidates = [PathBuf::from("bascule.toml"), PathBuf::from("bascule-demo/bascule.toml")];
    named
        .map(Path::to_owned)
        .or_else(|| candidates.into_iter().find(|file| file.exists()))
        .unwrap_or_else(|| PathBuf::from("bascule.toml"))
}

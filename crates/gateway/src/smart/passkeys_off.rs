//! The twin of `passkeys.rs` in a build without them: there is no value of this type, so that every page leaves them out.

use bascule_store::user::User;

use super::passkey::{Asked, Kept, NotValid};

/// Nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Passkeys {}

impl Passkeys {
    /// Never.
    pub(crate) const fn of(_: &str, _: &str) -> Option<Self> {
        None
    }

    /// Cannot be called.
    pub(crate) fn ask_new(&self, _: &User, _: &[String]) -> Result<Asked, NotValid> {
        match *self {}
    }

    /// Cannot be called.
    pub(crate) fn keep_new(&self, _: &str, _: &str) -> Result<Kept, NotValid> {
        match *self {}
    }

    /// Cannot be called.
    pub(crate) fn ask(&self, _: &[String]) -> Result<Asked, NotValid> {
        match *self {}
    }

    /// Cannot be called.
    pub(crate) fn named(&self, _: &str) -> Result<String, NotValid> {
        match *self {}
    }

    /// Cannot be called.
    pub(crate) fn check(&self, _: &str, _: &str, _: &str) -> Result<Kept, NotValid> {
        match *self {}
    }
}

//! The interactions of the RESTful API, each in its file.

mod bundle;
mod condition;
mod entry;
mod history;
mod read;
mod search;
mod shape;
mod transaction;
mod write;

pub(crate) use bundle::bundle;
pub(crate) use condition::only_match;
pub(crate) use search::{compartment, stored_types};
pub(crate) use write::Change;

use crate::Refusal;
use crate::ask::{Answer, Ask, Verb};
use crate::search::Scope;
use crate::server::Server;

/// Everything that only reads.
pub(crate) fn look(server: &Server, scope: &Scope<'_>, ask: &Ask) -> Result<Answer, Refusal> {
    match &ask.verb {
        Verb::Read(resource, id) => read::read(scope, *resource, id, ask),
        Verb::Vread(resource, id, version) => read::vread(scope, *resource, id, version, ask),
        Verb::History(level) => history::history(server, scope, level, ask),
        Verb::Search(within) => search::search(server, scope, within, ask),
        _ => Err(Refusal::unsupported("this is not done by reading")),
    }
}

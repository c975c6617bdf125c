//! Operations: `$validate`, `$everything`, `$docref`, and the long ones, `$export` and `$import`.

mod docref;
mod everything;
mod export;
mod import;
mod jobs;
mod members;
mod parameters;
mod validate;

use bascule_fhir::Level;

pub(crate) use jobs::{Jobs, interrupted};

use crate::Refusal;
use crate::ask::{Answer, Ask, Verb};
use crate::server::Server;

/// Runs an operation.
pub(crate) async fn run(server: &Server, ask: Ask) -> Result<Answer, Refusal> {
    let Verb::Operation { on, name, post } = &ask.verb else { return Err(unknown()) };
    let type_name = match on {
        Level::System => "",
        Level::Type(resource) | Level::Instance(resource, _) => resource.name(),
    };
    match (name.as_str(), on, type_name) {
        ("validate", Level::Type(_) | Level::Instance(..), _) => validate::validate(server, ask).await,
        ("everything", Level::Instance(..) | Level::Type(_), "Patient" | "Encounter") => {
            everything::everything(server, ask).await
        }
        ("export", Level::System, _)
        | ("export", Level::Type(_), "Patient")
        | ("export", Level::Instance(..), "Group") => export::start(server, ask).await,
        ("import", Level::System, _) if *post => import::start(server, ask).await,
        ("docref", Level::Type(_), "DocumentReference") => docref::docref(server, ask).await,
        _ => Err(unknown()),
    }
}

/// The state, the files and the end of long work.
pub(crate) async fn job(server: &Server, ask: Ask) -> Result<Answer, Refusal> {
    match &ask.verb {
        Verb::Job { id, cancel: true } => jobs::cancel(server, id).await,
        Verb::Job { id, cancel: false } => jobs::state(server, id).await,
        Verb::JobFile { id, name } => jobs::file(server, id, name).await,
        _ => Err(unknown()),
    }
}

fn unknown() -> Refusal {
    Refusal::not_found("there is no such operation here; /metadata lists what this server has")
}

//! Operations: `$validate`, `$everything`, `$docref`, and the long ones, `$export` and `$import`.

mod everything;
mod parameters;
mod validate;

use bascule_fhir::Level;

use crate::Refusal;
use crate::ask::{Answer, Ask, Verb};
use crate::server::Server;

/// Long work that is under way.
#[derive(Default)]
pub(crate) struct Jobs;

/// Runs an operation.
pub(crate) async fn run(server: &Server, ask: Ask) -> Result<Answer, Refusal> {
    let Verb::Operation { on, name, .. } = &ask.verb else { return Err(unknown()) };
    match (name.as_str(), on) {
        ("validate", Level::Type(_) | Level::Instance(..)) => validate::validate(server, ask).await,
        ("everything", Level::Instance(..) | Level::Type(_)) => everything::everything(server, ask).await,
        _ => Err(unknown()),
    }
}

/// The state, the files and the end of long work.
pub(crate) async fn job(_server: &Server, _ask: Ask) -> Result<Answer, Refusal> {
    Err(Refusal::not_found("there is no such job"))
}

fn unknown() -> Refusal {
    Refusal::not_found("there is no such operation here; /metadata lists what this server has")
}

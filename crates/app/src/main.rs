//! The binary `bascule`: reads the command line, opens the doors, ends with an exit code that a script can trust.

mod admin;
mod cli;
mod clock;
mod config;
mod day;
mod demo;
mod door;
mod exchange;
mod exit;
mod house;
mod housekeeping;
mod policy_folder;
mod running;
mod scim;
mod smart_log;
mod syslog_feed;
mod terminal;
mod verbs;
mod witness;
mod witnessing;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use cli::{Cli, ClientVerb, DemoVerb, UserVerb, Verb};
use exit::Exit;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _gone = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked { Exit::Done } else { Exit::Usage }.into();
        }
    };
    listen_to_logs();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return terminal::failed(&error).into(),
    };
    runtime.block_on(run(cli.verb)).into()
}

/// Logs go to standard error, as JSON, so that standard output is the answer alone.
fn listen_to_logs() {
    let filter = config::environment("BASCULE_LOG").unwrap_or_else(|| "warn,bascule=info".to_owned());
    let filter =
        tracing_subscriber::EnvFilter::try_new(filter).unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
}

async fn run(verb: Verb) -> Exit {
    match verb {
        Verb::Demo(args) => match args.verb {
            None => demo::run(&args.run).await,
            Some(DemoVerb::Token { client, data, scope, patient }) => {
                demo::token::run(&client, &data, scope.as_deref(), patient.as_deref()).await
            }
            Some(DemoVerb::Data { patients, seed, out }) => verbs::demo_data::run(patients, seed, &out),
        },
        Verb::Serve(args) => verbs::serve::run(&args).await,
        Verb::Check(args) => verbs::check::run(&args),
        Verb::Policy(verb) => verbs::policy::run(verb).await,
        Verb::Audit(verb) => verbs::audit::run(verb).await,
        Verb::Witness(args) => witness::run(&args).await,
        Verb::Ehr(args) => verbs::ehr::run(args).await,
        Verb::User(UserVerb::Explain(args)) => verbs::explain::run(&args),
        Verb::User(verb) => match verb.into_act() {
            Ok(asked) => verbs::records::run(asked).await,
            Err(error) => {
                terminal::error(&format!("the feed cannot be read: {error}"));
                Exit::Usage
            }
        },
        Verb::Client(ClientVerb::Key { file }) => verbs::client_key::run(&file),
        Verb::Client(verb) => match verb.into_act() {
            Ok(asked) => verbs::records::run(asked).await,
            Err(error) => {
                terminal::error(&format!("the metadata cannot be read: {error}"));
                Exit::Usage
            }
        },
        Verb::Consent(verb) => filed(verb.into_act()).await,
        Verb::Restriction(verb) => filed(verb.into_act()).await,
        Verb::Authorization(verb) => filed(verb.into_act()).await,
        Verb::Representation(verb) => filed(verb.into_act()).await,
        Verb::Hold(verb) => filed(verb.into_act()).await,
        Verb::Link(verb) => filed(verb.into_act()).await,
        Verb::Organization(verb) => verbs::records::run(verb.into_act()).await,
        Verb::Agreement(verb) => verbs::records::run(verb.into_act()).await,
        Verb::Relation(verb) => verbs::records::run(verb.into_act()).await,
        Verb::Review(verb) => verbs::review::run(verb).await,
        Verb::Exchange(verb) => verbs::exchange::run(verb).await,
        Verb::Emergency(verb) => verbs::records::run_people(verb.into_act()).await,
        Verb::Kill(args) => verbs::records::run_people(args.into_act()).await,
        Verb::Preserved(records) => verbs::records::run_people((admin::people::PeopleAct::Preserved, records)).await,
        Verb::Alert(verb) => verbs::records::run(verb.into_act()).await,
    }
}

/// Performs an act on a record about a patient, if its file could be read.
async fn filed(asked: std::io::Result<(admin::Act, cli::RecordsArgs)>) -> Exit {
    match asked {
        Ok(asked) => verbs::records::run(asked).await,
        Err(error) => {
            terminal::error(&format!("the file cannot be read: {error}"));
            Exit::Usage
        }
    }
}

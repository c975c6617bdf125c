//! `bascule ehr`: the embedded FHIR R4 server alone.

use bascule_ehr::{Access, Ehr, Settings, Validation};
use tokio::net::TcpListener;

use crate::cli::EhrArgs;
use crate::demo::bank::load_paths;
use crate::exit::Exit;
use crate::terminal;

/// Serves until Ctrl-C.
pub(crate) async fn run(args: EhrArgs) -> Exit {
    match serve(args).await {
        Ok(()) => Exit::Done,
        Err(sentence) => {
            terminal::error(&sentence);
            Exit::Usage
        }
    }
}

async fn serve(args: EhrArgs) -> Result<(), String> {
    if args.open && !args.listen.ip().is_loopback() {
        return Err(format!("--open serves this machine only, and {} is not loopback; use --bearer-file", args.listen));
    }
    let access = match &args.bearer_file {
        None => Access::Open,
        Some(file) => {
            let bearer = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            let bearer = bearer.trim();
            if bearer.len() < 16 {
                return Err(format!("{} holds fewer than 16 characters; put a random token into it", file.display()));
            }
            Access::Bearer(bearer.to_owned())
        }
    };
    let listener = TcpListener::bind(args.listen).await.map_err(|error| format!("{}: {error}", args.listen))?;
    let base = format!("http://{}/fhir", listener.local_addr().map_err(|error| error.to_string())?);
    let validation = if args.lenient { Validation::Lenient } else { Validation::Strict };
    let settings = Settings { validation, ..Settings::new(&args.file, base.clone(), access) };
    let ehr = Ehr::open(settings).map_err(|error| error.to_string())?;
    let loading = (ehr.clone(), args.load, args.index_afterwards);
    tokio::task::spawn_blocking(move || {
        let (ehr, paths, index_afterwards) = loading;
        load_paths(&ehr, &paths, index_afterwards)
    })
    .await
    .map_err(|error| error.to_string())??;
    terminal::line(&format!("FHIR R4 at {base}; Ctrl-C ends it"));
    ehr.serve(listener, async { drop(tokio::signal::ctrl_c().await) }).await.map_err(|error| error.to_string())
}

//! `bascule witness`: a tiny witness of C2SP tlog-witness (v1.1.0), which a partner, an auditor or a parent organization runs.
//! It has its own key, remembers for each log what it cosigned last, and makes that durable before it answers.
//!
//! It must run in another administration than the logs that it watches: in the same one it is only a second disk.

mod door;
mod settings;

use std::sync::Arc;

use arc_swap::ArcSwap;
use bascule_store::log::witness::{WitnessMemory, witness_signer};
use bascule_wire::{ListenLimits, ReloadableTls, serve};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::WitnessArgs;
use crate::exit::Exit;
use crate::terminal;
use door::{Watch, Witness};
use settings::WitnessSettings;

/// Runs the witness, or shows what it refused.
pub(crate) async fn run(args: &WitnessArgs) -> Exit {
    let settings = match settings::load(&args.config) {
        Ok(settings) => settings,
        Err(faults) => return terminal::faults(&faults, "Nothing was started."),
    };
    let ended = if args.evidence { show_evidence(&settings) } else { watch(&settings, args).await };
    ended.unwrap_or_else(|sentence| terminal::failed(&sentence))
}

fn open(settings: &WitnessSettings) -> Result<Witness, String> {
    std::fs::create_dir_all(&settings.folder).map_err(|error| format!("{}: {error}", settings.folder.display()))?;
    let memory = WitnessMemory::open(&settings.folder.join("witness.db")).map_err(|error| error.to_string())?;
    let signer = witness_signer(&settings.folder, &settings.name).map_err(|error| error.to_string())?;
    Ok(Witness { memory, signer, watched: ArcSwap::from_pointee(settings.logs.clone()) })
}

/// The requests that it refused because they contradict what it cosigned, each signed by the log itself.
fn show_evidence(settings: &WitnessSettings) -> Result<Exit, String> {
    let witness = open(settings)?;
    let mut found = Exit::Done;
    for key in &settings.logs {
        for (status, request) in witness.memory.evidence(key.name()).map_err(|error| error.to_string())? {
            terminal::line(&format!("== {} was refused with {status}\n{request}", key.name()));
            found = Exit::Found;
        }
    }
    Ok(found)
}

async fn watch(settings: &WitnessSettings, args: &WitnessArgs) -> Result<Exit, String> {
    let witness = Arc::new(open(settings)?);
    let tls = settings.tls.clone().map(ReloadableTls::load).transpose().map_err(|error| error.to_string())?;
    let listener = TcpListener::bind(settings.listen).await.map_err(|error| format!("{}: {error}", settings.listen))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let key = witness.signer.verifier().to_string();
    std::fs::write(settings.folder.join("vkey"), format!("{key}\n"))
        .map_err(|error| format!("{}: {error}", settings.folder.display()))?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    terminal::line(&format!("witness {key}\nat {scheme}://{address}, {} logs; Ctrl-C ends it", settings.logs.len()));
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let until = async move { drop(stopped.wait_for(|stop| *stop).await) };
    let service = Watch(Arc::clone(&witness));
    let serving = tokio::spawn(serve(listener, tls, service, ListenLimits::default(), until));
    let signals = (signal(SignalKind::hangup()), signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut hangup), Ok(mut interrupt), Ok(mut terminate)) = signals else {
        return Err("the system gives no signals".to_owned());
    };
    loop {
        tokio::select! {
            _ = hangup.recv() => reload(&witness, args),
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    let _nobody_listens = stop.send(true);
    let _ended = serving.await;
    Ok(Exit::Done)
}

/// Reads the list of logs again; a faulty one is refused and the last one stays.
fn reload(witness: &Witness, args: &WitnessArgs) {
    match settings::load(&args.config) {
        Ok(settings) => {
            tracing::info!(logs = settings.logs.len(), "the list of logs was read again");
            witness.watched.store(Arc::new(settings.logs));
        }
        Err(faults) => tracing::error!(faults = faults.len(), "the new list of logs is refused; the last one stays"),
    }
}

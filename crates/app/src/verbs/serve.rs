//! `bascule serve`: the bridge in front of your systems, until it is told to end.

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::ConfigArgs;
use crate::exit::Exit;
use crate::house::House;
use crate::running::Running;
use crate::{clock, config, terminal, witnessing};

/// Settles the configuration, opens the house, serves.
pub(crate) async fn run(args: &ConfigArgs) -> Exit {
    let settings = match config::load(&args.config) {
        Ok(settings) => settings,
        Err(faults) => return terminal::faults(&faults, "Nothing was started."),
    };
    let found = super::check::beside_policy(&settings, &args.config.display().to_string());
    if !found.faults.is_empty() {
        return terminal::faults(&found.faults, "Nothing was started.");
    }
    for warning in &found.warnings {
        tracing::warn!("{warning}");
    }
    if let Err(sentence) = witnessing::before_opening(&settings).await {
        return terminal::failed(&sentence);
    }
    let house = match House::open(settings, clock::now()) {
        Ok(house) => house,
        Err(error) => return terminal::failed(&error),
    };
    match Running::open(house, &args.config).await {
        Ok(running) => {
            let settings = &running.house().settings;
            tracing::info!(address = %settings.listen.https, url = %settings.gateway.public_url, "the bridge is open");
            serve(running).await
        }
        Err(error) => terminal::failed(&error),
    }
}

/// Waits for signals: SIGHUP reads again, SIGINT and SIGTERM end.
pub(crate) async fn serve(running: Running) -> Exit {
    let signals = (signal(SignalKind::hangup()), signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut hangup), Ok(mut interrupt), Ok(mut terminate)) = signals else {
        return terminal::failed(&"the system gives no signals");
    };
    loop {
        tokio::select! {
            _ = hangup.recv() => running.reload().await,
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    running.close().await;
    Exit::Done
}

/// The name by which a person can call this program again.
pub(crate) fn program() -> String {
    let path = std::env::args_os().next().unwrap_or_default();
    Path::new(&path).display().to_string()
}

//! `bascule demo`: a synthetic hospital, its EHR and portal, and the bridge in front: all in one process. The bridge is
//! started from a configuration like any house, and everything else reaches it over the wire.

pub(crate) mod bank;
mod config_text;
pub(crate) mod folder;
mod key;
mod laboratory;
mod people;
mod records;
mod sign_in;
pub(crate) mod state;
pub(crate) mod token;
mod welcome;

use bascule_demo::portal::{Portal, PortalSettings};
use bascule_wire::tls::development;
use bascule_wire::{ReloadableTls, TlsFiles};
use tokio::net::TcpListener;
use tokio::sync::watch;

use self::bank::Bank;
use self::folder::DemoFolder;
use self::state::State;
use crate::admin::records::Records;
use crate::cli::DemoRun;
use crate::exit::Exit;
use crate::house::House;
use crate::running::Running;
use crate::verbs::serve;
use crate::{clock, config, terminal};

/// The names under which the demo is reached.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Runs the demo until Ctrl-C.
pub(crate) async fn run(args: &DemoRun) -> Exit {
    match open(args).await {
        Ok(demo) => {
            let data = args.data.display().to_string();
            terminal::line(&welcome::welcome(&demo.state, &data, &serve::program()));
            demo.run().await
        }
        Err(sentence) => {
            terminal::error(&sentence);
            Exit::Fault
        }
    }
}

struct Demo {
    state: State,
    running: Running,
    stop: watch::Sender<bool>,
}

async fn open(args: &DemoRun) -> Result<Demo, String> {
    let folder = DemoFolder::open(&args.data, args.fresh)?;
    let earlier = State::read(&folder.state())?;
    let tls = development::ensure(&folder.tls(), &NAMES).map_err(|error| error.to_string())?;
    let files = link_tls(&folder, &tls)?;
    let (stop, stopped) = watch::channel(false);
    let bank = Bank::open(&folder, args, earlier.as_ref(), &tls.ca_pem, until(stopped.clone())).await?;
    let laboratory = laboratory::open(&folder, bank.bearer(), &bank.made.anchor, until(stopped.clone())).await?;
    config_text::write(&folder, args.port, args.mllp_port, (&bank.base, &laboratory))?;
    let settings = config::load(&folder.config())
        .map_err(|faults| bascule_policy::fault::render(&faults, "The demo's own configuration is refused."))?;
    crate::witnessing::before_opening(&settings).await?;
    if earlier.is_none() {
        records::first_relation(&settings.store)?;
    }
    let house = House::open(settings, clock::now()).map_err(|error| error.to_string())?;
    let portal = PortalSettings {
        ca_pem: Some(tls.ca_pem.clone()),
        ..PortalSettings::new(
            &format!("https://localhost:{}", args.portal_port),
            &format!("https://localhost:{}/fhir", args.port),
            bascule_demo::cast::PORTAL,
        )
    };
    let mut state = entered(&folder, args, earlier, &house, &bank, &portal).await?;
    let running = Running::open(house, &folder.config()).await?;
    state.mllp = running.partners().first().map(|(_, address)| address.to_string()).unwrap_or_default();
    open_portal(portal, args.portal_port, files, until(stopped)).await?;
    state.write(&folder.state())?;
    Ok(Demo { state, running, stop })
}

impl Demo {
    async fn run(self) -> Exit {
        let exit = serve::serve(self.running).await;
        let _nobody_listens = self.stop.send(true);
        exit
    }
}

async fn until(mut stopped: watch::Receiver<bool>) {
    let _closed = stopped.wait_for(|stop| *stop).await;
}

/// The names that the demo's configuration gives to the development certificate.
fn link_tls(folder: &DemoFolder, tls: &development::DevelopmentTls) -> Result<TlsFiles, String> {
    let said = |error: std::io::Error| format!("{}: {error}", folder.tls().display());
    let (certificate, key) = (folder.tls().join("server.pem"), folder.tls().join("server.key"));
    for (from, to) in [(&tls.certificate, &certificate), (&tls.key, &key)] {
        if from != to {
            folder::write_private(to, &std::fs::read(from).map_err(said)?).map_err(said)?;
        }
    }
    Ok(TlsFiles { certificate, key, client_ca: None, self_signed_clients: false })
}

/// People and apps: entered once, remembered in `demo.json`; ports may have changed since.
async fn entered(
    folder: &DemoFolder,
    args: &DemoRun,
    earlier: Option<State>,
    house: &House,
    bank: &Bank,
    portal: &PortalSettings,
) -> Result<State, String> {
    let records = Records::of(house);
    let mut state = match earlier {
        Some(state) => state,
        None => {
            people::enter_organizations(&records).await?;
            let mut users = people::enter_users(&records, bank).await?;
            if users.values().all(|user| user.patient.is_none()) {
                for (number, (id, name)) in bank.first_patients(2).await?.into_iter().enumerate() {
                    let login = format!("patient-{}", number + 1);
                    let (login, user) = people::enter_patient(&records, &login, &id, &name).await?;
                    users.insert(login, user);
                }
            }
            let clients = people::enter_clients(&records, folder, &portal.redirect_url()).await?;
            records::file(&records, bank).await?;
            State { users, clients, ..State::default() }
        }
    };
    people::enter_relations(&records, bank).await?;
    people::move_portal(&records, &mut state, &portal.redirect_url())?;
    state.fhir.clone_from(&portal.bridge_fhir_base);
    state.laboratory = format!("https://localhost:{}/lab", args.port);
    state.issuer = format!("https://localhost:{}", args.port);
    state.portal = format!("{}/", portal.public_url);
    state.ca = folder.tls().join("ca.pem").display().to_string();
    state.ehr.clone_from(&bank.base);
    state.ehr_bearer = folder.ehr_bearer().display().to_string();
    state.anchor.clone_from(&bank.made.anchor);
    state.seed = bank.made.seed;
    state.patients = bank.made.patients;
    Ok(state)
}

async fn open_portal(
    settings: PortalSettings,
    port: u16,
    files: TlsFiles,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), String> {
    let portal = Portal::new(settings).map_err(|error| error.to_string())?;
    let tls = ReloadableTls::load(files).map_err(|error| error.to_string())?;
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .map_err(|error| format!("cannot listen on 127.0.0.1:{port}: {error}; choose another with --portal-port"))?;
    tokio::spawn(async move {
        if let Err(error) = portal.serve(listener, tls, shutdown).await {
            tracing::error!(%error, "the portal ended");
        }
    });
    Ok(())
}

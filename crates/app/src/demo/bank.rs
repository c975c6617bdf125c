//! The other bank of the demo: the embedded EHR, filled once, reached over HTTP with a bearer that only the bridge holds.

use std::path::Path;

use bascule_demo::hospital::{Hospital, Seed};
use bascule_ehr::{Access, Ehr, EhrError, LoadItem, LoadProgress, LoadSummary, Settings, Validation, items};
use bascule_fhir::ResourceType;
use bascule_store::random;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::net::TcpListener;

use super::folder::{DemoFolder, write_private};
use super::state::State;
use crate::cli::DemoRun;
use crate::clock;

/// Refusals of a load that are shown.
const REFUSALS_SHOWN_MAX: usize = 5;

/// The EHR of a demo, open and not yet serving.
pub(crate) struct Bank {
    ehr: Ehr,
    listener: TcpListener,
    /// Its base URL.
    pub(super) base: String,
    /// The hospital in it.
    pub(super) made: Made,
}

/// Which hospital was made.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(super) anchor: String,
    pub(super) seed: u64,
    pub(super) patients: u32,
}

impl Bank {
    /// Opens the EHR and fills it with what is not yet in it.
    pub(super) async fn open(folder: &DemoFolder, args: &DemoRun, earlier: Option<&State>) -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
        let base = format!("http://{}/fhir", listener.local_addr().map_err(|error| error.to_string())?);
        let bearer = bearer(&folder.ehr_bearer())?;
        let settings = Settings { validation: Validation::Lenient, ..Settings::new(folder.ehr(), base.clone(), Access::Bearer(bearer)) };
        let ehr = Ehr::open(settings).map_err(|error| error.to_string())?;
        let today = clock::now().to_instant();
        let made = earlier.map_or_else(
            || Made { anchor: today.get(..10).unwrap_or_default().to_owned(), seed: args.seed, patients: args.patients },
            |state| Made { anchor: state.anchor.clone(), seed: state.seed, patients: state.patients },
        );
        let filling = (ehr.clone(), made.clone(), args.load.clone(), earlier.is_none());
        tokio::task::spawn_blocking(move || {
            let (ehr, made, paths, first) = filling;
            if first && made.patients > 0 {
                load_hospital(&ehr, &made)?;
            }
            paths.iter().try_for_each(|path| load_path(&ehr, path))
        })
        .await
        .map_err(|error| error.to_string())??;
        Ok(Self { ehr, listener, base, made })
    }

    /// Serves in the background until `shutdown`.
    pub(super) fn serve(self, shutdown: impl Future<Output = ()> + Send + 'static) {
        let Self { ehr, listener, .. } = self;
        tokio::spawn(async move {
            if let Err(error) = ehr.serve(listener, shutdown).await {
                tracing::error!(%error, "the EHR ended");
            }
        });
    }

    /// Whether it holds that resource.
    pub(super) fn has(&self, reference: &str) -> bool {
        let Some((resource, id)) = reference.split_once('/') else { return false };
        ResourceType::parse(resource).is_some_and(|resource| self.ehr.contains(resource, id).unwrap_or(false))
    }

    /// Ids and names of some patients, in the order of their ids.
    pub(super) fn first_patients(&self, count: usize) -> Result<Vec<(String, String)>, String> {
        let patients = self.ehr.first(ResourceType::PATIENT, count).map_err(|error| error.to_string())?;
        Ok(patients.iter().filter_map(|patient| Some((patient.get("id")?.as_str()?.to_owned(), name_of(patient)))).collect())
    }
}

fn name_of(patient: &serde_json::Value) -> String {
    let name = patient.pointer("/name/0");
    let part = |path: &str| name.and_then(|name| name.pointer(path)).and_then(serde_json::Value::as_str).unwrap_or_default();
    format!("{} {}", part("/given/0"), part("/family")).trim().to_owned()
}

/// The bearer that the EHR asks for: random, made once.
fn bearer(file: &Path) -> Result<String, String> {
    if let Ok(bearer) = std::fs::read_to_string(file) {
        return Ok(bearer.trim().to_owned());
    }
    let bearer = random::text(&random::token().map_err(|error| error.to_string())?);
    write_private(file, bearer.as_bytes()).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(bearer)
}

fn load_hospital(ehr: &Ehr, made: &Made) -> Result<(), String> {
    let format = time::macros::format_description!("[year]-[month]-[day]");
    let anchor = time::Date::parse(&made.anchor, format).map_err(|error| error.to_string())?;
    let hospital = Hospital::generate(Seed::new(made.seed), made.patients, anchor);
    let items = hospital.map(|resource| {
        let text = serde_json::to_vec(&resource).unwrap_or_default();
        Ok(LoadItem { place: "synthetic hospital".to_owned(), text })
    });
    let summary = load(ehr, items, &format!("a synthetic hospital of {} patients", made.patients))?;
    match summary.refusals.first() {
        None => Ok(()),
        Some((place, why)) => Err(format!("{place}: {why}")),
    }
}

/// Loads a file or folder and says what was refused.
pub(crate) fn load_path(ehr: &Ehr, path: &Path) -> Result<(), String> {
    let items = items(path).map_err(|error| error.to_string())?;
    let summary = load(ehr, items, &path.display().to_string())?;
    for (place, why) in summary.refusals.iter().take(REFUSALS_SHOWN_MAX) {
        crate::terminal::note(&format!("  refused: {place}: {why}"));
    }
    let LoadSummary { created, updated, unchanged, refused, .. } = summary;
    crate::terminal::note(&format!("  {created} new, {updated} changed, {unchanged} as they were, {refused} refused"));
    Ok(())
}

fn load(ehr: &Ehr, items: impl Iterator<Item = Result<LoadItem, EhrError>>, what: &str) -> Result<LoadSummary, String> {
    let bar = ProgressBar::new_spinner().with_message(format!("loading {what}"));
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}: {pos} resources, {per_sec}, {elapsed}") {
        bar.set_style(style);
    }
    let summary = ehr.load(items, |LoadProgress { resources, .. }| bar.set_position(resources));
    bar.finish();
    summary.map_err(|error| error.to_string())
}

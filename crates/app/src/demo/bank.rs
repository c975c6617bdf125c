//! The other bank of the demo: the embedded EHR, filled once, reached over HTTP with a bearer that only the bridge holds.

use std::path::{Path, PathBuf};

use bascule_demo::hospital::{Hospital, Seed};
use bascule_ehr::{Access, Ehr, EhrError, LoadItem, LoadProgress, LoadSummary, Settings, Validation, items};
use bascule_store::random;
use bascule_wire::{Client, ClientSettings, collect, empty};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tokio::net::TcpListener;

use super::folder::{DemoFolder, write_private};
use super::state::State;
use crate::cli::DemoRun;
use crate::{clock, day};

/// Refusals of a load that are shown.
const REFUSALS_SHOWN_MAX: usize = 5;

/// Bytes of an answer that the demo itself asks for.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// The EHR of a demo, open and serving.
pub(crate) struct Bank {
    client: Client,
    bearer: String,
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
    /// Opens the EHR, fills it with what is not yet in it, and serves it until `shutdown`.
    pub(super) async fn open(
        folder: &DemoFolder,
        args: &DemoRun,
        earlier: Option<&State>,
        ca_pem: &str,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
        let base = format!("http://{}/fhir", listener.local_addr().map_err(|error| error.to_string())?);
        let bearer = bearer(&folder.ehr_bearer())?;
        let settings = Settings {
            validation: Validation::Lenient,
            ..Settings::new(folder.ehr(), base.clone(), Access::Bearer(bearer.clone()))
        };
        let ehr = Ehr::open(settings).map_err(|error| error.to_string())?;
        let today = day::of(clock::now());
        let made = earlier.map_or_else(
            || Made { anchor: today, seed: args.seed, patients: args.patients },
            |state| Made { anchor: state.anchor.clone(), seed: state.seed, patients: state.patients },
        );
        let filling = (ehr.clone(), made.clone(), args.load.clone(), earlier.is_none());
        tokio::task::spawn_blocking(move || {
            let (ehr, made, paths, first) = filling;
            if first && made.patients > 0 {
                load_hospital(&ehr, &made)?;
            }
            load_paths(&ehr, &paths, false)
        })
        .await
        .map_err(|error| error.to_string())??;
        tokio::spawn(async move {
            if let Err(error) = ehr.serve(listener, shutdown).await {
                tracing::error!(%error, "the EHR ended");
            }
        });
        let client = Client::new(&ClientSettings { ca_pem: Some(ca_pem.to_owned()), ..ClientSettings::default() })
            .map_err(|error| error.to_string())?;
        Ok(Self { client, bearer, base, made })
    }

    /// The bearer that only the bridge holds.
    pub(super) fn bearer(&self) -> &str {
        &self.bearer
    }

    /// The id of the first resource of a search.
    pub(super) async fn first(&self, search: &str) -> Option<String> {
        let bundle = self.get(search).await.ok()?;
        Some(bundle.pointer("/entry/0/resource/id")?.as_str()?.to_owned())
    }

    /// A text of a resource.
    pub(super) async fn text(&self, reference: &str, name: &str) -> Option<String> {
        Some(self.get(reference).await.ok()?.get(name)?.as_str()?.to_owned())
    }

    /// Whether it holds that resource.
    pub(super) async fn has(&self, reference: &str) -> bool {
        self.get(reference).await.is_ok()
    }

    /// Ids and names of some patients, in the order of their ids.
    pub(super) async fn first_patients(&self, count: usize) -> Result<Vec<(String, String)>, String> {
        let bundle = self.get(&format!("Patient?_sort=_id&_count={count}")).await?;
        let patients = bundle
            .get("entry")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.get("resource"));
        Ok(patients.filter_map(|patient| Some((patient.get("id")?.as_str()?.to_owned(), name_of(patient)))).collect())
    }

    async fn get(&self, path: &str) -> Result<Value, String> {
        let request = http::Request::builder()
            .uri(format!("{}/{path}", self.base))
            .header(http::header::AUTHORIZATION, format!("Bearer {}", self.bearer))
            .body(empty())
            .map_err(|error| error.to_string())?;
        let answer = self.client.send(request).await.map_err(|error| error.to_string())?;
        if answer.status() != http::StatusCode::OK {
            return Err(format!("{path}: {}", answer.status()));
        }
        let body = collect(answer.into_body(), ANSWER_BYTES_MAX).await.map_err(|error| error.to_string())?;
        serde_json::from_slice(&body).map_err(|error| error.to_string())
    }
}

fn name_of(patient: &Value) -> String {
    let name = patient.pointer("/name/0");
    let part = |path: &str| name.and_then(|name| name.pointer(path)).and_then(Value::as_str).unwrap_or_default();
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
    let anchor = day::parse(&made.anchor).ok_or_else(|| format!("`{}` is not a day", made.anchor))?;
    let hospital = Hospital::generate(Seed::new(made.seed), made.patients, anchor);
    let items = hospital.chain(super::records::in_chart(made.patients)).map(|resource| {
        let text = serde_json::to_vec(&resource).unwrap_or_default();
        Ok(LoadItem { place: "synthetic hospital".to_owned(), text })
    });
    let summary = load(ehr, items, &format!("a synthetic hospital of {} patients", made.patients))?;
    match summary.refusals.first() {
        None => Ok(()),
        Some((place, why)) => Err(format!("{place}: {why}")),
    }
}

/// Loads files and folders and says what was refused.
pub(crate) fn load_paths(ehr: &Ehr, paths: &[PathBuf], index_afterwards: bool) -> Result<(), String> {
    if !index_afterwards {
        return paths.iter().try_for_each(|path| {
            let items = items(path).map_err(|error| error.to_string())?;
            told(load(ehr, items, &path.display().to_string())?)
        });
    }
    let all = paths.iter().map(|path| items(path)).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let bar = spinner("loading");
    let stored = |LoadProgress { resources, .. }| bar.set_position(resources);
    let summary = ehr.load_then_index(all.into_iter().flatten(), stored, |indexed| {
        bar.set_message("building the search index");
        bar.set_position(indexed);
    });
    bar.finish();
    told(summary.map_err(|error| error.to_string())?)
}

fn told(summary: LoadSummary) -> Result<(), String> {
    for (place, why) in summary.refusals.iter().take(REFUSALS_SHOWN_MAX) {
        crate::terminal::note(&format!("  refused: {place}: {why}"));
    }
    let LoadSummary { created, updated, unchanged, refused, .. } = summary;
    crate::terminal::note(&format!("  {created} new, {updated} changed, {unchanged} as they were, {refused} refused"));
    Ok(())
}

fn load(ehr: &Ehr, items: impl Iterator<Item = Result<LoadItem, EhrError>>, what: &str) -> Result<LoadSummary, String> {
    let bar = spinner(&format!("loading {what}"));
    let summary = ehr.load(items, |LoadProgress { resources, .. }| bar.set_position(resources));
    bar.finish();
    summary.map_err(|error| error.to_string())
}

fn spinner(message: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(message.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}: {pos} resources, {per_sec}, {elapsed}") {
        bar.set_style(style);
    }
    bar
}

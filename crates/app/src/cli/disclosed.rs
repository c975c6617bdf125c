//! What is asked about data that have left: the accounting of a patient, and whether a file is what passed.

use std::path::PathBuf;

use clap::Args;

use super::RecordsArgs;

/// Of `audit disclosures`.
#[derive(Debug, Args)]
pub(crate) struct DisclosuresArgs {
    /// The patient's id
    pub(crate) patient: String,
    /// The API that the patient is of; the first of the configuration if none is named
    #[arg(long)]
    pub(crate) api: Option<String>,
    /// CSV instead of a table
    #[arg(long)]
    pub(crate) csv: bool,
    /// A page of HTML that prints well instead of a table
    #[arg(long, conflicts_with = "csv")]
    pub(crate) page: bool,
    #[command(flatten)]
    pub(crate) records: RecordsArgs,
}

/// Of `audit matches`.
#[derive(Debug, Args)]
pub(crate) struct MatchesArgs {
    /// The file
    pub(crate) file: PathBuf,
    /// The request's id, the `X-Request-Id` of its answer
    #[arg(long)]
    pub(crate) request: String,
    #[command(flatten)]
    pub(crate) records: RecordsArgs,
}

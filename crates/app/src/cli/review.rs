//! The verbs of `bascule review`.

use clap::Subcommand;

use super::{RecordsArgs, SignArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum ReviewVerb {
    /// The queue, what deserves the first look first
    List {
        /// Also what was signed off, by whom and with which words
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Sign one off: another person than the one who is looked at, whose role keeps the reviews
    Close {
        /// Its number
        number: i64,
        /// What was found; stands in the log in clear, so name no patient
        #[arg(long)]
        note: String,
        #[command(flatten)]
        sign: SignArgs,
    },
    /// The privacy officer's digest: emergency access, its reasons and proofs, and how long what waits has waited
    Digest {
        /// How many days back
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=366))]
        days: u32,
        #[command(flatten)]
        records: RecordsArgs,
    },
}

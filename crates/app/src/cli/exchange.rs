//! `bascule exchange`: the messages of partners on their way.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Subcommand;

use super::RecordsArgs;
use crate::admin::Act;
use crate::admin::exchange::ExchangeAct;

#[derive(Debug, Subcommand)]
pub(crate) enum ExchangeVerb {
    /// Messages that are not in the chart: those that wait for a person, or those on the way
    Queue {
        /// dead | waiting | delivered | discarded
        #[arg(long, default_value = "dead")]
        state: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// What a day's messages came to, by partner
    Tally {
        /// The day, `YYYY-MM-DD` (UTC)
        day: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Send a message again that waits for a person
    Replay {
        /// Its number in the queue
        number: i64,
        /// A file with the mended message
        #[arg(long, value_name = "FILE")]
        mended: Option<PathBuf>,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Decide that a message is not delivered; its bytes go
    Discard {
        /// Its number in the queue
        number: i64,
        /// Why; name no patient
        #[arg(long)]
        why: String,
        #[command(flatten)]
        records: RecordsArgs,
    },
    /// Send HL7 v2 files over MLLP and show the acknowledgements, as a partner on this machine would
    Send {
        /// Files: messages, batches, or several messages in a row
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Where; unencrypted, so loopback only
        #[arg(long, value_name = "ADDRESS")]
        to: SocketAddr,
    },
}

/// What to do: an act on the records, or a sending.
pub(crate) enum Asked {
    Act(Box<Act>, RecordsArgs),
    Send(Vec<PathBuf>, SocketAddr),
}

impl ExchangeVerb {
    pub(crate) fn asked(self) -> std::io::Result<Asked> {
        let act = |act, records| Ok(Asked::Act(Box::new(Act::Exchange { act_on: act }), records));
        match self {
            Self::Queue { state, records } => act(ExchangeAct::List { state }, records),
            Self::Tally { day, records } => act(ExchangeAct::Tally { day }, records),
            Self::Replay { number, mended, records } => {
                let mended = mended.map(std::fs::read_to_string).transpose()?;
                act(ExchangeAct::Replay { number, mended }, records)
            }
            Self::Discard { number, why, records } => act(ExchangeAct::Discard { number, why }, records),
            Self::Send { files, to } => Ok(Asked::Send(files, to)),
        }
    }
}

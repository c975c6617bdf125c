//! `bascule exchange`: the delivery queue, and a sender to try it with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bascule_hl7::{Deframer, Event, frame, split};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::records;
use crate::cli::exchange::{Asked, ExchangeVerb};
use crate::exit::Exit;
use crate::terminal;

/// How long an acknowledgement may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Bytes of an acknowledgement.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Runs a verb.
pub(crate) async fn run(verb: ExchangeVerb) -> Exit {
    match verb.asked() {
        Ok(Asked::Act(act, args)) => records::run((*act, args)).await,
        Ok(Asked::Send(files, to)) => match send(&files, to).await {
            Ok(0) => Exit::Done,
            Ok(_) => Exit::Fault,
            Err(sentence) => {
                terminal::error(&sentence);
                Exit::Usage
            }
        },
        Err(error) => {
            terminal::error(&format!("the mended message cannot be read: {error}"));
            Exit::Usage
        }
    }
}

/// Sends each message by itself and prints its acknowledgement; how many were not accepted.
async fn send(files: &[PathBuf], to: SocketAddr) -> Result<usize, String> {
    if !to.ip().is_loopback() {
        return Err(format!("{to} is not this machine: messages go out unencrypted here, so only to 127.0.0.1"));
    }
    let mut stream = TcpStream::connect(to).await.map_err(|error| format!("{to}: {error}; does the house run?"))?;
    let mut refused = 0_usize;
    for file in files {
        let bytes = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let batches = split(&bytes).map_err(|fault| format!("{}: {fault}", file.display()))?;
        for message in batches.messages() {
            let answer = exchange(&mut stream, message).await?;
            terminal::line(&answer.replace('\r', "\n"));
            if !answer.contains("MSA|AA") && !answer.contains("MSA|CA") {
                refused = refused.saturating_add(1);
            }
        }
    }
    Ok(refused)
}

async fn exchange(stream: &mut TcpStream, message: &[u8]) -> Result<String, String> {
    stream.write_all(&frame(message)).await.map_err(|error| error.to_string())?;
    let (mut deframer, mut buffer) = (Deframer::new(ANSWER_BYTES_MAX), vec![0; 8_192]);
    loop {
        let read = tokio::time::timeout(ANSWER_WITHIN, stream.read(&mut buffer)).await;
        let count = match read {
            Ok(Ok(count)) if count > 0 => count,
            Ok(Ok(_)) => return Err("the other side closed the connection without an acknowledgement".to_owned()),
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => {
                return Err(format!(
                    "no acknowledgement within {} s; the message may want none",
                    ANSWER_WITHIN.as_secs()
                ));
            }
        };
        match deframer.push(buffer.get(..count).unwrap_or_default()).into_iter().next() {
            Some(Event::Frame(bytes)) => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Some(Event::Fault(fault)) => return Err(format!("the acknowledgement: {fault}")),
            None => {}
        }
    }
}

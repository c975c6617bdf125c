//! Undoes `Content-Encoding: gzip` as bytes pass, with a bound against bombs.

use std::io::Write;

use bytes::Bytes;
use flate2::write::GzDecoder;
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};

use crate::{Body, BodyError};

/// Input is decoded in pieces of so many bytes: deflate grows a byte to at most 1,032, so a piece stays under 5 MB.
const PIECE_BYTES: usize = 4_096;

/// The body without its gzip coding.
///
/// The answer errs with [`BodyError::TooLarge`] once more than `bytes_max` came out, and with
/// [`BodyError::Undecodable`] if the stream is damaged or ends early; nothing of it passes as whole.
#[must_use]
pub fn inflate(body: Body, bytes_max: usize) -> Body {
    let (sender, inflated) = Channel::new(1);
    tokio::spawn(pump(body, sender, bytes_max));
    inflated.boxed()
}

async fn pump(mut body: Body, mut sender: Sender<Bytes, BodyError>, bytes_max: usize) {
    if let Err(error) = decode(&mut body, &mut sender, bytes_max).await {
        sender.abort(error);
    }
}

async fn decode(body: &mut Body, sender: &mut Sender<Bytes, BodyError>, bytes_max: usize) -> Result<(), BodyError> {
    let mut decoder = GzDecoder::new(Vec::new());
    let mut left = bytes_max;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        for piece in data.chunks(PIECE_BYTES) {
            decoder.write_all(piece).map_err(undecodable)?;
            pass(std::mem::take(decoder.get_mut()), sender, &mut left, bytes_max).await?;
        }
    }
    let rest = decoder.finish().map_err(undecodable)?;
    pass(rest, sender, &mut left, bytes_max).await
}

async fn pass(
    bytes: Vec<u8>,
    sender: &mut Sender<Bytes, BodyError>,
    left: &mut usize,
    bytes_max: usize,
) -> Result<(), BodyError> {
    *left = left.checked_sub(bytes.len()).ok_or(BodyError::TooLarge { bytes_max })?;
    if bytes.is_empty() {
        return Ok(());
    }
    let gone = |_| BodyError::BrokenOff("nobody reads any more".to_owned());
    sender.send_data(Bytes::from(bytes)).await.map_err(gone)
}

fn undecodable(error: std::io::Error) -> BodyError {
    BodyError::Undecodable(error.to_string())
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::{collect, full};

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn gives_back_what_was_coded() {
        let text = "abc".repeat(10_000);
        let body = inflate(full(gzip(text.as_bytes())), 100_000);
        assert_eq!(collect(body, 100_000).await.unwrap(), text);
    }

    #[tokio::test]
    async fn a_bomb_stops_at_the_bound() {
        let bomb = gzip(&vec![0; 20_000_000]);
        assert!(bomb.len() < 50_000);
        let body = inflate(full(bomb), 1_000_000);
        assert_eq!(collect(body, 100_000_000).await, Err(BodyError::TooLarge { bytes_max: 1_000_000 }));
    }

    #[tokio::test]
    async fn a_cut_stream_is_not_whole() {
        let mut coded = gzip("abc".repeat(1_000).as_bytes());
        coded.truncate(coded.len() - 9);
        assert!(matches!(collect(inflate(full(coded), 1_000_000), 1_000_000).await, Err(BodyError::Undecodable(_))));
    }
}

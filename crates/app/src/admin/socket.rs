//! `admin.sock`: one line of JSON asks, one line answers. Only the user that runs the house, and root, may connect.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::act::{Act, Outcome};
use super::records::Records;

/// A request of more than this many bytes is refused.
const REQUEST_BYTES_MAX: u64 = 32 << 20;

/// The socket of a store folder.
pub(crate) fn path(store: &Path) -> PathBuf {
    store.join("admin.sock")
}

/// Listens until the task is dropped. A socket that an earlier process left behind is removed: the caller holds the
/// lock of the house.
pub(crate) fn listen(store: &Path, records: Arc<Records>) -> std::io::Result<tokio::task::JoinHandle<()>> {
    let path = path(store);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(serve(stream, Arc::clone(&records)))),
                Err(error) => {
                    tracing::warn!(%error, "admin.sock could not accept");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }))
}

async fn serve(stream: UnixStream, records: Arc<Records>) {
    let Ok(peer) = stream.peer_cred() else { return };
    let own = rustix::process::geteuid().as_raw();
    let (read, mut write) = stream.into_split();
    let outcome = if peer.uid() == own || peer.uid() == 0 {
        let mut line = String::new();
        let read = BufReader::new(read.take(REQUEST_BYTES_MAX)).read_line(&mut line).await;
        match (read, serde_json::from_str::<Act>(&line)) {
            (Ok(_), Ok(act)) => records.act(act, &format!("uid {}", peer.uid())).await,
            (Ok(_), Err(error)) => {
                Outcome::Refused(format!("not an act: {error}; use the same version of the program"))
            }
            (Err(error), _) => Outcome::Refused(format!("the request could not be read: {error}")),
        }
    } else {
        Outcome::Refused("only the user that runs the house may change its records".to_owned())
    };
    if let Ok(mut line) = serde_json::to_vec(&outcome) {
        line.push(b'\n');
        if let Err(error) = write.write_all(&line).await {
            tracing::warn!(%error, "admin.sock could not answer");
        }
    }
}

/// Asks a running house; `None` if none listens.
pub(crate) async fn ask(store: &Path, act: &Act) -> std::io::Result<Option<Outcome>> {
    let stream = match UnixStream::connect(path(store)).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let (read, mut write) = stream.into_split();
    let mut line = serde_json::to_vec(act)?;
    line.push(b'\n');
    write.write_all(&line).await?;
    let mut answer = String::new();
    BufReader::new(read).read_line(&mut answer).await?;
    Ok(Some(serde_json::from_str(&answer)?))
}

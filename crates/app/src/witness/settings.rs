//! `witness.toml`: who the witness is, where it listens, and which logs it watches.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bascule_ledger::VerifierKey;
use bascule_ledger::note::KeyKind;
use bascule_policy::fault::Fault;
use bascule_policy::read::{Reader, Section, whole};
use bascule_wire::TlsFiles;

use crate::config::{base, required_section, required_word};

/// Everything that the file says.
#[derive(Debug, Clone)]
pub(super) struct WitnessSettings {
    /// The witness's name; part of what it signs.
    pub(super) name: String,
    /// Key and memory.
    pub(super) folder: PathBuf,
    pub(super) listen: SocketAddr,
    /// `None` on this machine only, behind something that ends TLS.
    pub(super) tls: Option<TlsFiles>,
    /// The keys of the logs; each names its log.
    pub(super) logs: Vec<VerifierKey>,
}

/// Reads the file.
///
/// # Errors
/// Every fault of it.
pub(super) fn load(file: &Path) -> Result<WitnessSettings, Vec<Fault>> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| {
        vec![Fault::of_file(&name, format!("cannot read the configuration: {error}"), "name it with --config FILE")]
    })?;
    read(&name, &text, &base(file))
}

fn read(file: &str, text: &str, base: &Path) -> Result<WitnessSettings, Vec<Fault>> {
    whole(file, text, |top, reader| read_top(top, base, reader))
}

fn read_top(top: &mut Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Option<WitnessSettings> {
    let mut section = required_section(top, "witness", reader)?;
    let name = required_word(&mut section, "name", "\"witness.auditor.example\"", reader);
    let name = name.and_then(|word| {
        let sound = !word.text.is_empty() && word.text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+');
        if !sound {
            reader.fault(word.span, "`name` is part of a key", "use printable letters without `+` and spaces");
        }
        sound.then_some(word.text)
    });
    let folder = required_word(&mut section, "folder", "\"witness\"", reader).map(|word| base.join(word.text));
    let tls = section.section("tls", reader).map(|tls| read_tls(tls, base, reader));
    let listen = required_word(&mut section, "listen", "\"0.0.0.0:8446\"", reader).and_then(|word| {
        let address = word.text.parse::<SocketAddr>().ok();
        match address {
            None => reader.fault(word.span, "`listen` is not an address and port", "write \"0.0.0.0:8446\""),
            Some(address) if tls.is_none() && !address.ip().is_loopback() => {
                let mend = "add tls = { certificate = \"…\", key = \"…\" }, or listen on 127.0.0.1 behind something that ends TLS";
                reader.fault(word.span, "`listen` is not this machine, and there is no `tls`", mend);
            }
            Some(_) => {}
        }
        address
    });
    let logs = section.words("logs", reader).unwrap_or_default();
    let logs = logs.into_iter().filter_map(|word| match VerifierKey::parse(&word.text) {
        Ok(key) if key.kind() == KeyKind::Ed25519 => Some(key),
        Ok(_) => {
            reader.fault(word.span, "a witness's key is no log's", "copy the `vkey` file of the log");
            None
        }
        Err(error) => {
            reader.fault(word.span, error.to_string(), "copy the `vkey` file of the log");
            None
        }
    });
    let logs = logs.collect();
    section.finish(reader);
    let tls = match tls {
        None => None,
        Some(tls) => Some(tls?),
    };
    Some(WitnessSettings { name: name?, folder: folder?, listen: listen?, tls, logs })
}

fn read_tls(mut tls: Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Option<TlsFiles> {
    let mut path = |key, example| required_word(&mut tls, key, example, reader).map(|word| base.join(word.text));
    let (certificate, key) = (path("certificate", "\"tls/witness.pem\""), path("key", "\"tls/witness.key\""));
    tls.finish(reader);
    Some(TlsFiles { certificate: certificate?, key: key?, client_ca: None, self_signed_clients: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    fn check(text: &str, fault: Option<&str>) {
        let read = read("witness.toml", text, Path::new("."));
        let said = read.as_ref().err().map(|faults| bascule_policy::fault::render(faults, "")).unwrap_or_default();
        match fault {
            None => assert!(read.is_ok(), "{said}"),
            Some(fault) => assert!(said.contains(fault), "{said}"),
        }
    }

    #[test]
    fn a_witness_names_itself_and_the_logs_that_it_watches() {
        let text = |more: &str| format!("[witness]\nname = \"w.example\"\nfolder = \"w\"\n{more}");
        check(&text(&format!("listen = \"127.0.0.1:0\"\nlogs = [\"{LOG}\"]\n")), None);
        check(&text("listen = \"0.0.0.0:80\"\n"), Some("there is no `tls`"));
        check(&text("listen = \"127.0.0.1:0\"\nlogs = [\"x+y\"]\n"), Some("copy the `vkey` file"));
        check(&text("listen = \"127.0.0.1:0\"\nlog = []\n"), Some("log"));
        check("", Some("there is no [witness]"));
    }
}

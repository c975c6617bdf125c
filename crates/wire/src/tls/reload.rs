//! A listener's TLS that can be renewed while it runs.

use std::sync::Arc;

use super::{Served, TlsError, TlsFiles, load, server_config};
use arc_swap::ArcSwap;

/// TLS of a listener. Clones share it; [`ReloadableTls::reload`] renews it for connections that come after.
#[derive(Clone)]
pub struct ReloadableTls {
    files: Arc<TlsFiles>,
    served: Arc<ArcSwap<Served>>,
}

impl std::fmt::Debug for ReloadableTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReloadableTls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ReloadableTls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`] if one of them is missing, malformed, does not go with the others, or is past its time.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let served = checked(&files)?;
        Ok(Self { files: Arc::new(files), served: Arc::new(ArcSwap::from_pointee(served)) })
    }

    /// Reads the files again. Open connections keep what they began with.
    ///
    /// # Errors
    /// As [`ReloadableTls::load`]; what was in force stays in force.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.served.store(Arc::new(checked(&self.files)?));
        Ok(())
    }

    /// How many whole days the certificate on disk still holds.
    ///
    /// # Errors
    /// [`TlsError`] if it cannot be read.
    pub fn days_left(&self) -> Result<i64, TlsError> {
        load::certificate_days_left(&self.files.certificate)
    }

    pub(crate) fn served(&self) -> Arc<Served> {
        self.served.load_full()
    }
}

fn checked(files: &TlsFiles) -> Result<Served, TlsError> {
    let days = load::certificate_days_left(&files.certificate)?;
    if days < 0 {
        let why = format!("it ended {} days ago; renew it", -days);
        return Err(TlsError::NotValidNow { file: files.certificate.clone(), why });
    }
    server_config(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::development;

    #[test]
    fn a_faulty_renewal_leaves_the_old_one_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let made = development::ensure(folder.path(), &["localhost"]).unwrap();
        let tls = ReloadableTls::load(made.files()).unwrap();
        let before = tls.served();
        std::fs::write(&made.certificate, "no certificate").unwrap();
        assert!(matches!(tls.reload(), Err(TlsError::Malformed { .. })));
        assert!(Arc::ptr_eq(&before, &tls.served()));
    }

    #[test]
    fn a_renewal_takes_force() {
        let folder = tempfile::tempdir().unwrap();
        let tls = ReloadableTls::load(development::ensure(folder.path(), &["localhost"]).unwrap().files()).unwrap();
        let before = tls.served();
        development::ensure(folder.path(), &["localhost", "bridge.example"]).unwrap();
        tls.reload().unwrap();
        assert!(!Arc::ptr_eq(&before, &tls.served()));
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut files = development::ensure(one.path(), &["localhost"]).unwrap().files();
        files.key = development::ensure(two.path(), &["localhost"]).unwrap().key;
        assert!(matches!(ReloadableTls::load(files), Err(TlsError::Malformed { .. })));
    }
}

//! The key beside the database: private keys at rest are encrypted under it, so that a copy of the database alone
//! signs nothing.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use bascule_crypto::digest::hkdf_sha256;
use bascule_crypto::{Secret, aead};

use crate::{StoreError, random};

/// The 32-byte key of the file.
pub struct KeyFile(Secret);

impl KeyFile {
    /// Reads the key, or makes it on first use.
    ///
    /// # Errors
    /// [`StoreError::File`] if it cannot be read or written; [`StoreError::Key`] if others may read it or it has the
    /// wrong length.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let fail = |source| StoreError::File { path: path.display().to_string(), source };
        match File::open(path) {
            Ok(file) => {
                let mode = file.metadata().map_err(fail)?.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    let said = format!("{} may be read by others (mode {mode:o}): chmod 600 it", path.display());
                    return Err(StoreError::Key(said));
                }
                let mut bytes = Vec::new();
                file.take(33).read_to_end(&mut bytes).map_err(fail)?;
                if bytes.len() != 32 {
                    return Err(StoreError::Key(format!("{} does not hold 32 bytes", path.display())));
                }
                Ok(Self(Secret::new(bytes)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(fail(error)),
        }
    }

    /// Written beside and renamed, so that a crash leaves no half key.
    fn create(path: &Path) -> Result<Self, StoreError> {
        let fail = |source| StoreError::File { path: path.display().to_string(), source };
        let key = random::bytes::<32>()?;
        let draft = path.with_extension(format!("key.{}", random::id()?));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(fail)?;
        file.write_all(&key).map_err(fail)?;
        file.sync_all().map_err(fail)?;
        std::fs::rename(&draft, path).map_err(fail)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail)?;
        }
        Ok(Self(Secret::new(key)))
    }

    /// A key of its own for each label, the same as long as the file is.
    pub(crate) fn derived(&self, label: &str) -> Result<Secret, StoreError> {
        hkdf_sha256(&self.0, b"bascule derived key 1", &[label.as_bytes()]).map_err(key)
    }

    /// Encrypts `plain`, bound to `label`; the nonce stands in front.
    pub(crate) fn seal(&self, label: &str, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let nonce = random::bytes::<{ aead::NONCE_BYTES }>()?;
        let sealed = aead::seal(&self.0, nonce, label.as_bytes(), plain).map_err(key)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Decrypts what [`KeyFile::seal`] made under the same label.
    pub(crate) fn unseal(&self, label: &str, sealed: &[u8]) -> Result<Secret, StoreError> {
        let (nonce, sealed) = sealed
            .split_first_chunk::<{ aead::NONCE_BYTES }>()
            .ok_or_else(|| StoreError::Key(format!("{label} is cut short")))?;
        aead::open(&self.0, *nonce, label.as_bytes(), sealed).map(Secret::new).map_err(key)
    }
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyFile(..)")
    }
}

fn key(error: bascule_crypto::CryptoError) -> StoreError {
    StoreError::Key(format!("{error}; is this the key file that belongs to this database?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.key");
        KeyFile::open(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(KeyFile::open(&path).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_file_and_label_only() {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyFile::open(&folder.path().join("a.key")).unwrap();
        let sealed = key.seal("signing key k1", b"private").unwrap();
        let again = KeyFile::open(&folder.path().join("a.key")).unwrap();
        assert_eq!(again.unseal("signing key k1", &sealed).unwrap().expose(), b"private");
        assert!(again.unseal("signing key k2", &sealed).is_err());
        assert!(KeyFile::open(&folder.path().join("b.key")).unwrap().unseal("signing key k1", &sealed).is_err());
        assert!(again.unseal("signing key k1", &[]).is_err());
    }
}

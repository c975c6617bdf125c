//! The keys that sign id_tokens. A new key is published before it is used, an old one stays published until what it
//! signed has expired. Private keys lie encrypted under the key file.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use bascule_crypto::Secret;
use bascule_fhir::Timestamp;
use bascule_smart::jose::{SigningAlgorithm, SigningKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Row;
use serde_json::Value;

use crate::{Store, StoreError};

/// A public key as it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedKey {
    /// `kid`
    pub id: String,
    /// `RS256`, `ES384`
    pub algorithm: SigningAlgorithm,
    /// The JWK.
    pub jwk: Value,
    /// From when it signs.
    pub use_from: Timestamp,
    /// When it is no longer published; `None` while it may still sign.
    pub publish_until: Option<Timestamp>,
}

impl Store {
    /// Makes a key that signs from `use_from`; the older ones of the algorithm stay published until `old_until`.
    /// RSA takes some hundred milliseconds to make.
    ///
    /// # Errors
    /// [`StoreError::Key`].
    pub fn make_signing_key(
        &self,
        algorithm: SigningAlgorithm,
        use_from: Timestamp,
        old_until: Timestamp,
    ) -> Result<PublishedKey, StoreError> {
        let pem = private_pem(algorithm)?;
        let key = SigningKey::from_pem(algorithm, &pem).map_err(|error| StoreError::Key(error.to_string()))?;
        let id = key.id().to_owned();
        let sealed = self.key.seal(&label(&id), pem.expose())?;
        let jwk = key.public_jwk().clone();
        self.write(|transaction| {
            transaction.execute(
                "UPDATE signing_key SET publish_until = ?2 WHERE algorithm = ?1 AND publish_until IS NULL",
                (algorithm.name(), old_until.micros()),
            )?;
            transaction.execute(
                "INSERT INTO signing_key (id, algorithm, public, private, use_from) VALUES (?1, ?2, ?3, ?4, ?5)",
                (&id, algorithm.name(), jwk.to_string(), sealed, use_from.micros()),
            )?;
            Ok(())
        })?;
        Ok(PublishedKey { id, algorithm, jwk, use_from, publish_until: None })
    }

    /// The keys to publish now, newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn published_keys(&self, now: Timestamp) -> Result<Vec<PublishedKey>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, algorithm, public, use_from, publish_until FROM signing_key
                 WHERE publish_until IS NULL OR publish_until > ?1 ORDER BY use_from DESC, id",
            )?;
            let rows = statement.query_map([now.micros()], read)?.collect::<Result<Vec<_>, _>>()?;
            Ok(rows.into_iter().flatten().collect())
        })
    }

    /// The key that signs now with this algorithm: the newest that is published and whose time has come.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if there is none; [`StoreError::Key`] if the key file is another one.
    pub fn signing_key(&self, algorithm: SigningAlgorithm, now: Timestamp) -> Result<SigningKey, StoreError> {
        let keys = self.published_keys(now)?;
        let current = keys
            .iter()
            .find(|key| key.algorithm == algorithm && key.use_from <= now)
            .ok_or_else(|| StoreError::Missing { what: "signing key", id: algorithm.name().to_owned() })?;
        let sealed: Vec<u8> = self.read(|connection| {
            let statement = "SELECT private FROM signing_key WHERE id = ?1";
            Ok(connection.query_row(statement, [&current.id], |row| row.get(0))?)
        })?;
        let pem = self.key.unseal(&label(&current.id), &sealed)?;
        SigningKey::from_pem(algorithm, &pem).map_err(|error| StoreError::Key(error.to_string()))
    }
}

fn label(id: &str) -> String {
    format!("signing key {id}")
}

fn read(row: &Row<'_>) -> rusqlite::Result<Option<PublishedKey>> {
    let algorithm: String = row.get(1)?;
    let public: String = row.get(2)?;
    let key = SigningAlgorithm::parse(&algorithm).zip(serde_json::from_str(&public).ok());
    let (id, use_from) = (row.get(0)?, Timestamp::from_micros(row.get(3)?));
    let publish_until = row.get::<_, Option<i64>>(4)?.map(Timestamp::from_micros);
    Ok(key.map(|(algorithm, jwk)| PublishedKey { id, algorithm, jwk, use_from, publish_until }))
}

/// A new private key as PKCS #8 in PEM.
fn private_pem(algorithm: SigningAlgorithm) -> Result<Secret, StoreError> {
    let fail = |_| StoreError::Key("a signing key could not be made".into());
    let der: Vec<u8> = match algorithm {
        SigningAlgorithm::Rs256 | SigningAlgorithm::Rs384 => {
            let der: Pkcs8V1Der<'_> = KeyPair::generate(KeySize::Rsa2048).map_err(fail)?.as_der().map_err(fail)?;
            der.as_ref().to_vec()
        }
        SigningAlgorithm::Es384 => {
            let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).map_err(fail)?;
            key.to_pkcs8v1().map_err(fail)?.as_ref().to_vec()
        }
        SigningAlgorithm::Es256 => {
            return Err(StoreError::Invalid("we sign with RS256, RS384 or ES384".into()));
        }
    };
    let der = Secret::new(der);
    Ok(Secret::new(format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        wrapped(&STANDARD.encode(der.expose()))
    )))
}

fn wrapped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 64);
    for (index, letter) in text.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            out.push('\n');
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::tests::{NOW, store};

    #[test]
    fn a_new_key_is_published_before_it_is_used_and_an_old_one_after() {
        let (_folder, store) = store();
        let (hour, day) = (NOW.plus_seconds(3_600), NOW.plus_seconds(86_400));
        let old = store.make_signing_key(SigningAlgorithm::Es384, NOW, NOW).unwrap();
        let new = store.make_signing_key(SigningAlgorithm::Es384, hour, day).unwrap();
        let signs = |at| store.signing_key(SigningAlgorithm::Es384, at).unwrap().id().to_owned();
        let published = |at| store.published_keys(at).unwrap().into_iter().map(|key| key.id).collect::<Vec<_>>();
        assert_eq!((signs(NOW), published(NOW)), (old.id.clone(), vec![new.id.clone(), old.id.clone()]));
        assert_eq!((signs(hour), published(hour)), (new.id.clone(), vec![new.id.clone(), old.id]));
        assert_eq!((signs(day), published(day)), (new.id.clone(), vec![new.id]));
    }

    #[test]
    fn the_private_key_does_not_lie_open_and_rsa_works() {
        let (folder, store) = store();
        let made = store.make_signing_key(SigningAlgorithm::Rs256, NOW, NOW).unwrap();
        assert_eq!(made.jwk["kty"], "RSA");
        assert!(made.jwk.get("d").is_none());
        assert_eq!(store.signing_key(SigningAlgorithm::Rs256, NOW).unwrap().id(), made.id);
        let needle = b"PRIVATE KEY";
        for file in ["bascule.db", "bascule.db-wal"] {
            let bytes = std::fs::read(folder.path().join(file)).unwrap();
            assert!(!bytes.windows(needle.len()).any(|window| window == needle), "{file}");
        }
    }

    #[test]
    fn without_a_key_nothing_is_signed() {
        let (_folder, store) = store();
        assert!(matches!(store.signing_key(SigningAlgorithm::Rs256, NOW), Err(StoreError::Missing { .. })));
    }
}

//! A certificate authority that a test makes, and the certificates of those that it vouches for.

use bascule_fhir::Timestamp;
use bascule_wire::Identity;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};

/// An authority.
pub(crate) struct Authority {
    params: CertificateParams,
    key: KeyPair,
    pub(crate) pem: String,
    /// The moment that its certificates are made for.
    pub(crate) now: Timestamp,
}

/// The clock of tests that shake hands for real.
pub(crate) fn clock() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

fn leaf(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = clock() - Duration::days(1);
    params.not_after = clock() + Duration::days(30);
    params
}

/// A self-signed certificate.
pub(crate) fn identity(name: &str) -> Identity {
    let key = KeyPair::generate().unwrap();
    let certificate = leaf(name).self_signed(&key).unwrap();
    Identity { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() }
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "A community of tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = clock() - Duration::days(2);
        params.not_after = clock() + Duration::days(365);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { params, key, pem, now: Timestamp::from_seconds(clock().unix_timestamp()) }
    }

    fn signed(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.clone().signed_by(&key, &issuer).unwrap();
        Identity { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() }
    }

    /// A certificate for a host.
    pub(crate) fn identity(&self, name: &str) -> Identity {
        self.signed(&leaf(name))
    }

    /// One whose time is over.
    pub(crate) fn expired(&self, name: &str) -> Identity {
        let mut params = leaf(name);
        params.not_after = clock() - Duration::hours(1);
        self.signed(&params)
    }

    /// A certificate that bears a URI, with this serial number.
    pub(crate) fn of_uri(&self, uri: &str, serial: u64) -> Identity {
        let mut params = leaf("udap.example");
        params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        params.serial_number = Some(SerialNumber::from(serial));
        params.extended_key_usages = Vec::new();
        self.signed(&params)
    }

    /// A list of what it revoked.
    pub(crate) fn revokes(&self, serials: &[u64]) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: clock() - Duration::hours(1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: clock() - Duration::hours(2),
            next_update: clock() + Duration::days(7),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&Issuer::from_params(&self.params, &self.key)).unwrap().pem().unwrap()
    }
}

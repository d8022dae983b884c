//! Certificates for a machine that has none: a small authority, kept in the data folder, and a fresh
//! certificate from it at each start.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::{Data, Failure, OrFail as _};

const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca.key";

/// A certificate authority that exists in one data folder only. Whoever trusts its certificate (`ca.pem`)
/// trusts the servers started on that folder, and nothing else.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A server's certificate chain and key.
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Authority {
    /// Reads it from the folder, or makes it at the first start.
    ///
    /// # Errors
    ///
    /// If its files cannot be read or written, or are not what they were.
    pub fn open(data: &Data) -> Result<Self, Failure> {
        if let (Some(pem), Some(key)) = (data.read(CERTIFICATE)?, data.read(KEY)?) {
            let attempt = format!("the certificate authority in {} is damaged", data.path().display());
            let key = KeyPair::from_pem(&key).or_fail(&attempt)?;
            return Ok(Self { issuer: Issuer::new(Self::params(), key), pem });
        }
        let attempt = "cannot make a certificate authority";
        let key = KeyPair::generate().or_fail(attempt)?;
        let params = Self::params();
        let pem = params.self_signed(&key).or_fail(attempt)?.pem();
        data.write(KEY, &key.serialize_pem())?;
        data.write(CERTIFICATE, &pem)?;
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// Its certificate, for those who shall trust it.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Makes a certificate for this machine under the given addresses. Its key is never written down.
    ///
    /// # Errors
    ///
    /// If the cryptographic library fails.
    pub fn issue(&self, bind: IpAddr) -> Result<Identity, Failure> {
        let attempt = "cannot make a certificate";
        let key = KeyPair::generate().or_fail(attempt)?;
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).or_fail(attempt)?;
        let loopback = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
        let addresses =
            loopback.into_iter().chain((!bind.is_unspecified() && !bind.is_loopback()).then_some(bind));
        params.subject_alt_names.extend(addresses.map(SanType::IpAddress));
        params.distinguished_name = name("localhost");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer).or_fail(attempt)?;
        let key = PrivateKeyDer::try_from(key.serialize_der())
            .map_err(|error| Failure::new(format!("{attempt}: {error}")))?;
        Ok(Identity { chain: vec![certificate.der().clone()], key })
    }

    fn params() -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("apim local authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

impl Identity {
    /// Reads a chain and a key that the user brings.
    ///
    /// # Errors
    ///
    /// If either file cannot be read or is not PEM.
    pub fn read(chain: &std::path::Path, key: &std::path::Path) -> Result<Self, Failure> {
        let attempt = format!("cannot read the certificate {}", chain.display());
        let chain = CertificateDer::pem_file_iter(chain)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .or_fail(attempt)?;
        let attempt = format!("cannot read the key {}", key.display());
        Ok(Self { chain, key: PrivateKeyDer::from_pem_file(key).or_fail(attempt)? })
    }

    /// The certificate and those between it and its authority.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// Its key.
    pub fn key(&self) -> &PrivateKeyDer<'static> {
        &self.key
    }

    /// A TLS configuration with HTTP/2 and HTTP/1.1 by ALPN.
    ///
    /// # Errors
    ///
    /// If key and certificate do not belong together.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, Failure> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .or_fail("cannot set TLS up")?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .or_fail("the key does not belong to the certificate")?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_keeps_the_authority_that_clients_already_trust() -> Result<(), Failure> {
        let folder = tempfile::tempdir().or_fail("temporary folder")?;
        let data = Data::open(folder.path())?;
        let first = Authority::open(&data)?.pem().to_owned();
        let again = Authority::open(&data)?;
        assert_eq!(first, again.pem());
        again.issue(IpAddr::from([127, 0, 0, 1]))?.server_config().map(|_| ())
    }

    #[test]
    fn a_folder_serves_one_process_at_a_time() -> Result<(), Failure> {
        let folder = tempfile::tempdir().or_fail("temporary folder")?;
        let _first = Data::open(folder.path())?;
        let second = Data::open(folder.path());
        assert!(second.is_err_and(|failure| failure.to_string().contains("in use")));
        Ok(())
    }
}

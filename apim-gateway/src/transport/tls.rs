//! Certificates, keys and trust, as rustls wants them.
//!
//! The crypto provider is always passed explicitly: a library that installs a process-wide one decides for
//! everybody else in the process.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// Text that should hold certificates or a key does not.
    #[error("the {what} is not usable PEM")]
    Pem {
        /// What was being read, as `certificate`.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// PEM without a single certificate in it.
    #[error("there is no certificate in the PEM text")]
    NoCertificate,
    /// Key and certificate do not belong together, or are of an unsupported kind.
    #[error("the certificate or its key cannot be used")]
    Unusable(#[source] rustls::Error),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A server's certificate, which can be replaced while connections are being accepted.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use apim_gateway::transport::tls::Certificate;
///
/// let certificate = Certificate::from_pem(&std::fs::read("tls.crt")?, &std::fs::read("tls.key")?)?;
/// let config = certificate.server_config()?;
/// // Later, when the files have changed; connections made from now on get the new one:
/// certificate.replace(&std::fs::read("tls.crt")?, &std::fs::read("tls.key")?)?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Certificate(Arc<Current>);

struct Current(ArcSwap<CertifiedKey>);

impl Certificate {
    /// From PEM text: the chain, the server's own certificate first, and its private key.
    ///
    /// # Errors
    ///
    /// [`TlsError`], also if key and certificate do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(Current(ArcSwap::from_pointee(certified(chain, key)?)))))
    }

    /// Takes another certificate for connections to come. On error the old one stays.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem).
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), TlsError> {
        self.0.0.store(Arc::new(certified(chain, key)?));
        Ok(())
    }

    /// A server's configuration over this certificate: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN.
    ///
    /// # Errors
    ///
    /// [`TlsError::Unusable`] if the provider lacks a protocol version.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?
            .with_no_client_auth()
            .with_cert_resolver(self.0.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate")
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

fn certified(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(chain)?;
    let key =
        PrivateKeyDer::from_pem_slice(key).map_err(|source| TlsError::Pem { what: "private key", source })?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(TlsError::Unusable)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::Pem { what: "certificate", source })?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    Ok(chain)
}

/// The authorities in PEM text, as trust anchors.
///
/// Bundles of operating systems hold a few that break the rules rustls insists on. Those are passed over, as
/// long as another can be used; nothing is trusted by that.
///
/// # Errors
///
/// [`TlsError`] if there is none, or none can be used.
pub fn roots(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let mut refused = None;
    for certificate in certificates(pem)? {
        if let Err(error) = roots.add(certificate) {
            tracing::debug!(%error, "an authority cannot be used");
            refused = Some(error);
        }
    }
    match refused {
        Some(error) if roots.is_empty() => Err(TlsError::Unusable(error)),
        _ => Ok(roots),
    }
}

/// A client's configuration that trusts these authorities and no others. Host names are checked. ALPN is
/// left to the caller.
///
/// # Errors
///
/// [`TlsError::Unusable`] if the provider lacks a protocol version.
pub fn client_config(roots: RootCertStore) -> Result<ClientConfig, TlsError> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// A client's configuration that trusts these authorities, and may be told not to ask for whom a certificate is.
pub(crate) fn verified(roots: RootCertStore, hostname: bool) -> Result<ClientConfig, TlsError> {
    if hostname {
        return client_config(roots);
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| TlsError::Unusable(rustls::Error::General(error.to_string())))?;
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyName(verifier)))
        .with_no_client_auth())
}

/// The certificate that a client shows.
pub(crate) fn client_identity(chain: &[u8], key: &[u8]) -> Result<Arc<dyn ResolvesClientCert>, TlsError> {
    Ok(Arc::new(SingleCertAndKey::from(certified(chain, key)?)))
}

/// Checks everything about a server's certificate except for whom it is.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
        // The name is looked at last, when the chain has been found good.
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NO_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    #[test]
    fn one_authority_that_cannot_be_used_does_not_take_the_others_along() {
        let good = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
        let bundle = format!("{NO_CERTIFICATE}{good}");
        assert_eq!(roots(bundle.as_bytes()).unwrap().len(), 1);
        assert!(matches!(roots(NO_CERTIFICATE.as_bytes()), Err(TlsError::Unusable(_))));
        assert!(matches!(roots(b""), Err(TlsError::NoCertificate)));
    }

    #[test]
    fn a_key_that_belongs_to_another_certificate_is_refused() {
        let one = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (chain, key) = (one.cert.pem(), other.signing_key.serialize_pem());
        assert!(matches!(
            Certificate::from_pem(chain.as_bytes(), key.as_bytes()),
            Err(TlsError::Unusable(_))
        ));
    }
}

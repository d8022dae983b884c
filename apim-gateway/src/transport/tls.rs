//! Trust, as rustls wants it. A server's own certificates are in [`certificates`](super::certificates).
//!
//! The crypto provider is always passed explicitly: a library that installs a process-wide one decides for
//! everybody else in the process.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

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
    /// Which of two certificates a client gets that asks for a name must not depend on their order.
    #[error("there are two certificates for {0}")]
    TwoForOne(String),
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A chain and the key of its first certificate.
pub(super) fn certified(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(chain)?;
    let key =
        PrivateKeyDer::from_pem_slice(key).map_err(|source| TlsError::Pem { what: "private key", source })?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(TlsError::Unusable)
}

pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
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
}

//! Certificates of clients: who shows one has proven to hold its key, and nothing more.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use apim_core::Timestamp;
use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderValue;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// Certificates between a client's own and its authority.
const LONGEST_CHAIN: usize = 8;

/// Verdicts that a connection remembers.
const MOST_VERDICTS: usize = 64;

/// The certificate of a client, which has proven in the handshake to hold its key.
///
/// Only our own server makes one, of a connection that it has accepted itself, or the gateway, of what a balancer
/// tells that it was told to believe: a header can claim anything.
/// Whether the certificate is any good is not said by this; that is for each API to decide.
#[derive(Clone)]
pub struct ClientCertificate(Arc<Shown>);

struct Shown {
    leaf: CertificateDer<'static>,
    intermediates: Vec<CertificateDer<'static>>,
    fingerprint: Fingerprint,
    subject: String,
    not_before: Timestamp,
    not_after: Timestamp,
    verdicts: Mutex<Vec<(u64, bool)>>,
    /// How backends are told of it, bare and structured.
    told: [OnceLock<Option<HeaderValue>>; 2],
}

/// The SHA-256 digest of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a certificate in DER.
    pub fn of(certificate: &[u8]) -> Self {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(digest(&SHA256, certificate).as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl ClientCertificate {
    /// What the client of a connection has shown; none if it has shown none, or one that nobody can read.
    pub(crate) fn of(connection: &rustls::ServerConnection) -> Option<Self> {
        Self::shown(connection.peer_certificates()?)
    }

    pub(crate) fn shown(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let (leaf, intermediates) = chain.split_first()?;
        let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
        let second = |time: x509_parser::time::ASN1Time| {
            // What begins before 1970 has begun.
            Timestamp::from_secs(u64::try_from(time.timestamp()).unwrap_or(0))
        };
        let name = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
        Some(Self(Arc::new(Shown {
            fingerprint: Fingerprint::of(leaf),
            subject: name.unwrap_or_default().to_owned(),
            not_before: second(parsed.validity().not_before),
            not_after: second(parsed.validity().not_after),
            leaf: leaf.clone().into_owned(),
            intermediates: intermediates.iter().map(|one| one.clone().into_owned()).collect(),
            verdicts: Mutex::default(),
            told: Default::default(),
        })))
    }

    /// The digest of the client's own certificate.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    /// The common name of its subject; empty if it has none.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Whether it is valid at a moment.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        (self.0.not_before..=self.0.not_after).contains(&now)
    }

    /// When it expires.
    pub(crate) fn not_after(&self) -> Timestamp {
        self.0.not_after
    }

    /// The client's own, and what it has sent to link it to an authority.
    pub(crate) fn chain(&self) -> (&CertificateDer<'static>, &[CertificateDer<'static>]) {
        (&self.0.leaf, &self.0.intermediates)
    }

    /// How backends are told of it: made when it is first wanted.
    pub(crate) fn told(
        &self,
        structured: bool,
        make: impl FnOnce(&[u8]) -> Option<HeaderValue>,
    ) -> Option<HeaderValue> {
        let [bare, wrapped] = &self.0.told;
        let place = if structured { wrapped } else { bare };
        place.get_or_init(|| make(&self.0.leaf)).clone()
    }

    /// What a judge thinks of it. Each is asked once on a connection: signatures are dear.
    pub(crate) fn verdict(&self, judge: u64, think: impl FnOnce() -> bool) -> bool {
        let mut verdicts = self.0.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, verdict)) = verdicts.iter().find(|(known, _)| *known == judge) {
            return *verdict;
        }
        let verdict = think();
        if verdicts.len() >= MOST_VERDICTS {
            verdicts.clear();
        }
        verdicts.push((judge, verdict));
        verdict
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientCertificate({}, {})", self.0.subject, self.0.fingerprint)
    }
}

/// Asks every client for a certificate, insists on none, and takes any whose key the client proves to hold.
///
/// APIs pin single certificates that often are their own authority, which rustls's verifier knows nothing of;
/// and which API is called is not known before the handshake is over.
#[derive(Debug)]
pub(super) struct AnyClient {
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyClient {
    pub(super) fn new(provider: &CryptoProvider) -> Self {
        Self { algorithms: provider.signature_verification_algorithms }
    }
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if intermediates.len() > LONGEST_CHAIN {
            return Err(Error::General("the client's chain of certificates is too long".to_owned()));
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

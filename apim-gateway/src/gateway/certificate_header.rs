//! A client's certificate in a header: told by a balancer that has ended TLS, and told to backends.
//!
//! A header can claim anything, so it is taken off every request, and believed only of balancers that are named.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use apim_core::{PerWorker, Worker};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use rustls::pki_types::CertificateDer;

use crate::transport::client_certificate::ClientCertificate;

/// Bytes of the header that are looked at.
const LONGEST: usize = 32 << 10;

/// Certificates that a worker remembers, since reading one is dear and balancers tell of few.
const MOST_KNOWN: usize = 256;

/// The header of RFC 9440, whose value is a byte sequence of structured fields.
const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// How certificates are told, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Told {
    /// The header.
    pub header: HeaderName,
    /// Whether balancers percent-encode its value.
    pub url_encoded: bool,
    /// Who is believed.
    pub balancers: Vec<IpNet>,
    /// Whether backends are told of certificates that their API accepts.
    pub to_backends: bool,
}

impl Told {
    /// WSO2's name for it.
    pub const USUAL: HeaderName = HeaderName::from_static("x-wso2-client-certificate");
}

/// The same, at work.
pub(crate) struct CertificateHeader {
    told: Told,
    known: PerWorker<HashMap<Box<[u8]>, ClientCertificate>>,
}

/// What is told to the backend of a request, in its context.
#[derive(Clone)]
pub(crate) struct Vouched(pub(crate) HeaderName, pub(crate) HeaderValue);

impl CertificateHeader {
    pub(crate) fn new(told: Told, workers: usize) -> Self {
        Self { told, known: PerWorker::new(workers, HashMap::new) }
    }

    /// Takes the header off a request, in every spelling that some backend might read. Answers what it tells, if
    /// the peer is believed and it tells of one certificate.
    pub(super) fn take(
        &self,
        headers: &mut HeaderMap,
        peer: IpAddr,
        worker: Worker,
    ) -> Option<ClientCertificate> {
        let aliases: Vec<_> = headers.keys().filter(|name| self.is_alias(name)).cloned().collect();
        let mut values = headers.get_all(&self.told.header).iter();
        let value = values.next().filter(|_| values.next().is_none()).cloned();
        for name in aliases {
            headers.remove(name);
        }
        let value = value.filter(|_| self.trusts(peer))?;
        let told = value.as_bytes();
        if let Some(known) = self.known.of(worker).get(told) {
            return Some(known.clone());
        }
        let read = read(told, self.told.url_encoded).and_then(|chain| ClientCertificate::shown(&chain));
        let Some(certificate) = read else {
            tracing::debug!(balancer = %peer, "a balancer tells of something that is no certificate");
            return None;
        };
        let mut known = self.known.of(worker);
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(told.into(), certificate.clone());
        Some(certificate)
    }

    /// Backends that read CGI variables cannot tell an underscore from a hyphen.
    fn is_alias(&self, name: &HeaderName) -> bool {
        let (name, ours) = (name.as_str().as_bytes(), self.told.header.as_str().as_bytes());
        let alike = |(one, other): (&u8, &u8)| one == other || (*one, *other) == (b'_', b'-');
        name.len() == ours.len() && name.iter().zip(ours).all(alike)
    }

    fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.told.balancers.iter().any(|network| network.contains(&peer))
    }

    /// What a backend is told of a certificate that its API has accepted, if it is told: DER in base64, once, since a
    /// certificate is told of with every request of its connection.
    pub(crate) fn vouch(&self, certificate: &ClientCertificate) -> Option<Vouched> {
        if !self.told.to_backends {
            return None;
        }
        let structured = self.told.header == CLIENT_CERT;
        let value = certificate.told(structured, |der| {
            let text = STANDARD.encode(der);
            let text = if structured { format!(":{text}:") } else { text };
            HeaderValue::try_from(text).ok()
        })?;
        Some(Vouched(self.told.header.clone(), value))
    }
}

impl fmt::Debug for CertificateHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told.fmt(f)
    }
}

/// The certificates that a header's value holds, the client's own first: PEM, whose line breaks may have become
/// blanks or have gone, or base64 alone.
pub fn read(value: &[u8], url_encoded: bool) -> Option<Vec<CertificateDer<'static>>> {
    let text = std::str::from_utf8(value).ok().filter(|text| text.len() <= LONGEST)?;
    let decoded;
    let text = match url_encoded {
        false => text.trim(),
        true => {
            decoded = percent_decoded(text)?;
            decoded.trim()
        }
    };
    let Some(rest) = text.strip_prefix(BEGIN) else {
        // As RFC 9440 has it, or bare.
        let bare = text.strip_prefix(':').and_then(|text| text.strip_suffix(':')).unwrap_or(text);
        return Some(vec![der(bare)?]);
    };
    let mut chain = Vec::new();
    for block in rest.split(BEGIN) {
        let (inside, after) = block.split_once(END)?;
        if !after.trim().is_empty() {
            return None;
        }
        chain.push(der(inside)?);
    }
    Some(chain)
}

fn der(text: &str) -> Option<CertificateDer<'static>> {
    let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let der = STANDARD.decode(packed).ok()?;
    (!der.is_empty()).then(|| CertificateDer::from(der))
}

/// A plus stays one, unlike in forms: base64 has them.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_value_is_read_in_every_form_that_balancers_send() {
        let der = |text: &str, encoded| {
            read(text.as_bytes(), encoded)
                .map(|chain| chain.iter().map(|der| der.to_vec()).collect::<Vec<_>>())
        };
        let one = Some(vec![vec![0xfb, 0xef, 0xbe]]);
        for text in [
            "++++",
            " ++++ ",
            ":++++:",
            "-----BEGIN CERTIFICATE----- ++ ++ -----END CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----++++-----END CERTIFICATE-----",
        ] {
            assert_eq!(der(text, false), one, "{text}");
        }
        let escaped = "-----BEGIN%20CERTIFICATE-----%0A%2B%2b++%0A-----END%20CERTIFICATE-----%0A";
        assert_eq!(der(escaped, true), one);
        let two = "-----BEGIN CERTIFICATE-----++++-----END CERTIFICATE----- \
                   -----BEGIN CERTIFICATE-----AAAA-----END CERTIFICATE-----";
        assert_eq!(der(two, false).unwrap().len(), 2);
        for bad in ["", "+", "++++ m?on", "-----BEGIN CERTIFICATE-----++++", "%zz", "%2", ":++++"] {
            assert_eq!(der(bad, false), None, "{bad}");
        }
        assert_eq!(der("%2", true), None);
        assert_eq!(der("%zz", true), None);
        assert_eq!(der(&"+".repeat(40_000), false), None);
    }
}

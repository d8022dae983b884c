//! A server's certificates: many on one port, chosen by the name a client asks for, replaced while connections
//! are being accepted.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

use super::client_certificate::AnyClient;
use super::tls::{TlsError, certified, provider};

/// A certificate with its chain and key, and the host names it is for.
#[derive(Clone)]
pub struct Identity {
    key: Arc<CertifiedKey>,
    names: Vec<String>,
}

impl Identity {
    /// From PEM text: the chain, the server's own certificate first, and its private key. It is for the host
    /// names that the certificate itself names; `*.` at the begin of one stands for one label.
    ///
    /// # Errors
    ///
    /// [`TlsError`], also if key and certificate do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Ok(Self::of(certified(chain, key)?))
    }

    /// The same from DER.
    ///
    /// # Errors
    ///
    /// [`TlsError::Unusable`] if key and certificate do not belong together.
    pub fn from_der(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        CertifiedKey::from_der(chain, key, &provider()).map(Self::of).map_err(TlsError::Unusable)
    }

    fn of(key: CertifiedKey) -> Self {
        let names = match key.end_entity_cert().map(EndEntityCert::try_from) {
            Ok(Ok(certificate)) => certificate.valid_dns_names().map(str::to_ascii_lowercase).collect(),
            _ => Vec::new(),
        };
        Self { key: Arc::new(key), names }
    }

    /// The host names it is for.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.names).finish()
    }
}

/// How a server agrees on TLS. Default: versions 1.2 and 1.3, and nobody is asked for a certificate.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Agreement {
    /// Whether version 1.2 is refused.
    pub only_tls13: bool,
    /// Whether clients are asked for a certificate. Who has none is served all the same: whether one is
    /// needed, and which, is each API's to say.
    pub client_certificates: bool,
}

/// A server's certificates. Cheap to clone; all clones are replaced together.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use apim_gateway::transport::certificates::{Agreement, Certificates, Identity};
///
/// let read = |name: &str| -> Result<Identity, Box<dyn std::error::Error>> {
///     Ok(Identity::from_pem(&std::fs::read(format!("{name}.crt"))?, &std::fs::read(format!("{name}.key"))?)?)
/// };
/// let certificates = Certificates::new(vec![read("default")?, read("shop")?])?;
/// let config = certificates.server_config(Agreement::default())?;
/// // Later, when a file has changed; connections made from now on get the new ones:
/// certificates.replace(vec![read("default")?, read("shop")?])?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Certificates(Arc<Current>);

struct Current(ArcSwap<Table>);

/// Who gets which certificate.
struct Table {
    first: Arc<CertifiedKey>,
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what follows `*.`.
    wildcards: HashMap<String, Arc<CertifiedKey>>,
    count: usize,
}

impl Certificates {
    /// With these. The first is for clients that ask for no name, or for one that no certificate is for.
    ///
    /// # Errors
    ///
    /// [`TlsError::NoCertificate`] if there is none, [`TlsError::TwoForOne`] if two are for one name.
    pub fn new(all: Vec<Identity>) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(Current(ArcSwap::from_pointee(Table::new(all)?)))))
    }

    /// Takes others for connections to come. On error the old ones stay.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn replace(&self, all: Vec<Identity>) -> Result<(), TlsError> {
        self.0.0.store(Arc::new(Table::new(all)?));
        Ok(())
    }

    /// A server's configuration over these certificates: HTTP/2 and HTTP/1.1 by ALPN.
    ///
    /// # Errors
    ///
    /// [`TlsError::Unusable`] if the provider lacks a protocol version.
    pub fn server_config(&self, agreement: Agreement) -> Result<Arc<ServerConfig>, TlsError> {
        let versions: &[_] = match agreement.only_tls13 {
            true => &[&rustls::version::TLS13],
            false => &[&rustls::version::TLS13, &rustls::version::TLS12],
        };
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .map_err(TlsError::Unusable)?;
        let builder = match agreement.client_certificates {
            true => builder.with_client_cert_verifier(Arc::new(AnyClient::new(&provider()))),
            false => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(self.0.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Whether a connection made for one name may carry requests to another: whether both get the same
    /// certificate. A client that has been shown another host's has not agreed to talk to this one
    /// (RFC 9110 section 7.4).
    pub(crate) fn agree(&self, asked: Option<&str>, host: &str) -> bool {
        let table = self.0.0.load();
        table.count == 1 || Arc::ptr_eq(table.of(asked), table.of(Some(host)))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({})", self.0.0.load().count)
    }
}

impl Table {
    fn new(all: Vec<Identity>) -> Result<Self, TlsError> {
        let first = all.first().ok_or(TlsError::NoCertificate)?.key.clone();
        let count = all.len();
        let mut table = Self { first, exact: HashMap::new(), wildcards: HashMap::new(), count };
        for Identity { key, names } in all {
            for name in names {
                let (map, place) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut table.wildcards, parent.to_owned()),
                    None => (&mut table.exact, name.clone()),
                };
                let before = map.insert(place, key.clone());
                if before.is_some_and(|before| !Arc::ptr_eq(&before, &key)) {
                    return Err(TlsError::TwoForOne(name));
                }
            }
        }
        Ok(table)
    }

    fn of(&self, name: Option<&str>) -> &Arc<CertifiedKey> {
        let found = name
            .and_then(|name| self.exact.get(name).or_else(|| self.wildcards.get(name.split_once('.')?.1)));
        found.unwrap_or(&self.first)
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let table = self.0.load();
        let found = match hello.server_name() {
            Some(name) if name.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                table.of(Some(&name.to_ascii_lowercase()))
            }
            name => table.of(name),
        };
        Some(found.clone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn identity(names: &[&str]) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        Identity::from_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap()
    }

    #[test]
    fn the_name_says_which_certificate() {
        let [first, shop, all] =
            [&["first.example"][..], &["shop.example", "www.shop.example"], &["*.shop.example"]]
                .map(identity);
        let table = Table::new(vec![first.clone(), shop.clone(), all.clone()]).unwrap();
        for (name, expected) in [
            (None, &first),
            (Some("first.example"), &first),
            (Some("nobody.example"), &first),
            (Some("shop.example"), &shop),
            (Some("www.shop.example"), &shop),
            (Some("a.shop.example"), &all),
            (Some("a.b.shop.example"), &first),
            (Some(""), &first),
        ] {
            assert!(Arc::ptr_eq(table.of(name), &expected.key), "{name:?}");
        }
        let certificates = Certificates::new(vec![first, shop, all]).unwrap();
        assert!(certificates.agree(Some("shop.example"), "www.shop.example"));
        assert!(certificates.agree(None, "nobody.example"));
        assert!(!certificates.agree(Some("shop.example"), "a.shop.example"));
        assert!(!certificates.agree(None, "shop.example"));
    }

    #[test]
    fn two_certificates_for_one_name_are_refused() {
        let two = vec![identity(&["a.example"]), identity(&["b.example", "A.example"])];
        assert!(matches!(Certificates::new(two), Err(TlsError::TwoForOne(name)) if name == "a.example"));
        assert!(matches!(Certificates::new(Vec::new()), Err(TlsError::NoCertificate)));
    }

    #[test]
    fn a_key_that_belongs_to_another_certificate_is_refused() {
        let one = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (chain, key) = (one.cert.pem(), other.signing_key.serialize_pem());
        let made = Identity::from_pem(chain.as_bytes(), key.as_bytes());
        assert!(matches!(made, Err(TlsError::Unusable(_))));
    }
}

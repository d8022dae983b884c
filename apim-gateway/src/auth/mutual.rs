//! Client certificates that an API accepts (spec: gateway-security, section 7).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use apim_core::model::{ClientCertificates, KeyType, PolicyName};
use apim_core::{BuildError, Context, Fault, Timestamp};
use rustls::pki_types::UnixTime;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::jwt::invalid;
use crate::transport::client_certificate::{ClientCertificate, Fingerprint};
use crate::transport::tls;

/// Certificates that an API may pin.
const MOST_PINNED: usize = 1024;

/// What an API accepts, checked when it is deployed.
pub(crate) struct Mutual {
    /// By what a connection remembers the verdict of these authorities.
    number: u64,
    mandatory: bool,
    credential_mandatory: bool,
    pinned: HashMap<Fingerprint, Pin>,
    authorities: Option<(Arc<dyn ClientCertVerifier>, Option<PolicyName>)>,
}

struct Pin {
    alias: Arc<str>,
    tier: Option<PolicyName>,
    key_type: Option<KeyType>,
}

/// Who calls by a certificate that the API accepts. Only this module makes one, of a certificate whose key the
/// client has proven to hold.
#[derive(Debug, Clone)]
pub struct ByCertificate {
    name: Arc<str>,
    user: String,
    tier: Option<PolicyName>,
    key_type: Option<KeyType>,
}

impl ByCertificate {
    /// What it is counted by: the alias of a pinned certificate, the digest of one that an authority has signed.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The common name of its subject.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The subscription policy that its calls are counted against, if it has one of its own.
    pub fn tier(&self) -> Option<&PolicyName> {
        self.tier.as_ref()
    }

    /// Which endpoint it leads to, if that was said.
    pub fn key_type(&self) -> Option<KeyType> {
        self.key_type
    }

    /// By what the caller of a request was let in, if it was by a certificate.
    pub fn of(context: &Context) -> Option<&Self> {
        context.slots.get()
    }
}

impl Mutual {
    /// Checks what an API accepts.
    ///
    /// # Errors
    ///
    /// The place, and what is wrong with it.
    pub(crate) fn new(accepted: &ClientCertificates, alone: bool) -> Result<Self, BuildError> {
        if accepted.pinned.is_empty() && accepted.authorities.is_empty() {
            return Err(BuildError::at("client_certificates", "no certificate is good, and no authority"));
        }
        if accepted.pinned.len() > MOST_PINNED {
            let why = format!("there are more than {MOST_PINNED}");
            return Err(BuildError::at("client_certificates.pinned", why));
        }
        if alone && accepted.credential_mandatory {
            let why = "the API accepts neither tokens nor API keys that could be demanded";
            return Err(BuildError::at("client_certificates.credential_mandatory", why));
        }
        let mut pinned = HashMap::new();
        for (index, pin) in accepted.pinned.iter().enumerate() {
            let wrong = |why: String| BuildError::at(format!("client_certificates.pinned[{index}]"), why);
            let chain =
                tls::certificates(pin.certificate.as_bytes()).map_err(|error| wrong(error.to_string()))?;
            let [certificate] = &*chain else {
                return Err(wrong("it is more than one certificate".to_owned()));
            };
            let known =
                Pin { alias: pin.alias.as_str().into(), tier: pin.tier.clone(), key_type: pin.key_type };
            if pinned.insert(Fingerprint::of(certificate), known).is_some() {
                return Err(wrong("it stands there twice".to_owned()));
            }
        }
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        Ok(Self {
            number: NUMBERS.fetch_add(1, Relaxed),
            mandatory: accepted.mandatory || alone,
            credential_mandatory: accepted.credential_mandatory,
            pinned,
            authorities: authorities(accepted)?,
        })
    }

    /// Whether a token or key is needed even of those who have shown a certificate.
    pub(crate) fn wants_credential(&self) -> bool {
        self.credential_mandatory
    }

    /// What the caller's certificate is worth here; none if it is worth nothing, and need not be.
    ///
    /// # Errors
    ///
    /// 900901, if a certificate is demanded and there is none that is good.
    pub(crate) fn check(&self, context: &Context, now: Timestamp) -> Result<Option<ByCertificate>, Fault> {
        let judged = self.judge(context.slots.get(), now);
        judged.map_err(|why| invalid(format!("client certificate: {why}")))
    }

    /// The same of what a connection has shown.
    ///
    /// # Errors
    ///
    /// Why it is not enough.
    pub(crate) fn judge(
        &self,
        shown: Option<&ClientCertificate>,
        now: Timestamp,
    ) -> Result<Option<ByCertificate>, &'static str> {
        match shown.ok_or("no certificate was shown").and_then(|shown| self.accept(shown, now)) {
            Ok(accepted) => Ok(Some(accepted)),
            Err(why) if self.mandatory => Err(why),
            Err(_) => Ok(None),
        }
    }

    fn accept(&self, shown: &ClientCertificate, now: Timestamp) -> Result<ByCertificate, &'static str> {
        if !shown.is_valid_at(now) {
            return Err("it has expired, or is not valid yet");
        }
        let user = shown.subject().to_owned();
        if let Some(pin) = self.pinned.get(&shown.fingerprint()) {
            let (tier, key_type) = (pin.tier.clone(), pin.key_type);
            return Ok(ByCertificate { name: pin.alias.clone(), user, tier, key_type });
        }
        let (verifier, tier) = self.authorities.as_ref().ok_or("it is not one of the API's")?;
        let signed = shown.verdict(self.number, || {
            let (leaf, intermediates) = shown.chain();
            let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.as_secs()));
            verifier.verify_client_cert(leaf, intermediates, now).is_ok()
        });
        if !signed {
            return Err("it is not one of the API's, and no authority of the API has signed it");
        }
        let name = shown.fingerprint().to_string().into();
        Ok(ByCertificate { name, user, tier: tier.clone(), key_type: None })
    }
}

type Authorities = Option<(Arc<dyn ClientCertVerifier>, Option<PolicyName>)>;

fn authorities(accepted: &ClientCertificates) -> Result<Authorities, BuildError> {
    let mut roots = rustls::RootCertStore::empty();
    for (index, pem) in accepted.authorities.iter().enumerate() {
        let wrong = |why: String| BuildError::at(format!("client_certificates.authorities[{index}]"), why);
        for authority in tls::certificates(pem.as_bytes()).map_err(|error| wrong(error.to_string()))? {
            roots.add(authority).map_err(|error| wrong(error.to_string()))?;
        }
    }
    if roots.is_empty() {
        return Ok(None);
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), tls::provider())
        .build()
        .map_err(|error| BuildError::at("client_certificates.authorities", error))?;
    Ok(Some((verifier, accepted.authorities_tier.clone())))
}

impl std::fmt::Debug for Mutual {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mutual({} pinned)", self.pinned.len())
    }
}

//! The certificates that the gateway shows, and the files they are in.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use apim_gateway::transport::certificates::{Certificates, Identity};
use launch::config::Tls;
use launch::{Failure, OrFail as _};

/// Certificates and where they came from.
pub(crate) struct Shown {
    /// The first, where no file holds it: made at this start.
    made: Option<Identity>,
    certificates: Certificates,
    read: Mutex<Read>,
}

/// Files, and what they were like when they were read.
struct Read {
    /// Whether the first of them takes the place of what was made.
    own: bool,
    files: Vec<Tls>,
    stamps: Vec<Stamp>,
}

/// What shows that a file has changed.
pub(crate) type Stamp = Option<(SystemTime, u64)>;

impl Shown {
    /// The first as the server was given it, or from the user's own files; then the others.
    pub(crate) fn open(
        identity: &launch::Identity,
        own: Option<&Tls>,
        others: &[Tls],
    ) -> Result<Arc<Self>, Failure> {
        let made = match own {
            Some(_) => None,
            None => {
                let made = Identity::from_der(identity.chain().to_vec(), identity.key().clone_key());
                Some(made.or_fail("cannot use the certificate that was made")?)
            }
        };
        let read = Read::new(own, others);
        let certificates =
            Certificates::new(all(made.as_ref(), &read.files)?).or_fail("cannot use the certificates")?;
        Ok(Arc::new(Self { made, certificates, read: Mutex::new(read) }))
    }

    pub(crate) fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Reads those of other files, and answers what brings them into force. If one is broken, nothing does.
    pub(crate) fn prepare(&self, own: Option<&Tls>, others: &[Tls]) -> Result<impl FnOnce() + '_, Failure> {
        if own.is_none() && self.made.is_none() {
            return Err(Failure::new("tls: a certificate is only made at a start"));
        }
        let made = self.made.as_ref().filter(|_| own.is_none());
        let read = Read::new(own, others);
        let all = all(made, &read.files)?;
        // What is no good as a table is refused here, and not when everything else has been changed.
        Certificates::new(all.clone()).or_fail("cannot use the certificates")?;
        Ok(move || {
            *self.lock() = read;
            if let Err(error) = self.certificates.replace(all) {
                tracing::error!(%error, "the certificates in use stay");
            }
        })
    }

    /// Reads the files again that it has been told of. If one is broken, all certificates stay as they were.
    pub(crate) fn renew(&self) -> Result<(), Failure> {
        let mut read = self.lock();
        read.stamps = stamps(&read.files);
        let all = all(self.made.as_ref().filter(|_| !read.own), &read.files)?;
        self.certificates.replace(all).or_fail("cannot use the certificates")
    }

    pub(crate) fn has_changed(&self) -> bool {
        let read = self.lock();
        read.stamps != stamps(&read.files)
    }

    fn lock(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read {
    fn new(own: Option<&Tls>, others: &[Tls]) -> Self {
        let files: Vec<_> = own.into_iter().chain(others).cloned().collect();
        Self { own: own.is_some(), stamps: stamps(&files), files }
    }
}

fn all(made: Option<&Identity>, files: &[Tls]) -> Result<Vec<Identity>, Failure> {
    made.cloned().map(Ok).into_iter().chain(files.iter().map(read)).collect()
}

fn read(files: &Tls) -> Result<Identity, Failure> {
    let (chain, key) = (files.certificate.display(), files.key.display());
    let text = |path: &Path| std::fs::read(path).or_fail(format!("cannot read {}", path.display()));
    Identity::from_pem(&text(&files.certificate)?, &text(&files.key)?)
        .or_fail(format!("cannot use the certificate {chain} with the key {key}"))
}

fn stamps(files: &[Tls]) -> Vec<Stamp> {
    files.iter().flat_map(|files| [stamp(&files.certificate), stamp(&files.key)]).collect()
}

/// What shows that this file has changed.
pub(crate) fn stamp(path: &Path) -> Stamp {
    let about = std::fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}

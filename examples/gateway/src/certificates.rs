//! The certificates that the gateway shows, read anew when their files change.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use apim_gateway::transport::certificates::{Certificates, Identity};
use launch::config::Tls;
use launch::{Failure, OrFail as _};
use tokio::signal::unix::{SignalKind, signal};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// Certificates and where they came from.
pub(crate) struct Shown {
    /// The first, where no file holds it: made at this start.
    made: Option<Identity>,
    files: Vec<Tls>,
    certificates: Certificates,
    seen: Mutex<Vec<Stamp>>,
}

/// What shows that a file has changed.
type Stamp = Option<(SystemTime, u64)>;

impl Shown {
    /// The first as the server was given it, or from the user's own files; then the others.
    pub(crate) fn open(
        identity: &launch::Identity,
        own: Option<Tls>,
        others: Vec<Tls>,
    ) -> Result<Arc<Self>, Failure> {
        let made = match own {
            Some(_) => None,
            None => {
                let made = Identity::from_der(identity.chain().to_vec(), identity.key().clone_key());
                Some(made.or_fail("cannot use the certificate that was made")?)
            }
        };
        let files: Vec<Tls> = own.into_iter().chain(others).collect();
        let certificates =
            Certificates::new(all(made.as_ref(), &files)?).or_fail("cannot use the certificates")?;
        let seen = Mutex::new(stamps(&files));
        Ok(Arc::new(Self { made, files, certificates, seen }))
    }

    pub(crate) fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Reads all files. If one is broken, all certificates stay as they were.
    pub(crate) fn reload(&self) -> Result<String, Failure> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = stamps(&self.files);
        let all = all(self.made.as_ref(), &self.files)?;
        let count = all.len();
        self.certificates.replace(all).or_fail("cannot use the certificates")?;
        Ok(format!("{count} certificates are in use; other settings need a restart"))
    }

    /// Reloads on SIGHUP and when a file has changed, for as long as it is polled.
    pub(crate) async fn follow(self: Arc<Self>) {
        let Ok(mut hangup) = signal(SignalKind::hangup()) else {
            return tracing::warn!("SIGHUP cannot be received, so certificates are not read anew");
        };
        loop {
            tokio::select! {
                _ = hangup.recv() => {}
                () = tokio::time::sleep(LOOK) => if !self.has_changed() {
                    continue;
                },
            }
            match self.reload() {
                Ok(done) => tracing::info!("{done}"),
                Err(error) => tracing::error!(%error, "the certificates in use stay"),
            }
        }
    }

    fn has_changed(&self) -> bool {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) != stamps(&self.files)
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
    let stamp = |path: &Path| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    files.iter().flat_map(|files| [stamp(&files.certificate), stamp(&files.key)]).collect()
}

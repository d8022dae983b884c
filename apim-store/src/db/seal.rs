//! Secrets in the database are sealed.
//!
//! AES-256-GCM under a key that lies in the data folder, not in the database, so that a copy of the
//! database alone opens nothing. Each value is bound to its purpose: a sealed client secret pasted over a
//! signing key does not open. Control-plane nodes that share a PostgreSQL share the key file too.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use apim_core::Secret;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};

use crate::error::{Error, Failure};

const FILE: &str = "seal.key";
const KEY_LEN: usize = 32;

/// Seals and opens.
pub(crate) struct Sealer(RandomizedNonceKey);

impl Sealer {
    /// Reads the folder's key, or makes it.
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let key = match fs::read(&path) {
            Ok(key) => key,
            Err(error) if error.kind() == ErrorKind::NotFound => make(&path)?,
            Err(error) => return Err(Failure::new(format!("{}: {error}", path.display())).into()),
        };
        let key = RandomizedNonceKey::new(&AES_256_GCM, &key)
            .map_err(|_| Failure::new(format!("{} does not hold {KEY_LEN} bytes", path.display())))?;
        Ok(Self(key))
    }

    /// Nonce, ciphertext and tag.
    pub(crate) fn seal(&self, purpose: &str, secret: &Secret) -> Result<Vec<u8>, Error> {
        let mut text = secret.expose().as_bytes().to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(purpose.as_bytes()), &mut text)
            .map_err(|_| Failure::new("a secret could not be sealed"))?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut text);
        Ok(sealed)
    }

    /// What was sealed for this purpose.
    pub(crate) fn unseal(&self, purpose: &str, sealed: &[u8]) -> Result<Secret, Error> {
        let broken =
            || Failure::new(format!("a sealed {purpose} does not open: is {FILE} the one that sealed it?"));
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or_else(broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken())?;
        let mut text = text.to_vec();
        let open =
            self.0.open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut text).map_err(|_| broken())?;
        Ok(Secret::new(std::str::from_utf8(open).map_err(|_| broken())?))
    }
}

/// Makes a key, readable by its owner only.
fn make(path: &Path) -> Result<Vec<u8>, Error> {
    let mut key = vec![0; KEY_LEN];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| Failure::new("the system has no randomness"))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(&key)?;
        file.sync_all()
    });
    match written {
        Ok(()) => Ok(key),
        Err(error) => Err(Failure::new(format!("{}: {error}", path.display())).into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_sealed_secret_opens_for_its_purpose_only_and_survives_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let sealed = Sealer::open(folder.path()).unwrap().seal("signing key", &Secret::new("pem")).unwrap();
        let again = Sealer::open(folder.path()).unwrap();
        assert_eq!(again.unseal("signing key", &sealed).unwrap().expose(), "pem");
        assert!(again.unseal("client secret", &sealed).is_err());
        assert!(again.unseal("signing key", &sealed[..5]).is_err());
    }
}

//! Passwords: what is kept of a [`User`](crate::store::User)'s, a hash that takes time and memory to make (Argon2id,
//! RFC 9106), in PHC form; and how they are sent with a name (`Basic`, RFC 7617).
//!
//! Only with the feature `password`: a gateway never sees one.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::password_hash::{
    self, CustomizedPasswordHasher, Error, PasswordHasher as _, PasswordVerifier as _,
};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// A name and a password, or a client's id and secret.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The name; without a colon.
    pub name: String,
    /// The password.
    pub password: Secret,
}

impl Credentials {
    /// Reads what stands behind `Basic ` in `Authorization`: Base64 of UTF-8, in which the first colon ends the name
    /// (RFC 7617 section 2). None if it is anything else, or holds U+0000, which no name and no password does.
    ///
    /// ```
    /// use apim_core::password::Credentials;
    ///
    /// let aladdin = Credentials::parse("QWxhZGRpbjpvcGVuIHNlc2FtZQ==").unwrap();
    /// assert_eq!((&*aladdin.name, aladdin.password.expose()), ("Aladdin", "open sesame"));
    /// assert!(Credentials::parse("QWxhZGRpbg==").is_none());
    /// ```
    pub fn parse(encoded: &str) -> Option<Self> {
        let decoded = STANDARD.decode(encoded).map(Zeroizing::new).ok()?;
        let text = std::str::from_utf8(&decoded).ok().filter(|text| !text.contains('\0'))?;
        let (name, password) = text.split_once(':')?;
        Some(Self { name: name.to_owned(), password: Secret::new(password) })
    }
}

/// What hashing one password costs (Argon2id, version 19).
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Memory in KiB. Default: 19456, as OWASP advises.
    pub memory: u32,
    /// Passes over the memory. Default: 2.
    pub passes: u32,
    /// Lanes. Default: 1.
    pub lanes: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Self { memory: Params::DEFAULT_M_COST, passes: Params::DEFAULT_T_COST, lanes: Params::DEFAULT_P_COST }
    }
}

impl Cost {
    /// As cheap as the algorithm goes: for tests.
    pub const LEAST: Self = Self { memory: Params::MIN_M_COST, passes: Params::MIN_T_COST, lanes: 1 };
}

/// Why a password could not be hashed.
#[derive(Debug, thiserror::Error)]
#[error("a password could not be hashed: {0}")]
pub struct HashError(String);

impl HashError {
    /// For whoever hashes elsewhere than here, and failed at that.
    pub fn new(why: impl std::fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// Hashes a password, in PHC form (`$argon2id$…`). Takes its time: not for a runtime's own threads.
///
/// ```
/// use apim_core::password::{self, Cost};
///
/// let hash = password::hash("correct horse", Cost::LEAST).unwrap();
/// assert!(password::verify("correct horse", &hash));
/// assert!(!password::verify("battery staple", &hash));
/// assert!(!password::verify("anything", "not a hash"));
/// ```
///
/// # Errors
///
/// The cost is out of the algorithm's range.
pub fn hash(password: &str, cost: Cost) -> Result<String, HashError> {
    let params = Params::new(cost.memory, cost.passes, cost.lanes, None).map_err(HashError::new)?;
    let hasher = Hasher { algorithm: Algorithm::default(), version: Version::default(), params };
    Ok(hasher.hash_password(password.as_bytes()).map_err(HashError::new)?.to_string())
}

/// Whether a hash is of this password. What is not a hash is of none. Takes as long as hashing.
pub fn verify(password: &str, phc: &str) -> bool {
    // Which algorithm it is, and its cost, are read from the hash.
    PasswordHash::new(phc)
        .is_ok_and(|hash| Hasher::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// Argon2, but for where its memory comes from.
#[derive(Default)]
struct Hasher {
    algorithm: Algorithm,
    version: Version,
    params: Params,
}

/// The least that is allocated for a hash; no more of it is touched than the hash takes.
///
/// The C library's allocator maps large blocks and unmaps them when they are freed, but what it takes for large it
/// learns from what is freed, up to 32 MiB (mallopt(3), `M_MMAP_THRESHOLD`). After the first login, 19 MiB would be
/// small: it would stay with the process, once for each of the allocator's arenas.
const MAPPED: usize = 33 << 20;

/// So many blocks, which are given back to the system when they are dropped.
fn blocks(count: usize) -> Vec<Block> {
    let mut blocks = Vec::with_capacity(count.max(MAPPED / Block::SIZE));
    blocks.resize(count, Block::default());
    blocks
}

impl password_hash::PasswordHasher<PasswordHash> for Hasher {
    fn hash_password_with_salt(&self, password: &[u8], salt: &[u8]) -> password_hash::Result<PasswordHash> {
        let salt = Salt::new(salt)?;
        let mut room = [0; Output::MAX_LENGTH];
        let length = self.params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let output = room.get_mut(..length).ok_or(Error::OutputSize)?;
        let mut blocks = blocks(self.params.block_count());
        Argon2::new(self.algorithm, self.version, self.params.clone()).hash_password_into_with_memory(
            password,
            &salt,
            output,
            &mut blocks,
        )?;
        Ok(PasswordHash {
            algorithm: self.algorithm.ident(),
            version: Some(self.version.into()),
            params: ParamsString::try_from(&self.params)?,
            salt: Some(salt),
            hash: Some(Output::new(output)?),
        })
    }
}

impl CustomizedPasswordHasher<PasswordHash> for Hasher {
    type Params = Params;

    fn hash_password_customized(
        &self,
        password: &[u8],
        salt: &[u8],
        algorithm: Option<&str>,
        version: Option<u32>,
        params: Params,
    ) -> password_hash::Result<PasswordHash> {
        let algorithm = algorithm.map(Algorithm::try_from).transpose()?.unwrap_or_default();
        let version = version.map(Version::try_from).transpose()?.unwrap_or_default();
        Self { algorithm, version, params }.hash_password_with_salt(password, salt)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// What the algorithm's own crate makes of `hunter42`, with parameters that are not ours.
    #[test]
    fn hashes_are_argon2s_whatever_they_were_made_with() {
        let params = Params::new(64, 3, 2, Some(16)).unwrap();
        let theirs = Argon2::new(Algorithm::Argon2i, Version::V0x10, params);
        let theirs = theirs.hash_password_with_salt(b"hunter42", b"example-salt").unwrap().to_string();
        assert!(verify("hunter42", &theirs) && !verify("hunter43", &theirs), "{theirs}");
        let ours = hash("hunter42", Cost { memory: 64, passes: 3, lanes: 2 }).unwrap();
        assert!(ours.starts_with("$argon2id$v=19$m=64,t=3,p=2$"), "{ours}");
        Argon2::default().verify_password(b"hunter42", &PasswordHash::new(&ours).unwrap()).unwrap();
        assert_ne!(ours, hash("hunter42", Cost { memory: 64, passes: 3, lanes: 2 }).unwrap());
        assert!(hash("hunter42", Cost { memory: 1, passes: 1, lanes: 1 }).is_err());
    }
}

//! From host and path to the API.

use std::fmt;

use apim_core::model::ApiId;
use smallvec::{SmallVec, smallvec};

use super::{Ambiguous, Path};
use crate::deploy::Shards;

/// Segments that a base path may have.
const DEEPEST: usize = 16;

/// Base paths and who serves them.
///
/// The longest base path that the request's path continues segment by segment wins, so `/pet` does not
/// serve `/pets`, and `/` comes last. An API that names the request's host wins over one for every host; a
/// versioned base path wins over the same path as somebody's default version; of two default versions the
/// one that was deployed last.
#[derive(Clone)]
pub struct Bases<T> {
    /// Keyed without the closing slash: the root is the empty text.
    /// A base path has one claim nearly always, which then stands beside it.
    table: Shards<Box<str>, SmallVec<[Claim<T>; 1]>>,
    /// How many base paths there are of each depth, so that lookups try no others.
    depths: [u32; DEEPEST + 1],
    /// How many claims name a host.
    with_host: u32,
}

#[derive(Clone)]
struct Claim<T> {
    api: ApiId,
    host: Option<Box<str>>,
    versioned: bool,
    value: T,
}

impl<T> Default for Bases<T> {
    fn default() -> Self {
        Self { table: Shards::default(), depths: [0; DEEPEST + 1], with_host: 0 }
    }
}

/// A base path of an API on one host, or on every host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    path: Box<str>,
    host: Option<Box<str>>,
    versioned: bool,
}

impl Base {
    /// From a context as its publisher wrote it.
    ///
    /// # Errors
    ///
    /// If no canonical path could ever lead there.
    pub fn new(context: &str, host: Option<&str>, versioned: bool) -> Result<Self, BaseError> {
        let path = Path::parse(context)?;
        if path.is_rewritten() {
            return Err(BaseError::NotCanonical);
        }
        if path.without_parameters().is_some() {
            return Err(BaseError::Parameters);
        }
        let path = path.as_str().trim_end_matches('/');
        if depth(path) > DEEPEST {
            return Err(BaseError::TooDeep);
        }
        Ok(Self { path: path.into(), host: host.map(Into::into), versioned })
    }
}

impl<T: Clone> Bases<T> {
    /// Who holds a base path already, if it may not be had twice.
    pub fn taken(&self, base: &Base, api: &ApiId) -> Option<Taken> {
        let claims = self.table.get(&*base.path)?;
        let rival = claims.iter().find(|claim| {
            claim.versioned && base.versioned && claim.host == base.host && claim.api != *api
        })?;
        Some(Taken { path: base.path.clone(), by: rival.api.clone() })
    }

    /// Lets an API serve a base path.
    pub fn claim(&mut self, base: &Base, api: ApiId, value: T) {
        let claim = Claim { api, host: base.host.clone(), versioned: base.versioned, value };
        self.with_host += u32::from(claim.host.is_some());
        match self.table.get_mut(&*base.path) {
            // Versioned claims stand before the others, later ones before earlier ones.
            Some(claims) => {
                let at = if claim.versioned { 0 } else { claims.partition_point(|other| other.versioned) };
                claims.insert(at, claim);
            }
            None => {
                self.depths[depth(&base.path)] += 1;
                self.table.insert(base.path.clone(), smallvec![claim]);
            }
        }
    }

    /// Takes a base path from an API.
    pub fn release(&mut self, base: &Base, api: &ApiId) {
        let Some(claims) = self.table.get_mut(&*base.path) else { return };
        let before = claims.len();
        claims.retain(|claim| {
            claim.api != *api || claim.host != base.host || claim.versioned != base.versioned
        });
        if base.host.is_some() {
            self.with_host -= u32::try_from(before - claims.len()).unwrap_or(0);
        }
        if claims.is_empty() {
            self.table.remove(&*base.path);
            self.depths[depth(&base.path)] -= 1;
        }
    }

    /// Finds who serves a canonical path, and how long its base path is.
    pub fn find(&self, host: Option<&str>, path: &str) -> Option<(&T, usize)> {
        let mut ends = [0; DEEPEST + 1];
        let count = ends_of(path, &mut ends);
        if self.with_host > 0
            && let Some(host) = host
            && let Some(found) =
                self.longest(path, &ends[..count], |claim| claim.host.as_deref() == Some(host))
        {
            return Some(found);
        }
        self.longest(path, &ends[..count], |claim| claim.host.is_none())
    }

    fn longest(&self, path: &str, ends: &[usize], fits: impl Fn(&Claim<T>) -> bool) -> Option<(&T, usize)> {
        ends.iter().enumerate().rev().filter(|(depth, _)| self.depths[*depth] > 0).find_map(|(_, end)| {
            let claims = self.table.get(&path[..*end])?;
            Some((&claims.iter().find(|claim| fits(claim))?.value, *end))
        })
    }
}

impl<T> fmt::Debug for Bases<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bases({})", self.table.len())
    }
}

/// Where the prefixes of a path end: that of depth n at index n.
fn ends_of(path: &str, ends: &mut [usize; DEEPEST + 1]) -> usize {
    let mut count = 1;
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return count;
    }
    // Segments are so short that looking at each byte is quicker than setting out to search.
    let slashes = path.bytes().enumerate().skip(1).filter(|(_, byte)| *byte == b'/').map(|(at, _)| at);
    for at in slashes.chain([path.len()]).take(DEEPEST) {
        ends[count] = at;
        count += 1;
    }
    count
}

fn depth(base: &str) -> usize {
    base.matches('/').count()
}

/// Another API holds the base path.
#[derive(Debug, thiserror::Error)]
#[error("the API {by} holds the path {path} already")]
pub struct Taken {
    path: Box<str>,
    by: ApiId,
}

/// Why a context cannot be deployed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BaseError {
    /// No request could lead there.
    #[error("{0}")]
    Ambiguous(#[from] Ambiguous),
    /// Requests would be rewritten before they meet it.
    #[error("a character is encoded that need not be, or with digits in lower case")]
    NotCanonical,
    /// It has a `;`.
    #[error("a `;` cannot be matched, since it begins what not every backend looks at")]
    Parameters,
    /// It has too many segments.
    #[error("a base path has at most 16 segments")]
    TooDeep,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn bases(claims: &[(&str, Option<&str>, bool)]) -> Bases<usize> {
        let mut bases = Bases::default();
        for (index, (path, host, versioned)) in claims.iter().enumerate() {
            let base = Base::new(path, *host, *versioned).unwrap();
            bases.claim(&base, ApiId::from(index.to_string()), index);
        }
        bases
    }

    #[test]
    fn the_longest_base_path_wins_segment_by_segment() {
        let bases = bases(&[
            ("/", None, true),
            ("/pet", None, true),
            ("/pet/1.0.0", None, true),
            ("/pet/1.0.0/x/y", None, true),
        ]);
        for (path, index, below) in [
            ("/", 0, "/"),
            ("/pets", 0, "/pets"),
            ("/pet", 1, ""),
            ("/pet/", 1, "/"),
            ("/pet/1.0", 1, "/1.0"),
            ("/pet/1.0.0", 2, ""),
            ("/pet/1.0.0/x", 2, "/x"),
            ("/pet/1.0.0/x/y/z", 3, "/z"),
            ("/pet/1.0.00/x/y/z", 1, "/1.0.00/x/y/z"),
        ] {
            let (found, end) = bases.find(None, path).unwrap();
            assert_eq!((*found, &path[end..]), (index, below), "{path}");
        }
    }

    #[test]
    fn hosts_come_before_paths() {
        let bases = bases(&[("/pets", None, true), ("/", Some("a.example"), true)]);
        assert_eq!(*bases.find(Some("a.example"), "/pets").unwrap().0, 1);
        assert_eq!(*bases.find(Some("b.example"), "/pets").unwrap().0, 0);
        assert_eq!(*bases.find(None, "/pets").unwrap().0, 0);
        assert!(bases.find(Some("b.example"), "/").is_none());
    }

    #[test]
    fn a_version_wins_over_a_default_and_the_last_default_over_the_first() {
        let mut bases = bases(&[("/pets", None, false), ("/pets", None, false), ("/pets", None, true)]);
        assert_eq!(*bases.find(None, "/pets/1").unwrap().0, 2);
        bases.release(&Base::new("/pets", None, true).unwrap(), &ApiId::from("2"));
        assert_eq!(*bases.find(None, "/pets/1").unwrap().0, 1);
        bases.release(&Base::new("/pets", None, false).unwrap(), &ApiId::from("1"));
        assert_eq!(*bases.find(None, "/pets/1").unwrap().0, 0);
        bases.release(&Base::new("/pets", None, false).unwrap(), &ApiId::from("0"));
        assert!(bases.find(None, "/pets/1").is_none());
    }

    #[test]
    fn a_versioned_base_path_is_had_once() {
        let bases = bases(&[("/pets/1", None, true)]);
        let base = Base::new("/pets/1", None, true).unwrap();
        assert!(bases.taken(&base, &ApiId::from("0")).is_none());
        let taken = bases.taken(&base, &ApiId::from("9")).unwrap();
        assert_eq!(taken.to_string(), "the API 0 holds the path /pets/1 already");
        assert!(bases.taken(&Base::new("/pets/1", Some("h"), true).unwrap(), &ApiId::from("9")).is_none());
    }

    #[test]
    fn hostile_contexts_are_refused() {
        for context in [
            "",
            "pets",
            "/a//b",
            "/../x",
            "/%2e%2e",
            "/a%2fb",
            "/%41",
            "/a;b",
            "/a%3Bb",
            "/{x}",
            &"/a".repeat(17),
        ] {
            assert!(Base::new(context, None, true).is_err(), "{context:?}");
        }
    }
}

//! How many sockets and files the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one.
///
/// Most systems start processes with 1,024, for the sake of programs that still use `select`; each connection
/// of a client is one, and each to a backend another.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    // Up to the hard limit it is always allowed, and nobody reads logs yet who could be told otherwise; a
    // server that runs out of files says so at each connection it cannot accept.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_files_may_be_open_as_the_system_allows() {
        let maximum = getrlimit(Resource::Nofile).maximum;
        let few = Rlimit { current: Some(256), maximum };
        assert!(setrlimit(Resource::Nofile, few).is_ok());
        raise_limit();
        assert_eq!(getrlimit(Resource::Nofile).current, maximum);
    }
}

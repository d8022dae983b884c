//! How much of a message a connection holds.

/// Bytes of a head that is too long which are still read, to be told from one that is not.
const BEYOND: usize = 8 << 10;

/// The least that is worth a system call.
const LEAST: usize = 64 << 10;

/// Bytes that an HTTP/1.1 connection may hold of what it reads, and of what it is to write: a whole head at least.
///
/// hyper would hold 400 KiB of each, and keeps what it once needed for as long as a connection is open: thousands
/// of clients that read slowly, or backends that once sent something large, come to gigabytes.
pub(crate) fn limit(head_bytes: usize) -> usize {
    head_bytes.saturating_add(BEYOND).max(LEAST)
}

//! The `Date` of answers (RFC 9110 section 6.6.1), written once a second.

use std::cell::RefCell;
use std::time::SystemTime;

/// How old what was written may be, in milliseconds.
const AGE: u64 = 500;

struct Written {
    at: Option<u64>,
    text: String,
}

thread_local! {
    static WRITTEN: RefCell<Written> = const { RefCell::new(Written { at: None, text: String::new() }) };
}

/// Lends the text of now, by a clock of milliseconds that tells when it has to be written anew.
pub(super) fn with<R>(now: u64, tell: impl FnOnce(&[u8]) -> R) -> R {
    WRITTEN.with_borrow_mut(|written| {
        if written.at.is_none_or(|at| now.abs_diff(at) >= AGE) {
            written.at = Some(now);
            written.text = httpdate::fmt_http_date(SystemTime::now());
        }
        tell(written.text.as_bytes())
    })
}

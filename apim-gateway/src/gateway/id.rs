//! Numbers for requests.

use std::cell::RefCell;

use apim_core::RequestId;
use http::HeaderValue;

use crate::text;

/// Makes request ids for one thread: no system call, no counter that threads share.
///
/// The upper half is the thread's own random number, the lower a counter that is scrambled, so that ids
/// differ for certain within a thread, and tell nobody how many requests there were.
struct Ids {
    thread: u64,
    counter: u64,
}

thread_local! {
    static IDS: RefCell<Ids> = RefCell::new(Ids::new());
}

/// The next id.
pub(super) fn next() -> RequestId {
    IDS.with_borrow_mut(Ids::next)
}

impl Ids {
    fn new() -> Self {
        let mut random = [0; 16];
        // Ids name requests and protect nothing; without randomness they would merely repeat after a restart.
        let _ = aws_lc_rs::rand::fill(&mut random);
        let (thread, counter) = random.split_at(8);
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        Self { thread: number(thread), counter: number(counter) }
    }

    fn next(&mut self) -> RequestId {
        self.counter = self.counter.wrapping_add(1);
        RequestId(u128::from(self.thread) << 64 | u128::from(scrambled(self.counter)))
    }
}

/// The finisher of SplitMix64, under which no two numbers become one.
fn scrambled(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ number >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ number >> 31
}

/// A request id as a header value.
pub(crate) fn header(id: RequestId) -> HeaderValue {
    let text = text::cut(&[&id.digits()]);
    HeaderValue::from_maybe_shared(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_they_print() {
        for _ in 0..1000 {
            let id = next();
            assert_eq!(header(id).as_bytes(), id.to_string().as_bytes());
        }
    }
}

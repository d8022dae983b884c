//! Numbers for requests.

use apim_core::{RequestId, Worker};
use http::HeaderValue;

use super::text::Texts;

/// Makes request ids for one worker: no system call, no counter that workers share.
///
/// The upper half is the worker's own random number, the lower a counter that is scrambled, so that ids
/// differ for certain within a worker, and tell nobody how many requests there were.
pub(crate) struct Ids {
    worker: u64,
    counter: u64,
}

impl Ids {
    pub(crate) fn new() -> Self {
        let mut random = [0; 16];
        // Ids name requests and protect nothing; without randomness they would merely repeat after a restart.
        let _ = aws_lc_rs::rand::fill(&mut random);
        let (worker, counter) = random.split_at(8);
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        Self { worker: number(worker), counter: number(counter) }
    }

    pub(crate) fn next(&mut self) -> RequestId {
        self.counter = self.counter.wrapping_add(1);
        RequestId(u128::from(self.worker) << 64 | u128::from(scrambled(self.counter)))
    }
}

/// The finisher of SplitMix64, under which no two numbers become one.
fn scrambled(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ number >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ number >> 31
}

/// A request id as a header value.
pub(crate) fn header(id: RequestId, texts: &Texts, worker: Worker) -> HeaderValue {
    let text = texts.cut(worker, &[&id.digits()]);
    HeaderValue::from_maybe_shared(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_they_print() {
        let texts = Texts::new(1);
        let mut ids = Ids::new();
        for _ in 0..1000 {
            let id = ids.next();
            assert_eq!(header(id, &texts, Worker(0)).as_bytes(), id.to_string().as_bytes());
        }
    }
}

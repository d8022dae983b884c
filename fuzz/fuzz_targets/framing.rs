//! HTTP/1.1 framing: the verdict on some bytes does not depend on the pieces in which they arrive.
#![no_main]

use apim_gateway::server::framing::Framing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = Framing::default().read(bytes);
    let mut slow = Framing::default();
    assert_eq!(whole, bytes.chunks(1).try_for_each(|byte| slow.read(byte)));
    let mut pieces = Framing::default();
    assert_eq!(whole, bytes.chunks(7).try_for_each(|piece| pieces.read(piece)));
});

//! HTTP/1.1: which requests some bytes are does not depend on the pieces in which they arrive.
#![no_main]

use apim_gateway::server::framing::requests;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = requests(&[bytes]);
    for size in [1, 7] {
        assert_eq!(whole, requests(&bytes.chunks(size).collect::<Vec<_>>()));
    }
});

//! The PROXY protocol: a header is read whole or not at all, never past its end, and asks for no byte too many.
#![no_main]

use apim_gateway::server::proxy::{Parsed, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(Parsed::Whole { client, length }) = parse(bytes) else { return };
    assert!(length <= bytes.len());
    assert_eq!(parse(&bytes[..length]), Ok(Parsed::Whole { client, length }));
    for end in 0..length {
        match parse(&bytes[..end]) {
            Ok(Parsed::More(count)) => assert!(count > 0 && end + count <= length),
            other => panic!("{other:?} of {end} bytes of a header of {length}"),
        }
    }
});

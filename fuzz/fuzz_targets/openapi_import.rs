//! OpenAPI documents: any bytes are read or refused by place, within the limits.
#![no_main]

use apim_store::definition::{Limits, openapi};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match openapi::read(bytes, &Limits::default()) {
        Ok(definition) => drop(definition),
        Err(findings) => assert!(!findings.is_empty(), "refused without saying why"),
    }
});

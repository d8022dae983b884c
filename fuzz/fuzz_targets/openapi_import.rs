//! OpenAPI documents: any bytes are read or refused by place, within the limits; whatever was read can be mocked.
#![no_main]

use apim_store::definition::{Limits, Samples, openapi};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match openapi::read(bytes, &Limits::default()) {
        Ok(definition) => {
            let mut samples = Samples::of(bytes, &Limits::default()).expect("it was read before");
            for operation in &definition.operations {
                if let Err(why) = samples.answers(&operation.method, &operation.path) {
                    assert!(!why.is_empty());
                }
            }
        }
        Err(findings) => assert!(!findings.is_empty(), "refused without saying why"),
    }
});

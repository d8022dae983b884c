//! XML: what is read can be written, and reads the same again; what becomes JSON does not fail.
#![no_main]

use apim_core::message::{ContentHead, MessageBuilder as _, MessageFormatter as _, Payload};
use apim_gateway::format::{Xml, convert};
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let xml = Xml::new("text/xml");
    let read = |bytes: Bytes| xml.build(&ContentHead::default(), bytes);
    let payload = match read(Bytes::copy_from_slice(bytes)) {
        Ok(payload) => payload,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let mut written = BytesMut::new();
    xml.format(&payload, &mut written).expect("what was read can be written");
    let again = read(written.freeze()).expect("what was written can be read");
    let (Payload::Xml(before), Payload::Xml(after)) = (payload, again) else { panic!("XML is no XML") };
    assert_eq!(before, after);
    let json = convert::xml_to_json(&before);
    if let Ok(document) = convert::json_to_xml(&json) {
        let mut out = BytesMut::new();
        let _ = xml.format(&Payload::Xml(document), &mut out);
    }
});

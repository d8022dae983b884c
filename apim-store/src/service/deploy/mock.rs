//! Examples for an API that has no backend yet.

use apim_core::model::Api;

use super::Reader;
use crate::definition::{Limits, Samples};

impl Reader {
    /// Gives the operations of a mocked API what its definition says that they answer.
    pub(super) fn examples(&mut self, api: &mut Api, definition: &[u8]) {
        if !api.endpoints.all().any(|(_, endpoint)| endpoint.mock) {
            return;
        }
        let mut samples = match Samples::of(definition, &Limits::default()) {
            Ok(samples) => samples,
            Err(why) => return self.refuse("/endpointImplementationType", why),
        };
        for operation in &mut api.operations {
            match samples.answers(&operation.method, &operation.path) {
                Ok(examples) => operation.examples = examples,
                Err(why) => return self.refuse("/endpointImplementationType", why),
            }
        }
    }
}

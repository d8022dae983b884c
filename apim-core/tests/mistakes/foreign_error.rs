//! says: `?` couldn't convert the error to `apim_core::Fault`
//! says: .fault(code)? of OrFault
use apim_core::{Exchange, Fault, Filter, Flow};

struct Ask;

impl Filter for Ask {
    fn request(&self, _: &mut Exchange) -> Result<Flow, Fault> {
        std::fs::read("secret")?;
        Ok(Flow::Continue)
    }
}

fn main() {}

//! says: future cannot be sent between threads safely
//! says: has type `Rc<
use std::rc::Rc;

use apim_core::{Exchange, Fault, Flow, Handler};

struct Ask;

async fn ask() {}

impl Handler for Ask {
    async fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        let path = Rc::new(exchange.uri().path().to_owned());
        ask().await;
        drop(path);
        Ok(Flow::Continue)
    }
}

fn main() {}

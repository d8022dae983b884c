//! says: future cannot be sent between threads safely
//! says: await occurs here, with `
use std::sync::Mutex;

use apim_core::{Exchange, Fault, Flow, Handler};

struct Ask(Mutex<u32>);

async fn ask() {}

impl Handler for Ask {
    async fn request(&self, _: &mut Exchange) -> Result<Flow, Fault> {
        let mut asked = self.0.lock().unwrap();
        ask().await;
        *asked += 1;
        Ok(Flow::Continue)
    }
}

fn main() {}

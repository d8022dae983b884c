//! See `benches::throttle`.
#![allow(missing_docs)]

fn main() {
    benches::bench("throttle", benches::throttle::subjects());
}

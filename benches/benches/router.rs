//! See `benches::router`.
#![allow(missing_docs)]

fn main() {
    benches::bench("router", benches::router::subjects());
}

//! See `benches::handlers`.
#![allow(missing_docs)]

fn main() {
    benches::bench("handlers", benches::handlers::subjects());
}

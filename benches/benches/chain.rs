//! See `benches::chain`.
#![allow(missing_docs)]

fn main() {
    benches::bench("chain", benches::chain::subjects());
}

use benches::end_to_end::{Scenario, run};

use super::HEAP;

/// Two for each of the two maps of headers, the context, and the response's body. Heads, paths, ids and events come from
/// blocks, of which a few are made.
const MOST: f64 = 8.1;

#[test]
fn a_call_through_all_built_in_links_costs_eight_allocations() {
    let _alone = super::alone();
    for scenario in [Scenario::Open, Scenario::Guarded] {
        let allocations = run(scenario, HEAP).cost.allocations;
        assert!(allocations <= MOST, "{scenario:?}: {allocations} allocations for each request");
    }
}

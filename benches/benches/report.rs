//! Prints what everything costs.
#![allow(missing_docs, clippy::print_stdout)]

use benches::end_to_end::{self, Scenario};
use benches::report::{Cost, Heap, Table};
use benches::{Subject, chain, handlers, router, throttle, token};

#[global_allocator]
static HEAP: &Heap = &stats_alloc::INSTRUMENTED_SYSTEM;

fn main() {
    // What cargo passes to each bench: `--bench`, and perhaps a word to choose by, which is criterion's.
    if std::env::args().skip(1).any(|argument| !argument.starts_with('-')) {
        return;
    }
    let mut table = Table::default();

    let costs =
        group(&mut table, "chain: a request through a pipeline, its context included", chain::subjects());
    let each = |index: usize| (costs[index].nanoseconds - costs[0].nanoseconds) / chain::LINKS as f64;
    table.remark(&format!(
        "Each link beyond an empty chain: filter {:.1} ns, prompt {:.1} ns, left out {:.1} ns, async {:.1} ns, async both phases {:.1} ns.",
        each(1),
        each(2),
        each(3),
        each(4),
        each(5),
    ));
    let costs =
        group(&mut table, "gateway: a call through more and more of its handlers", handlers::subjects());
    let each = costs.windows(2).zip(apim_gateway::chain::USUAL);
    let each = each.map(|(two, name)| format!("{name} {:.0} ns", two[1].nanoseconds - two[0].nanoseconds));
    table.remark(&format!("Each by itself: {}.", each.collect::<Vec<_>>().join(", ")));
    group(&mut table, "router: from a raw path to the API or operation", router::subjects());
    group(&mut table, "token: an access token verified", token::subjects());
    group(&mut table, "throttle: all limits of a request, decided", throttle::subjects());
    table.group("end to end: CPU of the gateway's worker, sockets included");
    for (name, scenario) in [
        ("a GET that everybody may send", Scenario::Open),
        ("token (1,000 in turn), scope, subscription, 3 limits", Scenario::Guarded),
    ] {
        let run = end_to_end::run(scenario, HEAP);
        table.line(name, run.cost);
        let (median, p99) = (run.median.as_micros(), run.p99.as_micros());
        println!(
            "{name}: {:.0} requests per second with client and backend beside it, median {median} µs, p99 {p99} µs",
            run.each_second
        );
    }
    println!("{}", table.text());
}

fn group(table: &mut Table, name: &str, mut subjects: Vec<Subject>) -> Vec<Cost> {
    table.group(name);
    let line = |subject: &mut Subject| {
        let cost = Cost::of(subject, HEAP);
        table.line(&subject.name, cost);
        cost
    };
    subjects.iter_mut().map(line).collect()
}

//! What stands at a server's doors.

use super::exposition::Exposition;
use crate::server::{Closed, Door, Shed, Traffic};

/// Writes the counters of servers; nothing where there is none.
pub(super) fn write(servers: &[Traffic], out: &mut Exposition) {
    if servers.is_empty() {
        return;
    }
    let sum = |count: &dyn Fn(&Traffic) -> u64| servers.iter().map(count).sum::<u64>();
    let name = "apim_gateway_connections_open";
    out.family(name, "Connections of clients by listener", "gauge");
    for (door, listener) in Door::ALL {
        out.sample(name, &[("listener", listener)], sum(&|server| server.open(door)));
    }
    let name = "apim_gateway_connections_accepted_total";
    out.family(name, "Connections taken from clients by listener", "counter");
    for (door, listener) in Door::ALL {
        out.sample(name, &[("listener", listener)], sum(&|server| server.accepted(door)));
    }
    let name = "apim_gateway_connections_refused_total";
    out.family(name, "Connections closed before they were served", "counter");
    for (why, reason) in Closed::ALL {
        out.sample(name, &[("reason", reason)], sum(&|server| server.closed(why)));
    }
    let name = "apim_gateway_requests_shed_total";
    out.family(
        name,
        "Requests answered 503 at the door, since there was more to do than can be done",
        "counter",
    );
    for (why, reason) in Shed::ALL {
        out.sample(name, &[("reason", reason)], sum(&|server| server.shed(why)));
    }
}

//! What one worker has counted.

use std::time::Duration;

use apim_core::{Context, Outcome};

use super::Kind;
use super::exposition::Exposition;
use super::limits::Limits;

/// Upper bounds of buckets in microseconds, from what a gateway adds to what a client gives up after.
const BOUNDS: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// The same bounds as labels, in seconds.
const LABELS: [&str; 16] = [
    "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5",
    "1", "2.5", "5", "10",
];

/// Classes of statuses; the first is for none at all.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Kinds of refusals that are told apart.
const MOST_REFUSALS: usize = 128;

type ByClass = [u64; CLASSES.len()];

/// All numbers of a worker, and of all workers once added up.
#[derive(Debug, Default)]
pub(super) struct Counts {
    began: u64,
    ended: u64,
    incomplete: u64,
    bytes: u64,
    /// By the API's place; the first is for APIs without one of their own.
    by_api: Vec<ByClass>,
    unrouted: ByClass,
    by_backend: ByClass,
    total: Histogram,
    backend: Histogram,
    mediation: Histogram,
    /// By code and rule; few enough to be looked through.
    refusals: Vec<((u32, &'static str), u64)>,
    other_refusals: u64,
    pub(super) limits: Limits,
}

impl Counts {
    pub(super) fn begin(&mut self) {
        self.began += 1;
    }

    pub(super) fn end(&mut self, outcome: &Outcome<'_>, place: Option<usize>) {
        let context = outcome.context;
        let class = class(context.status);
        match place {
            Some(place) => {
                self.ended += 1;
                if self.by_api.len() <= place {
                    self.by_api.resize(place + 1, ByClass::default());
                }
                self.by_api[place][class] += 1;
            }
            None => self.unrouted[class] += 1,
        }
        self.incomplete += u64::from(!context.finished);
        self.bytes += context.sent;
        self.total.observe(outcome.total());
        if context.backend_started.is_some() {
            self.by_backend[self::class(context.backend_status)] += 1;
            self.backend.observe(outcome.backend());
            self.mediation.observe(outcome.request_mediation());
        }
        self.refused(context);
    }

    fn refused(&mut self, context: &Context) {
        let Some(fault) = context.fault.as_deref() else { return };
        let kind = (fault.code().number, fault.deciding_rule().unwrap_or_default());
        self.count_refusals(kind, 1);
    }

    fn count_refusals(&mut self, kind: (u32, &'static str), times: u64) {
        let full = self.refusals.len() >= MOST_REFUSALS;
        match self.refusals.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += times,
            None if full => self.other_refusals += times,
            None => self.refusals.push((kind, times)),
        }
    }

    /// Adds another worker's.
    pub(super) fn add(&mut self, other: &Self) {
        self.began += other.began;
        self.ended += other.ended;
        self.incomplete += other.incomplete;
        self.bytes += other.bytes;
        if self.by_api.len() < other.by_api.len() {
            self.by_api.resize(other.by_api.len(), ByClass::default());
        }
        for (sum, more) in self.by_api.iter_mut().zip(&other.by_api) {
            add(sum, more);
        }
        add(&mut self.unrouted, &other.unrouted);
        add(&mut self.by_backend, &other.by_backend);
        self.total.add(&other.total);
        self.backend.add(&other.backend);
        self.mediation.add(&other.mediation);
        for (kind, times) in &other.refusals {
            self.count_refusals(*kind, *times);
        }
        self.other_refusals += other.other_refusals;
        self.limits.add(&other.limits);
    }

    pub(super) fn write(&self, labels: &[(Box<str>, Box<str>)], out: &mut Exposition) {
        self.write_requests(labels, out);
        let flying = self.began.saturating_sub(self.ended);
        out.single(
            "apim_gateway_requests_in_flight",
            "Requests of APIs not yet answered",
            Kind::Gauge,
            flying,
        );
        out.single(
            "apim_gateway_requests_incomplete_total",
            "Requests whose answer did not leave whole",
            Kind::Counter,
            self.incomplete,
        );
        out.single(
            "apim_gateway_response_body_bytes_total",
            "Bytes of answers' bodies",
            Kind::Counter,
            self.bytes,
        );
        let name = "apim_gateway_backend_responses_total";
        out.family(name, "Responses of backends by class of status; none: no response", "counter");
        write_classes(out, name, &self.by_backend, &[]);
        self.total.write(
            "apim_gateway_request_duration_seconds",
            "From a request's head to its answer's last byte",
            out,
        );
        self.backend.write(
            "apim_gateway_backend_duration_seconds",
            "From asking a backend to the head of its response",
            out,
        );
        self.mediation.write(
            "apim_gateway_mediation_duration_seconds",
            "From a request's head until its backend is asked",
            out,
        );
        self.write_refusals(out);
        self.limits.write(out);
    }

    fn write_requests(&self, labels: &[(Box<str>, Box<str>)], out: &mut Exposition) {
        let name = "apim_gateway_requests_total";
        out.family(name, "Requests of APIs by class of status; none: the client went away before", "counter");
        for (place, counts) in self.by_api.iter().enumerate() {
            let own = place.checked_sub(1).and_then(|number| labels.get(number));
            let (api, version) = own.map_or(("other", ""), |(api, version)| (&**api, &**version));
            write_classes(out, name, counts, &[("api", api), ("version", version)]);
        }
        let name = "apim_gateway_unrouted_requests_total";
        out.family(name, "Requests for which the router found no API", "counter");
        write_classes(out, name, &self.unrouted, &[]);
    }

    fn write_refusals(&self, out: &mut Exposition) {
        let name = "apim_gateway_refusals_total";
        out.family(name, "Refusals and failures by code and rule", "counter");
        for ((code, rule), count) in &self.refusals {
            let code = code.to_string();
            out.sample(name, &[("code", &code), ("rule", rule)], *count);
        }
        if self.other_refusals > 0 {
            out.sample(name, &[("code", "other"), ("rule", "")], self.other_refusals);
        }
    }
}

fn class(status: Option<http::StatusCode>) -> usize {
    let class = status.map_or(0, |status| usize::from(status.as_u16() / 100));
    if class < CLASSES.len() { class } else { 0 }
}

fn add(sum: &mut ByClass, more: &ByClass) {
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

/// Classes of which there was nothing yet are left out: few APIs ever answer all of them.
fn write_classes(out: &mut Exposition, name: &str, counts: &ByClass, labels: &[(&str, &str)]) {
    for (class, count) in CLASSES.iter().zip(counts).filter(|(_, count)| **count > 0) {
        let class = ("class", *class);
        match labels {
            [first, second] => out.sample(name, &[*first, *second, class], *count),
            _ => out.sample(name, &[class], *count),
        }
    }
}

/// How often something took how long.
#[derive(Debug, Default)]
struct Histogram {
    buckets: [u64; BOUNDS.len() + 1],
    nanos: u128,
}

impl Histogram {
    fn observe(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.buckets[BOUNDS.partition_point(|bound| *bound < micros)] += 1;
        self.nanos += time.as_nanos();
    }

    fn add(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(other.buckets).for_each(|(sum, more)| *sum += more);
        self.nanos += other.nanos;
    }

    fn write(&self, name: &str, help: &str, out: &mut Exposition) {
        out.family(name, help, "histogram");
        let bucket = format!("{name}_bucket");
        let mut count = 0;
        for (bound, own) in LABELS.iter().chain(&["+Inf"]).zip(self.buckets) {
            count += own;
            out.sample(&bucket, &[("le", bound)], count);
        }
        #[allow(
            clippy::cast_precision_loss,
            reason = "a sum of seconds needs no more digits than a float has"
        )]
        let seconds = self.nanos as f64 / 1e9;
        out.sample(&format!("{name}_sum"), &[], seconds);
        out.sample(&format!("{name}_count"), &[], count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_in_the_bucket_whose_bound_it_does_not_exceed() {
        let mut histogram = Histogram::default();
        for micros in [0, 100, 101, 10_000_000, 10_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        assert_eq!((histogram.buckets[0], histogram.buckets[1]), (2, 1));
        assert_eq!((histogram.buckets[15], histogram.buckets[16]), (1, 1));
    }
}

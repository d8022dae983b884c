//! The text format of Prometheus, version 0.0.4.

use std::fmt::{Display, Write as _};

use super::Kind;

/// A page of metrics that is being written.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

impl Exposition {
    /// Begins a metric; its samples follow at once.
    pub(super) fn family(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a text never fails.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A metric with one sample.
    pub(super) fn single(&mut self, name: &str, help: &str, kind: Kind, value: u64) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        self.family(name, help, kind);
        self.sample(name, &[], value);
    }

    /// One sample.
    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            self.0.push_str(if index == 0 { "{" } else { "," });
            self.0.push_str(label);
            self.0.push_str("=\"");
            self.escaped(value);
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// Whoever publishes an API chooses its name.
    fn escaped(&mut self, value: &str) {
        for char in value.chars() {
            match char {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                other => self.0.push(other),
            }
        }
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_end_its_line() {
        let mut out = Exposition::default();
        out.sample("a_total", &[("api", "x\"} 1\nb_total{y=\"\\")], 7);
        assert_eq!(out.finish(), "a_total{api=\"x\\\"} 1\\nb_total{y=\\\"\\\\\"} 7\n");
    }
}

//! What came out, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::machine;
use crate::round::{Round, Rounds};
use crate::scenario::{Figure, Goal, Scenario};

/// A scenario with its rounds.
pub(crate) struct Measured {
    pub(crate) scenario: &'static Scenario,
    pub(crate) rounds: Vec<Rounds>,
}

impl Measured {
    fn of(&self, name: &str) -> Option<&[Round]> {
        self.rounds.iter().find(|rounds| rounds.name == name).map(|rounds| &rounds.rounds[..])
    }

    /// The median over the rounds of this divided by that in the same round, and what the best rounds of both
    /// come to. Others only ever add, so the best rounds are the cleaner of the two.
    fn ratio(&self, this: &str, that: &str, of: impl Fn(&Round) -> f64) -> Option<(f64, f64)> {
        let (this, that) = (self.of(this)?, self.of(that)?);
        let ratios = this.iter().zip(that).map(|(this, that)| of(this) / of(that));
        Some((median(ratios), least(this.iter().map(&of)) / least(that.iter().map(&of))))
    }

    fn figure(&self, figure: Figure) -> Option<(f64, Option<f64>)> {
        let ratio = match figure {
            Figure::Cost(this, that) => self.ratio(this, that, |round| round.cost_us),
            Figure::Median(this, that) => self.ratio(this, that, |round| round.median_ms),
            Figure::P99(this, that) => self.ratio(this, that, |round| round.p99_ms),
            Figure::Memory(this) => {
                let most = self.of(this)?.iter().map(|round| round.memory_mib).fold(0.0, f64::max);
                return Some((most, None));
            }
        };
        ratio.map(|(median, best)| (median, Some(best)))
    }
}

/// Everything as Markdown: first what must hold, then each scenario.
pub(crate) fn markdown(all: &[Measured]) -> String {
    let mut text =
        format!("{}. One worker each; µs are processor time for each request.\n\n", machine::describe());
    let versions =
        [("nginx", "-v"), ("haproxy", "-v")].map(|(program, flag)| machine::version(program, flag));
    let _ = writeln!(text, "{}\n", versions.into_iter().flatten().collect::<Vec<_>>().join("; "));
    text.push_str(
        "| Scenario | figure | must | aim | median of rounds | best rounds |\n|---|---|--:|--:|--:|--:|\n",
    );
    for measured in all {
        for goal in measured.scenario.goals {
            goal_line(&mut text, measured, goal);
        }
    }
    for measured in all {
        let _ = writeln!(text, "\n### {}\n\n{}\n", measured.scenario.name, measured.scenario.what);
        text.push_str(
            "| | µs | best | user | system | per second | p50 ms | p99 ms | MiB idle → loaded | core | errors |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        );
        measured.rounds.iter().for_each(|rounds| contender_line(&mut text, rounds));
    }
    text
}

fn goal_line(text: &mut String, measured: &Measured, goal: &Goal) {
    let name = match goal.figure {
        Figure::Cost(this, that) => format!("cost, {this} ÷ {that}"),
        Figure::Median(this, that) => format!("p50, {this} ÷ {that}"),
        Figure::P99(this, that) => format!("p99, {this} ÷ {that}"),
        Figure::Memory(_) => "memory, MiB".to_owned(),
    };
    let (median, best) = match measured.figure(goal.figure) {
        Some((median, best)) => {
            (format!("{median:.2}"), best.map_or("–".to_owned(), |best| format!("{best:.2}")))
        }
        None => ("–".to_owned(), "–".to_owned()),
    };
    let Goal { must, aim, .. } = goal;
    let what = measured.scenario.what;
    let _ = writeln!(text, "| {what} | {name} | ≤ {must:.2} | ≤ {aim:.2} | {median} | {best} |");
}

fn contender_line(text: &mut String, rounds: &Rounds) {
    let of = |field: fn(&Round) -> f64| median(rounds.rounds.iter().map(field));
    let best = least(rounds.rounds.iter().map(|round| round.cost_us));
    let memory = rounds.rounds.iter().map(|round| round.memory_mib).fold(0.0, f64::max);
    let errors = rounds.rounds.iter().map(|round| round.errors).sum::<u64>();
    let _ = writeln!(
        text,
        "| {} | {:.2} | {best:.2} | {:.2} | {:.2} | {:.0} | {:.3} | {:.3} | {:.1} → {memory:.1} | {:.0} % | {errors} |",
        rounds.name,
        of(|round| round.cost_us),
        of(|round| round.user_us),
        of(|round| round.system_us),
        of(|round| round.per_second),
        of(|round| round.median_ms),
        of(|round| round.p99_ms),
        rounds.idle_memory_mib,
        of(|round| round.proxy_core) * 100.0,
    );
}

/// Every round.
pub(crate) fn json(all: &[Measured]) -> String {
    let scenarios: Vec<Value> = all
        .iter()
        .map(|measured| {
            let Scenario { name, what, connections, .. } = measured.scenario;
            json!({"scenario": name, "what": what, "connections": connections, "contenders": measured.rounds})
        })
        .collect();
    let all = json!({"machine": machine::describe(), "scenarios": scenarios});
    serde_json::to_string_pretty(&all).unwrap()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn least(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::INFINITY, f64::min)
}

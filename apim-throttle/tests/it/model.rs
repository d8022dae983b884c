//! Whatever is asked in whatever order, the engine decides as the most naive program would.

use std::collections::HashMap;
use std::time::Duration;

use super::*;

/// One count for each limit and window, and no other thought.
#[derive(Default)]
struct Naive(HashMap<(Level, String, u64, u64), u64>);

impl Naive {
    fn take(&mut self, keys: &[Key<'_>], cost: u64, now: Timestamp) -> Result<(), (usize, u64)> {
        let place = |key: &Key<'_>| {
            let length = key.quota.window_ms;
            (key.level, key.subject.join("|"), length, now.as_millis() / length)
        };
        for (index, key) in keys.iter().enumerate() {
            let used = self.0.get(&place(key)).copied().unwrap_or(0);
            if !key.lenient && used + cost > key.quota.requests {
                return Err((index, used));
            }
        }
        keys.iter().for_each(|key| *self.0.entry(place(key)).or_default() += cost);
        Ok(())
    }
}

/// Splitmix64: enough chance for a test, and the same on each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len() as u64) as usize]
    }
}

#[test]
fn the_engine_agrees_with_a_naive_model() {
    let levels = [Level::Api, Level::Subscription, Level::Application, Level::ApplicationBurst];
    let names = ["", "ann", "bob", "shop"];
    for seed in 0..300 {
        let (dice, mut model) = (&mut Dice(seed), Naive::default());
        let (clock, engine) = at_noon();
        for step in 0..200 {
            // Each level once, as a gateway does; a list with repeats is a story of its own.
            let wanted = dice.roll(16);
            let keys: Vec<_> = levels
                .iter()
                .enumerate()
                .filter(|(bit, _)| wanted >> bit & 1 == 1)
                .map(|(_, level)| Key {
                    level: *level,
                    subject: [dice.pick(&names), dice.pick(&names), ""],
                    quota: Quota {
                        requests: dice.pick(&[0, 3, 10, 50]),
                        window_ms: dice.pick(&[10, 25, 1_000]),
                    },
                    lenient: dice.roll(5) == 0,
                })
                .collect();
            let mut cost = Cost::ONE;
            cost.requests = dice.pick(&[1, 1, 1, 2, 5]);
            let decision = match take_cost(&engine, &keys, cost) {
                Decision::Allowed => Ok(()),
                Decision::Refused(refusal) => Err((refusal.index, refusal.used)),
            };
            let expected = model.take(&keys, cost.requests, clock.now());
            assert_eq!(decision, expected, "seed {seed}, step {step}: {keys:?}");
            match dice.roll(20) {
                0 => drop(engine.sweep()),
                1..10 => clock.advance(Duration::from_millis(dice.roll(12))),
                _ => {}
            }
        }
    }
}

//! In which order members are asked whether they are able.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use apim_core::Worker;
use apim_core::model::{Balance, Member};

/// Which member's turn it is. Each worker counts for itself.
#[derive(Debug)]
pub(super) enum Turns {
    /// Always the first.
    First,
    /// As in this list, again and again.
    Cycle(Box<[u8]>, PerWorker),
    /// Two at random.
    TwoAtRandom(PerWorker),
}

/// Two cache lines apart, since processors fetch them in pairs.
#[repr(align(128))]
#[derive(Debug)]
struct Padded(AtomicU64);

/// A number for each worker.
#[derive(Debug)]
pub(super) struct PerWorker(Box<[Padded]>);

impl PerWorker {
    fn new(workers: usize, first: impl Fn(u64) -> u64) -> Self {
        Self((0..workers.max(1) as u64).map(|worker| Padded(AtomicU64::new(first(worker)))).collect())
    }

    fn add(&self, worker: Worker, step: u64) -> u64 {
        self.0[worker.0 % self.0.len()].0.fetch_add(step, Relaxed)
    }
}

impl Turns {
    /// For a group; `seed` is where chance comes from.
    pub(super) fn new(policy: Balance, members: &[Member], workers: usize, seed: u64) -> Self {
        if members.len() < 2 {
            return Self::First;
        }
        // Workers begin apart, so that the first calls of all do not meet at one member.
        match policy {
            Balance::Weighted => {
                let weights: Vec<_> = members.iter().map(|member| member.weight).collect();
                Self::Cycle(interleaved(&weights), PerWorker::new(workers, |worker| worker))
            }
            Balance::LeastLoaded => Self::TwoAtRandom(PerWorker::new(workers, |worker| {
                seed ^ worker.wrapping_mul(0xa076_1d64_78bd_642f)
            })),
            Balance::Failover => Self::First,
            _ => Self::Cycle(interleaved(&vec![1; members.len()]), PerWorker::new(workers, |worker| worker)),
        }
    }

    /// Two different ones of so many, at random.
    pub(super) fn two(turns: &PerWorker, worker: Worker, count: usize) -> (usize, usize) {
        let chance = mixed(turns.add(worker, 0x9e37_79b9_7f4a_7c15));
        let count = count.max(2) as u64;
        let one = (chance >> 32) % count;
        let other = (one + 1 + (chance & u64::from(u32::MAX)) % (count - 1)) % count;
        (one as usize, other as usize)
    }

    /// The members from the one whose turn it is, each of the list's entries once.
    pub(super) fn from_turn<'a>(
        list: &'a [u8],
        turns: &PerWorker,
        worker: Worker,
    ) -> impl Iterator<Item = usize> + 'a {
        let start = (turns.add(worker, 1) % list.len() as u64) as usize;
        list[start..].iter().chain(&list[..start]).map(|member| usize::from(*member))
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): every step of a counter gives another number.
fn mixed(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Each member as often as its weight says, spread out: every step gives each its weight, takes the richest, and
/// makes it pay the sum.
fn interleaved(weights: &[u32]) -> Box<[u8]> {
    let common = weights.iter().copied().fold(0, greatest_common_divisor).max(1);
    let weights: Vec<i64> = weights.iter().map(|weight| i64::from(weight / common)).collect();
    let sum: i64 = weights.iter().sum();
    let mut purses = vec![0; weights.len()];
    let mut turn = || {
        purses.iter_mut().zip(&weights).for_each(|(purse, weight)| *purse += weight);
        let richest = (0..purses.len()).rev().max_by_key(|member| purses[*member]).unwrap_or_default();
        purses[richest] -= sum;
        u8::try_from(richest).unwrap_or_default()
    };
    (0..sum).map(|_| turn()).collect()
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_kept_and_spread_out() {
        assert_eq!(*interleaved(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(*interleaved(&[20, 10]), [0, 1, 0]);
        assert_eq!(*interleaved(&[1, 1, 1]), [0, 1, 2]);
    }

    #[test]
    fn two_at_random_are_never_the_same_and_all_come_up() {
        let turns = PerWorker::new(1, |_| 42);
        let mut seen = [[0; 4]; 4];
        for _ in 0..12_000 {
            let (one, other) = Turns::two(&turns, Worker(0), 4);
            assert_ne!(one, other);
            seen[one][other] += 1;
        }
        let pairs = (0..4).flat_map(|one| (0..4).map(move |other| (one, other))).filter(|(a, b)| a != b);
        assert!(pairs.into_iter().all(|(one, other)| (800..1_200).contains(&seen[one][other])), "{seen:?}");
    }
}

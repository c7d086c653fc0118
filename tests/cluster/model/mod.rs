//! A randomised model of three nodes: random joins, leaves, pushes, disconnects and faults, and the
//! rules that must hold for all of them.
//!
//! - A message is never received twice, by a connection that is not a member, or after `leave` has
//!   returned.
//! - The messages of one sender to one target arrive in order, unless a fault reorders them.
//! - A message that a member does not receive has a reported reason: the result of the push, a
//!   counter of the sender, a gap of the receiving node, or a fault between the two.
//! - After the faults have ended, a push reaches exactly the members.
//! - The watches of all nodes report no member twice, and after the faults have ended, they have
//!   exactly the members.
//!
//! `WS_TESTS_MODEL_SEED=7` runs one seed and prints its steps; `WS_TESTS_MODEL_SEEDS=0..10000` runs
//! a range.

mod check;
mod steps;
mod watches;
mod world;

use std::{
    future::Future,
    ops::Range,
    sync::{Mutex, PoisonError},
    thread,
};

use tokio::runtime::Builder;

use self::world::{Net, World};
use crate::brokers::Redis;

/// The seeds that a run of all tests tries.
const MEMORY_SEEDS: Range<u64> = 0..150;
const REDIS_SEEDS: Range<u64> = 0..10;

/// A generator of random numbers that depends only on its seed (SplitMix64).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Returns true in one of this number of cases.
    fn one_in(&mut self, cases: usize) -> bool {
        self.below(cases) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { from.get(self.below(from.len())) }
    }
}

/// Prints the seed and the steps of a run that fails.
struct Report<'a> {
    seed: u64,
    steps: &'a Mutex<Vec<String>>,
    is_verbose: bool,
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        let is_failed = thread::panicking();
        if is_failed || self.is_verbose {
            for step in &*self.steps.lock().unwrap_or_else(PoisonError::into_inner) {
                eprintln!("  {step}");
            }
        }
        if is_failed {
            eprintln!("seed {0}; run it again with WS_TESTS_MODEL_SEED={0}", self.seed);
        }
    }
}

/// Runs the seeds of the environment variables, or these, on this number of threads.
fn each_seed(seeds: Range<u64>, threads: usize, run: impl Fn(u64, &Mutex<Vec<String>>) + Sync) {
    let variable = |name| std::env::var(name).ok();
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text:?} is not a number"));
    let one = variable("WS_TESTS_MODEL_SEED").map(|seed| number(&seed));
    let range = variable("WS_TESTS_MODEL_SEEDS").map(|range| {
        let (from, to) = range.split_once("..").expect("a range such as 0..1000");
        number(from)..number(to)
    });
    let seeds = one.map(|seed| seed..seed + 1).or(range).unwrap_or(seeds);
    let run_all = |first: usize| {
        for seed in seeds.clone().skip(first).step_by(threads) {
            let steps = Mutex::default();
            let _report = Report { seed, steps: &steps, is_verbose: one.is_some() };
            run(seed, &steps);
        }
    };
    thread::scope(|scope| {
        let run_all = &run_all;
        (0..threads).for_each(|first| _ = scope.spawn(move || run_all(first)));
    });
}

/// Runs a future on a runtime of one thread, so that the order of everything depends on the seed.
fn block_on(is_paused: bool, future: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().start_paused(is_paused).build().unwrap();
    runtime.block_on(future);
}

#[test]
fn random_steps_keep_all_rules_over_the_broker_in_memory_with_faults() {
    each_seed(MEMORY_SEEDS, 2, |seed, steps| {
        block_on(true, async { World::new(Net::memory(), Random(seed), steps).await.run(3, 25).await });
    });
}

#[test]
fn random_steps_keep_all_rules_over_redis() {
    let Some(redis) = Redis::start(&[]) else { return };
    each_seed(REDIS_SEEDS, 1, |seed, steps| {
        let net = Net::redis(&redis, format!("model-{seed}"));
        block_on(false, async { World::new(net, Random(seed), steps).await.run(2, 40).await });
    });
}

#[test]
fn a_room_that_is_joined_again_while_it_is_unsubscribed_misses_nothing() {
    for yields in 0..40 {
        let steps = Mutex::default();
        println!("after {yields} polls of other tasks");
        block_on(true, async {
            World::new(Net::memory(), Random(yields), &steps).await.join_again(yields).await;
        });
    }
}

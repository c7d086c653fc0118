//! Random faults of the network of several nodes at once.

use std::time::{Duration, Instant, SystemTime};

use super::{
    both::{kind, long_minutes, nodes, over_both, server, settings},
    proxy::{
        Fault, Proxy,
        Way::{ToBroker, ToNode},
    },
    talk::Talk,
};
use crate::node::alone;

const HEARTBEAT: Duration = Duration::from_millis(200);
const FAULTS: [Fault; 10] = [
    Fault::None,
    Fault::None,
    Fault::Refuses,
    Fault::Halts(&[ToBroker, ToNode]),
    Fault::Halts(&[ToBroker]),
    Fault::Halts(&[ToNode]),
    Fault::HaltsOld,
    Fault::Delays(Duration::from_millis(30)),
    Fault::Cuts(ToBroker, 3000),
    Fault::Cuts(ToNode, 3000),
];

/// A generator of pseudo-random numbers with a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        // The constants of Knuth's MMIX; its upper bits are distributed better.
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % end
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_random_faults_the_cluster_recovers_and_no_message_is_received_twice() {
    let _alone = alone().await;
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let seed = std::env::var("WS_TESTS_SEED").map_or(now, |seed| seed.parse().unwrap());
    eprintln!("WS_TESTS_SEED={seed} repeats these faults");
    over_both(async |broker| {
        let of = kind(&broker);
        let (mut dice, mut proxies, mut through) = (Dice(seed), Vec::new(), Vec::new());
        for _ in 0..3 {
            let proxy = Proxy::start(server(&broker).port).await;
            through.push(settings(&broker, proxy.port, HEARTBEAT));
            proxies.push(proxy);
        }
        let named: Vec<_> = ["a", "b", "c"].into_iter().zip(&through).collect();
        let nodes = nodes(&named).await;
        let end = Instant::now() + Duration::from_secs_f64(long_minutes().map_or(4.0, |it| 60.0 * it));
        // Every 20 s the received messages are checked and dropped, so that memory is bounded.
        while Instant::now() < end {
            let mut talk = Talk::start(of, &nodes).await;
            let round = end.min(Instant::now() + Duration::from_secs(20));
            while Instant::now() < round {
                let proxy = &proxies[dice.below(3) as usize];
                proxy.set(FAULTS[dice.below(FAULTS.len() as u64) as usize]);
                talk.say_for(Duration::from_millis(dice.below(500))).await;
            }
            proxies.iter().for_each(|proxy| proxy.set(Fault::None));
            // A link that has already missed heartbeats ends within this time.
            talk.say_for(HEARTBEAT * 4).await;
            talk.heal().await;
            talk.say_for(Duration::from_millis(200)).await;
            talk.check().await;
        }
        for node in &nodes {
            let stats = node.connect().await.stats().await;
            assert_eq!((stats.duplicates, stats.malformed), (0, 0), "{of}");
            eprintln!("{of}: {stats:?}");
        }
    })
    .await;
}

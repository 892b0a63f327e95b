//! Sources of chance, and a program that lets one of them decide what it sends.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::time::Duration;

use sim::program::{ProducerConfig, ProducerRecord};
use sim::trial::Trial;

/// Numbers that a program draws.
pub type Source = fn() -> Vec<u64>;

/// Where programs get chance from.
pub const SOURCES: [(&str, Source); 11] = [
    ("HashMap", || {
        let map: HashMap<u64, ()> = (0..16).map(|key| (key, ())).collect();
        map.into_keys().collect()
    }),
    ("HashSet", || (0..16).collect::<HashSet<u64>>().into_iter().collect()),
    ("RandomState", || {
        vec![RandomState::new().hash_one(1), RandomState::new().hash_one(1)]
    }),
    ("rand 0.10", || vec![rand::random(), rand::random()]),
    ("rand 0.9", || vec![rand_09::random(), rand_09::random()]),
    ("uuid", || {
        let uuids = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
        uuids.map(|uuid| uuid.as_u64_pair().0).to_vec()
    }),
    ("ahash", || {
        let map: ahash::AHashMap<u64, ()> = (0..16).map(|key| (key, ())).collect();
        let states = [ahash::RandomState::new(), ahash::RandomState::with_seed(7)];
        let hashes = states.map(|state| state.hash_one(1));
        map.into_keys().chain(hashes).collect()
    }),
    ("getrandom 0.2", || {
        drawn(|bytes| getrandom_02::getrandom(bytes).expect("chance"))
    }),
    ("getrandom 0.3", || {
        drawn(|bytes| getrandom_03::fill(bytes).expect("chance"))
    }),
    ("getrandom 0.4", || {
        drawn(|bytes| getrandom_04::fill(bytes).expect("chance"))
    }),
    ("a thread-local", || {
        thread_local!(static CALLS: Cell<u64> = const { Cell::new(0) });
        CALLS.set(CALLS.get() + 1);
        vec![CALLS.get(), rand::random()]
    }),
];

fn drawn(fill: impl Fn(&mut [u8])) -> Vec<u64> {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    vec![u64::from_ne_bytes(bytes)]
}

/// The digest of a trial in which a program sends what `source` gives, when it says so.
pub fn digest(source: Source, seed: u64) -> u64 {
    let stage =
        "duration = \"3s\"\ncluster = { brokers = 1 }\ntopics = [{ name = \"orders\", replication_factor = 1 }]";
    let trial = Trial::from_toml(stage).program("sender", move |env| async move {
        let producer = env.producer(ProducerConfig::default());
        for _ in 0..3 {
            for number in source() {
                env.clock.sleep(Duration::from_nanos(number % 1_000_000)).await;
                let record = ProducerRecord::to("orders").key(number.to_be_bytes());
                producer.send(record).await.expect("a calm cluster");
            }
        }
    });
    trial.run(seed).assert_pass().digest
}

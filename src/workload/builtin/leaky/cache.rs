//! `leaky-cache`: a cache of values of 1 KiB, with a new key in every operation. It grows until it is full and then no more,
//! which is no leak. `filling` starts with an empty one, `full` with one that is filled in set-up.
//!
//! As no key is asked for again, the least recently used value is the oldest: a queue of the keys is all the order there is.
//! The table has room for twice as many keys as it ever holds, so that it never grows.

use std::collections::{HashMap, VecDeque};
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::task::yield_now;

use super::Planted;
use super::schedule::number;
use crate::error::BoxError;
use crate::workload::{Description, Failure, Param, Variant, Work, Worker, Workload};

/// What has to be found while it fills. Of a run that ends before it is full nobody can say whether the growth will stop.
pub(super) const PLANTED_FILLING: Planted = Planted {
    workload: "leaky-cache",
    variant: "filling",
    function: "leaky::cache::compute_value",
    file: "src/workload/builtin/leaky/cache.rs",
    verdict: &["warm-up", "growing", "ok"],
    slope: None,
    subject: "heap",
};

/// What has to be found when it is full: nothing.
pub(super) const PLANTED_FULL: Planted =
    Planted { variant: "full", verdict: &["ok"], slope: Some(0.0), ..PLANTED_FILLING };

const VARIANTS: [Variant; 2] = [
    Variant { name: "filling", about: "the cache is empty at first" },
    Variant { name: "full", about: "the cache is full from the start" },
];

const PARAMS: [Param; 1] =
    [Param { name: "capacity", default: "3000", about: "values of 1 KiB that the cache holds, 1 to 100000" }];

/// Bytes of a value.
const VALUE: usize = 1024;

/// The workload, with the cache that all users of a round share; it is gone with the last of them.
#[derive(Default)]
pub(super) struct Cache {
    values: Mutex<Weak<Mutex<Values>>>,
}

impl Workload for Cache {
    type State = Arc<Mutex<Values>>;

    async fn setup(&self, worker: Worker) -> Result<Self::State, BoxError> {
        let mut shared = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(values) = shared.upgrade() {
            return Ok(values);
        }
        let values = Arc::new(Mutex::new(Values::new(&worker)?));
        *shared = Arc::downgrade(&values);
        Ok(values)
    }

    async fn operation(&self, values: &mut Self::State) -> Result<Work, BoxError> {
        yield_now().await;
        black_box(values.lock().unwrap_or_else(PoisonError::into_inner).store_next());
        Ok(Work::done())
    }

    fn describe(&self) -> Description {
        Description {
            about: "yields and stores a value under a new key in each operation",
            variants: &VARIANTS,
            params: &PARAMS,
            users: Some(2),
            fault: Some("none: a cache that fills and is then bounded"),
            ..Description::default()
        }
    }
}

/// The cache.
pub(super) struct Values {
    capacity: usize,
    by_key: HashMap<u64, Box<[u8]>>,
    oldest_first: VecDeque<u64>,
    keys: u64,
}

impl Values {
    fn new(worker: &Worker) -> Result<Self, Failure> {
        let capacity = number(worker, "capacity", 1..=100_000)? as usize;
        let by_key = HashMap::with_capacity(2 * capacity);
        let mut values = Self { capacity, by_key, oldest_first: VecDeque::with_capacity(capacity), keys: 0 };
        match worker.variant() {
            "" | "filling" => {}
            "full" => {
                for _ in 0..capacity {
                    values.store_next();
                }
            }
            other => return Err(Failure::new("variant", format!("no variant `{other}`; there are filling and full"))),
        }
        Ok(values)
    }

    /// Stores a value under the next key, in the place of the oldest where there is no room; gives how many there are.
    fn store_next(&mut self) -> usize {
        if self.by_key.len() >= self.capacity
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.by_key.remove(&oldest);
        }
        self.keys += 1;
        self.by_key.insert(self.keys, compute_value(self.keys));
        self.oldest_first.push_back(self.keys);
        self.by_key.len()
    }
}

#[inline(never)]
fn compute_value(key: u64) -> Box<[u8]> {
    let mut value = vec![1_u8; VALUE].into_boxed_slice();
    value[..8].copy_from_slice(&black_box(key).to_le_bytes());
    value
}

#[cfg(test)]
mod tests {
    use super::super::tests::worker;
    use super::*;

    fn values(variant: &str, capacity: &str) -> Result<Values, Failure> {
        Values::new(&worker(0, variant, &[("capacity", capacity)]))
    }

    #[test]
    fn it_grows_to_its_capacity_and_keeps_the_newest() {
        let mut cache = values("filling", "100").unwrap();
        let room = |cache: &Values| (cache.by_key.capacity(), cache.oldest_first.capacity());
        let (table, queue) = room(&cache);
        let held: Vec<usize> = (0..5000).map(|_| cache.store_next()).collect();
        assert!(held.iter().enumerate().all(|(done, held)| *held == (done + 1).min(100)), "{held:?}");
        assert!((4901..=5000).all(|key| cache.by_key.contains_key(&key)));
        // The places of removed keys do not count as room until the table is put in order; it has no more for all that.
        assert!(room(&cache).0 <= table && room(&cache).1 == queue);
    }

    #[test]
    fn the_full_one_is_full_at_once() {
        let mut cache = values("full", "100").unwrap();
        assert_eq!((cache.by_key.len(), cache.store_next()), (100, 100));
    }

    #[test]
    fn other_variants_and_capacities_are_refused() {
        for (variant, capacity) in [("half", "100"), ("full", "0"), ("filling", "100001"), ("filling", "all")] {
            assert!(values(variant, capacity).is_err(), "{variant} {capacity}");
        }
    }

    #[test]
    fn users_share_it_and_the_next_round_has_its_own() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let cache = Cache::default();
            let user = |index| cache.setup(worker(index, "", &[("capacity", "9")]));
            let (mut first, second) = (user(0).await.unwrap(), user(1).await.unwrap());
            cache.operation(&mut first).await.unwrap();
            assert_eq!(second.lock().unwrap().keys, 1);
            drop((first, second));
            assert_eq!(user(0).await.unwrap().lock().unwrap().keys, 0);
        });
    }
}

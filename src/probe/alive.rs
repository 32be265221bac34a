//! Tasks that are alive, by the place where they were spawned: the runtime tells of each that begins and ends. Without
//! `tokio_unstable` nothing is known of places.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::{Mutex, PoisonError};

use rustc_hash::FxBuildHasher;

use super::heap::untracked;
use super::hooks::Hooks;
use crate::record::name::spawn_site;

/// The number of tasks of each place.
static ALIVE: Mutex<HashMap<&'static Location<'static>, i64, FxBuildHasher>> =
    Mutex::new(HashMap::with_hasher(FxBuildHasher));

/// Has the runtime tell of tasks.
pub(crate) fn watch(hooks: &mut Hooks) {
    #[cfg(tokio_unstable)]
    {
        hooks.on_spawn(|task| change(task.spawned_at(), 1));
        hooks.on_terminate(|task| change(task.spawned_at(), -1));
    }
    #[cfg(not(tokio_unstable))]
    let _ = hooks;
}

#[cfg_attr(not(tokio_unstable), allow(dead_code, reason = "nobody tells of tasks then"))]
fn change(spawned_at: &'static Location<'static>, by: i64) {
    untracked(|| {
        let mut alive = ALIVE.lock().unwrap_or_else(PoisonError::into_inner);
        *alive.entry(spawned_at).or_insert(0) += by;
    });
}

/// How many are alive now, by place; without those that perfkit spawned itself.
pub(crate) fn now() -> Vec<(String, f64)> {
    let alive = ALIVE.lock().unwrap_or_else(PoisonError::into_inner);
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/src/load/");
    let is_ours = |at: &Location<'_>| at.file().starts_with("src/load/") || at.file().starts_with(ours);
    let told = alive.iter().filter(|(at, _)| !is_ours(at));
    told.map(|(at, count)| (spawn_site(at), *count as f64)).collect()
}

//! The workloads that come with the binary: one file or folder each, one line in [`all`].

pub mod chat;
pub mod faulty;
pub mod leaky;
pub mod noop;

use super::Workload;

/// Takes workloads of any type.
pub trait Registry {
    /// Takes one.
    fn add<W: Workload>(&mut self, name: &'static str, workload: W);
}

/// Hands every built-in workload to a registry, in the order `perfkit list` shows them.
pub fn all(registry: &mut impl Registry) {
    registry.add("chat", chat::Chat::new());
    registry.add("noop", noop::Noop);
    faulty::all(registry);
    leaky::all(registry);
}

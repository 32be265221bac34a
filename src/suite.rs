//! What can be run: names, their workloads, and the load they are driven with when nobody says otherwise.
//! [`Suite::main`] gives any program all the verbs; it lives with the command line.

use std::sync::Arc;

use crate::load::{Driven, Load};
use crate::workload::{Description, Workload, builtin};

/// A named set of workloads: what a program offers to `perfkit list`, `run`, `profile` and the rest.
///
/// ```no_run
/// use std::{process::ExitCode, time::Duration};
/// use perfkit::{Load, Suite, Work};
///
/// fn main() -> ExitCode {
///     Suite::new("shop")
///         .workload("parse", || async { Work::items("1,2,3".split(',').count() as u64) })
///         .load(Load::closed(8).lasting(Duration::from_secs(10)))
///         .main()
/// }
/// ```
pub struct Suite {
    name: String,
    entries: Vec<Entry>,
    load: Option<Load>,
}

/// One workload of a suite.
#[derive(Clone)]
pub struct Entry {
    /// Its name on the command line.
    pub name: String,
    /// The workload.
    pub workload: Arc<dyn Driven>,
}

impl Entry {
    /// What it declares of itself.
    #[must_use]
    pub fn describe(&self) -> Description {
        self.workload.describe()
    }
}

impl Suite {
    /// An empty suite; the name is shown in help and reports.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), entries: Vec::new(), load: None }
    }

    /// The workloads that come with perfkit.
    #[must_use]
    pub fn builtin() -> Self {
        let mut suite = Self::new("perfkit");
        builtin::all(&mut suite);
        suite
    }

    /// Adds a workload: a closure, an `async fn`, or a type that implements [`Workload`]. A second one of the same name
    /// takes the place of the first.
    #[must_use]
    pub fn workload(mut self, name: impl Into<String>, workload: impl Workload) -> Self {
        self.put(name.into(), Arc::new(workload));
        self
    }

    fn put(&mut self, name: String, workload: Arc<dyn Driven>) {
        self.entries.retain(|entry| entry.name != name);
        self.entries.push(Entry { name, workload });
    }

    /// The load for all its workloads where the command line says nothing.
    #[must_use]
    pub fn load(self, load: Load) -> Self {
        Self { load: Some(load), ..self }
    }

    /// The suite's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its workloads, in the order they were added.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The workload of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The load that was set for it.
    #[must_use]
    pub fn default_load(&self) -> Option<&Load> {
        self.load.as_ref()
    }
}

impl builtin::Registry for Suite {
    fn add<W: Workload>(&mut self, name: &'static str, workload: W) {
        self.put(name.to_owned(), Arc::new(workload));
    }
}

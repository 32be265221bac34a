//! Whether each leaky workload works and is where [`PLANTED`] says. What each keeps is tested beside it.

use std::path::Path;
use std::sync::Arc;

use tokio::runtime::Builder;

use super::*;
use crate::workload::{Context, Worker, Workload};

/// A worker with these settings.
pub(super) fn worker(index: u32, variant: &str, params: &[(&str, &str)]) -> Worker {
    let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Worker::new(index, Arc::new(Context { variant: variant.to_owned(), params, seed: 1, ..Context::default() }))
}

/// What was registered: the name and the variants of each.
#[derive(Default)]
struct Names(Vec<(&'static str, &'static str)>);

impl Registry for Names {
    fn add<W: Workload>(&mut self, name: &'static str, workload: W) {
        let described = workload.describe();
        assert!(described.fault.is_some(), "{name} would be shown to everybody");
        let variants = described.variants.iter().map(|variant| variant.name);
        let only = described.variants.is_empty().then_some("");
        self.0.extend(variants.chain(only).map(|variant| (name, variant)));
    }
}

#[test]
fn what_is_planted_is_what_is_registered_and_where_it_is_said_to_be() {
    let mut names = Names::default();
    all(&mut names);
    assert_eq!(names.0, PLANTED.iter().map(|planted| (planted.workload, planted.variant)).collect::<Vec<_>>());
    for planted in PLANTED {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(planted.file)).unwrap();
        let name = planted.function.rsplit("::").next().unwrap();
        assert!(text.contains(&format!("#[inline(never)]\nfn {name}(")), "{planted:?}");
        let module = planted.file.rsplit('/').next().unwrap().trim_end_matches(".rs");
        assert_eq!(planted.function, format!("leaky::{module}::{name}"));
        // The rare one shares its leak.
        assert!(planted.workload == format!("leaky-{module}") || planted.workload == "leaky-rare", "{planted:?}");
    }
}

#[test]
fn what_is_planted_is_said_in_the_words_there_are() {
    for planted in PLANTED {
        let verdicts = ["leak", "growing", "warm-up", "ok", "retention"];
        assert!(!planted.verdict.is_empty(), "{planted:?}");
        assert!(planted.verdict.iter().all(|verdict| verdicts.contains(verdict)), "{planted:?}");
        assert!(["heap", "tasks", "descriptors", "threads", "rss"].contains(&planted.subject), "{planted:?}");
        let leaks = planted.verdict.contains(&"leak");
        assert!(planted.slope.is_none_or(|slope| leaks == (slope > 0.0)), "{planted:?}");
    }
}

/// Runs some hundred operations of each variant of each, by two users.
struct Runs;

impl Registry for Runs {
    fn add<W: Workload>(&mut self, name: &'static str, workload: W) {
        let described = workload.describe();
        let params: Vec<(&str, &str)> = described.params.iter().map(|param| (param.name, param.default)).collect();
        for planted in PLANTED.iter().filter(|planted| planted.workload == name) {
            let runtime = Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut states = Vec::new();
                for index in 0..2 {
                    states.push(workload.setup(worker(index, planted.variant, &params)).await.unwrap());
                }
                for state in &mut states {
                    for _ in 0..300 {
                        workload.operation(state).await.unwrap_or_else(|error| panic!("{name}: {error}"));
                    }
                }
            });
        }
    }
}

#[test]
fn hundreds_of_operations_of_each_are_good() {
    all(&mut Runs);
}

/// Sets up each with one parameter that it cannot mean.
struct Refusals(Vec<String>);

impl Registry for Refusals {
    fn add<W: Workload>(&mut self, name: &'static str, workload: W) {
        let runtime = Builder::new_current_thread().build().unwrap();
        let described = workload.describe();
        for wrong in described.params {
            for value in ["0", "-1", "many", "99999999999"] {
                let with = |param: &crate::workload::Param| {
                    (param.name, if param.name == wrong.name { value } else { param.default })
                };
                let params: Vec<(&str, &str)> = described.params.iter().map(with).collect();
                let refused = runtime.block_on(workload.setup(worker(0, "", &params))).err();
                let refused = refused.unwrap_or_else(|| panic!("{name} takes {value} for {}", wrong.name)).to_string();
                assert!(refused.contains(wrong.name) && refused.contains(value), "{name}: {refused}");
            }
            self.0.push(format!("{name} {}", wrong.name));
        }
    }
}

#[test]
fn parameters_that_cannot_be_meant_are_refused() {
    let mut refusals = Refusals(Vec::new());
    all(&mut refusals);
    assert_eq!(
        refusals.0,
        [
            "leaky-operation size",
            "leaky-operation every",
            "leaky-rare size",
            "leaky-rare every",
            "leaky-task every",
            "leaky-cache capacity",
            "leaky-fragmentation step",
            "leaky-descriptor every",
            "leaky-thread every",
        ]
    );
}

//! Workloads with a fault on purpose, as they are typed: who is shown them, that each can be run, and that the mean of one hides
//! what its variance tells.

use std::collections::BTreeSet;

use perfkit::workload::builtin::faulty::PLANTED;
use perfkit::workload::builtin::leaky;
use serde_json::Value;

use crate::place::{Place, items, metric};

/// The names in a list, each with its fault.
fn listed(list: &Value) -> Vec<(String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    items(&list["workloads"]).iter().map(|one| (text(&one["name"]).unwrap(), text(&one["fault"]))).collect()
}

#[test]
fn list_shows_faulty_workloads_only_with_all() {
    let place = Place::new();
    let (plain, all) = (place.ok(&["list"]).stdout, place.ok(&["list", "--all"]).stdout);
    assert!(!plain.contains("faulty") && plain.contains("chat\n"), "{plain}");
    let (short, long) = (["list", "--format", "json"], ["list", "--all", "--format", "json"]);
    let (short, long) = (listed(&place.ok(&short).json()), listed(&place.ok(&long).json()));
    assert!(short.iter().all(|(name, fault)| fault.is_none() && !name.starts_with("faulty")), "{short:?}");
    let leaky: BTreeSet<&str> = leaky::PLANTED.iter().map(|planted| planted.workload).collect();
    assert_eq!(long.len(), short.len() + PLANTED.len() + leaky.len());
    assert!(leaky.iter().all(|name| long.iter().any(|(listed, fault)| listed == name && fault.is_some())), "{long:?}");
    assert!(all.contains("chat\n"), "{all}");
    for planted in PLANTED {
        let fault = long.iter().find(|(name, _)| name == planted.workload).and_then(|(_, fault)| fault.as_deref());
        let fault = fault.unwrap_or_else(|| panic!("{} is not listed with its fault", planted.workload));
        assert!(all.contains(&format!("{}\n", planted.workload)) && all.contains(&format!("faulty: {fault}")), "{all}");
    }
}

#[test]
fn a_name_that_is_nearly_that_of_a_faulty_workload_is_told_and_the_others_are_not_listed() {
    let place = Place::new();
    place.run(&["run", "faulty-slep"]).must(2, &["did you mean `faulty-sleep`? there are: chat, noop"]);
    assert!(!place.run(&["run", "nothing-like-it"]).stderr.contains("faulty"));
}

#[test]
fn every_faulty_workload_can_be_run_and_its_operations_are_good() {
    let place = Place::new();
    for planted in PLANTED {
        let variant: &[&str] = if planted.variant.is_empty() { &[] } else { &["--variant", planted.variant] };
        let params: &[&str] = match planted.workload {
            // Other tests want processors too.
            "faulty-preempted" => &["--param", "burners=1"],
            _ => &[],
        };
        let arguments =
            [&["--rounds", "1", "--runtime", "multi:2", "-q", "--format", "json"], variant, params].concat();
        let ended = place.short("run", planted.workload, &arguments);
        ended.must(0, &[]);
        let run = ended.json();
        assert!(run["operations"]["ok"].as_u64() > Some(0), "{}: {run}", planted.workload);
        assert_eq!(run["operations"]["ok"], run["operations"]["planned"], "{}", planted.workload);
    }
}

#[test]
fn the_mixed_spread_has_the_lower_mean_and_its_variance_is_that_of_the_blocking_phase() {
    let place = Place::new();
    let run = |variant: &str| {
        let driven = ["run", "faulty-spread", "--variant", variant, "--runtime", "multi:2", "--rounds", "2"];
        let ended =
            place.run(&[&driven[..], &["--duration", "1500ms", "--warmup", "50ms", "-q", "--format", "json"]].concat());
        ended.must(0, &[]);
        ended.json()
    };
    let mean = |run: &Value, name: &str| {
        let values = metric(run, name);
        values.iter().sum::<f64>() / values.len() as f64
    };
    let (healthy, mixed) = (run("healthy"), run("mixed"));
    assert!(mean(&mixed, "latency.mean") < mean(&healthy, "latency.mean"));
    assert!(mean(&mixed, "latency.sd") > 100e6 && mean(&mixed, "latency.sd") > 3.0 * mean(&healthy, "latency.sd"));
    let variance = place.ok(&["variance", "latest", "--format", "json"]).json();
    let share = |component: &str| {
        let found = items(&variance["shares"]).iter().find(|share| share["component"] == component);
        found.and_then(|share| share["share"].as_f64()).unwrap_or_default()
    };
    let archive = share("archive.read") + share("archive.read/busy");
    assert!(archive >= 0.9, "{archive} in {variance}");
}

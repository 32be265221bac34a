//! Both samplers and the watchdog in a storm of panics, threads and allocations: nothing crashes, nothing hangs, stacks are taken.

use crate::place::{Place, items};

#[test]
fn a_storm_of_panics_threads_libraries_and_allocations_is_profiled_to_its_end() {
    let place = Place::of_example("storm");
    let flags = [
        "profile",
        "storm",
        "--passes",
        "time,cpu",
        "--sampler",
        "both",
        "--frequency",
        "999",
        "--stall-threshold",
        "2ms",
        "-q",
    ];
    place.ok(&[&flags[..], &["--rounds", "2", "--duration", "3s"]].concat());
    let run = place.run_json();
    assert_eq!(
        (&run["status"], &run["operations"]["failed"]),
        (&"complete".into(), &0.into()),
        "{}",
        run["operations"]
    );
    let cpu = items(&run["probes"]).iter().find(|probe| probe["name"] == "cpu").unwrap();
    for round in items(&cpu["detail"]["rounds"]) {
        assert!(round["stacks"].as_u64() > Some(50), "{round}");
    }
    let names: Vec<&str> = items(&run["functions"]).iter().filter_map(|function| function["name"].as_str()).collect();
    assert!(["storm::allocate", "storm::encode"].iter().all(|name| names.contains(name)), "{names:?}");
}

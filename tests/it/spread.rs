//! A mean that falls while the spread rises: the case that perfkit was asked for, from the runs to the verdict.

use serde_json::Value;

use crate::place::{Place, items};

fn item<'a>(list: &'a Value, key: &str, name: &str) -> &'a Value {
    items(list).iter().find(|item| item[key] == name).unwrap_or_else(|| panic!("no {name} in {list}"))
}

#[test]
fn a_lower_mean_with_a_larger_spread_is_a_regression_and_its_function_is_named() {
    let place = Place::new();
    for variant in ["healthy", "mixed"] {
        let driven = ["run", "faulty-spread", "--variant", variant, "--users", "4", "--runtime", "multi:4", "-q"];
        place.ok(&[&driven[..], &["--rounds", "4", "--duration", "3s"]].concat());
    }
    let ended = place.run(&["compare", "latest~1", "latest", "--format", "json"]);
    ended.must(1, &[]);
    let comparison = ended.json();
    for (metric, verdict) in [("latency.mean", "improved"), ("latency.p95", "regressed"), ("latency.sd", "regressed")] {
        let change = item(&comparison["metrics"], "name", metric);
        assert_eq!(change["verdict"], verdict, "{change}");
    }
    let spread = &comparison["spread"];
    let (base, head) = (spread["base_sd_ns"].as_f64().unwrap(), spread["head_sd_ns"].as_f64().unwrap());
    assert!(base < 15e6 && head > 100e6, "{base} to {head}");
    let share = |component: &Value| component["share_of_change"].as_f64().unwrap();
    let of_archive =
        items(&spread["components"]).iter().filter(|it| it["component"].as_str().unwrap().starts_with("archive.read/"));
    assert!(of_archive.map(share).sum::<f64>() > 0.9, "{spread}");
    assert!(spread["held_by"].to_string().contains("faulty::spread::blocking_path"), "{spread}");
    let variance = place.ok(&["variance", "latest", "--format", "json"]).json();
    let of_archive = items(&variance["shares"]).iter().filter(|it| it.to_string().contains("archive.read"));
    let share: f64 = of_archive.filter_map(|it| it["share"].as_f64()).sum();
    assert!(share > 0.9, "{}", variance["shares"]);
    assert!(variance["stalls"].to_string().contains("faulty::spread::blocking_path"), "{}", variance["stalls"]);
}

//! What the two samplers of the CPU pass say of each other.

use serde_json::Value;

use crate::record::Run;

/// Where the samplers lie furthest apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// Whether they agree: the difference is explained by chance, or too small to matter.
    pub agree: bool,
    /// The function.
    pub function: String,
    /// Its share of the stacks by pprof.
    pub pprof: f64,
    /// Its share by the jittered sampler.
    pub jittered: f64,
}

/// What the run says of the probe `cpu` beside its rounds.
fn told<'a>(run: &'a Run, key: &str) -> Option<&'a Value> {
    run.probes.iter().find(|probe| probe.name == "cpu")?.detail.get(key)
}

/// Why pprof alone took the stacks of the run, where both samplers were to; `None` where they did or one was asked for.
#[must_use]
pub fn pprof_alone(run: &Run) -> Option<&str> {
    told(run, "pprof_alone")?.as_str()
}

/// What the run says; `None` where one sampler alone took its stacks.
#[must_use]
pub fn agreement(run: &Run) -> Option<Agreement> {
    let told = told(run, "agreement")?;
    Some(Agreement {
        agree: told.get("agree")?.as_bool()?,
        function: told.get("function")?.as_str()?.to_owned(),
        pprof: told.get("pprof_share")?.as_f64()?,
        jittered: told.get("jittered_share")?.as_f64()?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::record::Probed;

    #[test]
    fn what_is_no_agreement_is_none() {
        let mut run = crate::analysis::summary::sample::watched(1);
        for (told, known) in [
            (json!(1), false),
            (json!({ "agree": true, "function": "f", "pprof_share": "x", "jittered_share": 0.1 }), false),
            (json!({ "agree": true, "function": "f", "pprof_share": 0.2, "jittered_share": 0.1 }), true),
        ] {
            let detail = Map::from_iter([("agreement".to_owned(), told)]);
            run.probes = vec![Probed { name: "cpu".into(), overhead: None, detail }];
            assert_eq!(agreement(&run).is_some(), known);
        }
    }
}

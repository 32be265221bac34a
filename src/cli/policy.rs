//! How runs are judged: `perfkit.toml` and flags become a policy.

use std::path::Path;

use clap::Args;

use super::config::{Config, EVERY, Margins};
use super::parse;
use crate::compare::objective::{self, Target};
use crate::compare::policy::{Accepted, Limit, Mismatch};
use crate::compare::{Policy, Stopping, policy};
use crate::error::{Error, Result};
use crate::stats::paired::Design;
use crate::unit::Unit;

/// What every verb takes that judges.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "How it is judged")]
pub(super) struct PolicyFlags {
    /// Compare although the two runs were made under other conditions: processor, load, services, parameters
    #[arg(long)]
    allow_mismatch: bool,
    /// Confidence of every interval
    #[arg(long, value_name = "RATIO", default_value = "95%", value_parser = parse::flag(parse::ratio))]
    confidence: f64,
}

impl PolicyFlags {
    /// Whether runs of other conditions are compared.
    pub(super) fn allows_mismatch(&self) -> bool {
        self.allow_mismatch
    }
}

/// The policy for one workload.
///
/// # Errors
/// A margin, a floor or an objective that cannot be meant; the message names the file and the key.
pub(super) fn policy(
    (config, path): &(Config, std::path::PathBuf),
    workload: &str,
    flags: &PolicyFlags,
    design: Design,
    stopping: Stopping,
) -> Result<Policy> {
    if !(0.6..0.9999).contains(&flags.confidence) {
        return Err(Error::usage("--confidence must lie between 60% and 99.99%", "95% is customary"));
    }
    let mut limits = Vec::new();
    for section in [workload, EVERY] {
        for (metric, margins) in config.compare.get(section).into_iter().flatten() {
            let key = format!("[compare.{section:?}] {metric:?}");
            limits.push((metric.clone(), limit(margins).map_err(|message| wrong(path, &key, &message))?));
        }
    }
    let mut objectives = Vec::new();
    for section in [EVERY, workload] {
        for text in config.slo.get(section).into_iter().flatten() {
            let target: Target = text.parse().map_err(|error: objective::NoObjective| {
                let hint = "an objective is a metric, a comparison and a value: \"latency.p95 < 2s\"";
                Error::read(path, format!("[slo] {section:?}: {error}"), hint)
            })?;
            objectives.push(target);
        }
    }
    let mut accepted = Vec::new();
    for accept in config.accept.iter().filter(|accept| accept.workload == workload) {
        let key = format!("[[accept]] {}", accept.metric);
        // Whoever accepts a metric again means the last word: entries are added at the end.
        accepted.retain(|earlier: &Accepted| earlier.metric != accept.metric);
        accepted.push(Accepted {
            metric: accept.metric.clone(),
            change: share(&accept.change).map_err(|message| wrong(path, &key, &message))?,
            reason: accept.reason.clone(),
            commit: accept.commit.clone(),
        });
    }
    let mismatch = if flags.allow_mismatch { Mismatch::Allow } else { Mismatch::Refuse };
    let confidence = flags.confidence;
    Ok(Policy { confidence, design, stopping, mismatch, limits, accepted, objectives, ..policy::Policy::default() })
}

fn wrong(path: &Path, key: &str, message: &str) -> Error {
    Error::read(path, format!("{key}: {message}"), "a margin is written \"10%\", a floor with its unit \"50us\"")
}

fn limit(margins: &Margins) -> Result<Limit, String> {
    let share = |text: &Option<String>| text.as_deref().map(share).transpose();
    let (fail, warn) = (share(&margins.fail)?, share(&margins.warn)?);
    if let (Some(fail), Some(warn)) = (fail, warn)
        && warn > fail
    {
        return Err("the margin that warns is above the one that fails".to_owned());
    }
    let floor = |text: &String| {
        let quantity = objective::quantity(text).filter(|(value, _)| *value >= 0.0);
        quantity.ok_or_else(|| format!("`{text}` is no floor"))
    };
    let min_effect = margins.min_effect.as_ref().map(floor).transpose()?;
    Ok(Limit { fail, warn, min_effect, gate: margins.gate })
}

/// `25%` or `0.25`; may be above 100 %.
fn share(text: &str) -> Result<f64, String> {
    match objective::quantity(text) {
        Some((value, None | Some(Unit::Ratio))) if value > 0.0 => Ok(value),
        _ => Err(format!("`{text}` is no margin")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Policy> {
        let config: Config = toml::from_str(text).unwrap();
        let flags = PolicyFlags { allow_mismatch: false, confidence: 0.95 };
        policy(&(config, "perfkit.toml".into()), "chat", &flags, Design::Unpaired, Stopping::Fixed)
    }

    #[test]
    fn a_workloads_margin_is_stronger_than_that_of_all() {
        let policy = of("[compare.'*']\n'latency.p95' = { fail = '30%' }\n[compare.chat]\n'latency.p95' = { fail = '20%', min_effect = '50us' }\n[compare.other]\n'latency.p95' = { fail = '1%' }\n").unwrap();
        let rules = policy.rules("latency.p95", policy::Origin::Perfkit);
        assert!((rules.fail - 0.2).abs() < 1e-12);
        assert_eq!(rules.min_effect, (50_000.0, Some(Unit::Ns)));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_key() {
        for (text, part) in [
            ("[compare.chat]\n'latency.p95' = { fail = '-3%' }", "latency.p95"),
            ("[compare.chat]\n'latency.p95' = { fail = '10%', warn = '20%' }", "above the one that fails"),
            ("[compare.chat]\n'latency.p95' = { min_effect = '5 parsecs' }", "no floor"),
            ("[slo]\nchat = ['latency.p95']", "is no objective"),
            ("[[accept]]\nworkload = 'chat'\nmetric = 'latency.p95'\nchange = 'much'\nreason = 'x'", "no margin"),
        ] {
            let error = of(text).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("perfkit.toml"), "{error}");
        }
    }
}

//! Puts the rounds together into a run and writes its files, all but `run.json`.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use hdrhistogram::serialization::Deserializer;

use super::recording::Rounds;
use super::samplers::Agreement;
use super::{Plan, RoundResult, rows, samplers, stalls, validity};
use crate::error::{Error, Result};
use crate::load::Model;
use crate::record::charge::{self, Charged};
use crate::record::folded;
use crate::record::operation::Operations;
use crate::record::pass::Pass;
use crate::record::stacks::Stacks;
use crate::record::stall::STALLS_FILE;
use crate::record::store::Draft;
use crate::record::{self, Environment, Growth, Metric, Phase, Probed, Round, Run, Site, histogram, pprof, schema};
use crate::warning::{Caution, Warning};

/// What is known of the run beside its rounds.
pub(super) struct Made {
    pub(super) id: String,
    pub(super) started: Duration,
    pub(super) environment: Environment,
    pub(super) services: BTreeMap<String, record::Service>,
}

/// Rounds below which an interval over rounds says little.
const ROUNDS_FOR_INTERVAL: usize = 3;

/// Puts the run together.
pub(super) fn run(plan: &Plan, made: &Made, rounds: &mut Rounds) -> Run {
    rounds.results.sort_by_key(|result| (result.pass, result.round));
    let mut operations = Operations::default();
    // Without a time pass those of the passes that were run: a heap profile has operations too.
    let timed = rounds.of(Pass::Time).next().is_some();
    let counted = rounds.results.iter().filter(|result| !timed || result.pass == Pass::Time);
    counted.for_each(|result| operations.add(&result.operations));
    let agreement = samplers::compare(rounds);
    let rounds = &*samplers::settle(rounds, agreement.as_ref());
    let (status, status_reason) = validity::status(plan, rounds);
    Run {
        schema: schema::VERSION.to_owned(),
        id: made.id.clone(),
        workload: plan.workload.clone(),
        variant: plan.variant.clone(),
        foreign: None,
        status,
        status_reason,
        environment: made.environment.clone(),
        load: load(plan, rounds),
        params: plan.params.clone(),
        services: made.services.clone(),
        metrics: metrics(rounds),
        rounds: rounds.results.iter().map(round).collect(),
        phases: phases(rounds),
        components: Vec::new(),
        stalls: stalls::worst(rounds),
        functions: charge::functions(&charged(rounds, Pass::Cpu, "cpu"), "cpu"),
        sites: match grown(rounds) {
            Some((_, sites)) => sites.clone(),
            None => charge::sites(&charged(rounds, Pass::Heap, "heap")),
        },
        allocators: charge::allocators(&charged(rounds, Pass::Heap, "heap")),
        holders: charge::holders(&charged(rounds, Pass::Memory, "memory")),
        growth: grown(rounds).map(|(growth, _)| growth.clone()),
        probes: probes(rounds, agreement.as_ref()),
        findings: Vec::new(),
        warnings: warnings(plan, rounds, agreement.as_ref()),
        operations,
        extra: serde_json::Map::new(),
    }
}

fn load(plan: &Plan, rounds: &Rounds) -> record::Load {
    let (model, users, rate_per_s) = match &plan.load.model {
        Model::Closed { users } => ("closed", *users, None),
        Model::Open { schedule } => {
            let most = rounds.of(Pass::Time).map(|result| result.workers).max().unwrap_or(0);
            ("open", most, Some(schedule.mean_rate()))
        }
    };
    // The rounds of a `leaks` session are its own.
    let session = grown(rounds).map(|(growth, _)| (growth.operations.len() as u32, growth.operations_per_round()));
    let operations = session.map_or(plan.load.operations, |(_, operations)| Some(operations));
    record::Load {
        model: model.to_owned(),
        users,
        rate_per_s,
        duration_s: operations.is_none().then_some(plan.load.duration.as_secs_f64()),
        operations,
        warmup_s: if session.is_some() { 0.0 } else { plan.load.warmup.as_secs_f64() },
        rounds: session.map_or(plan.rounds, |(rounds, _)| rounds),
        seed: plan.seed,
        runtime: plan.runtime.to_string(),
        timeout_s: plan.load.timeout.as_secs_f64(),
        frequency_hz: plan.frequency_hz,
        passes: plan.passes.iter().map(|pass| pass.name().to_owned()).collect(),
    }
}

/// Every metric with one value for each round of its pass. Latencies come from the time pass alone.
fn metrics(rounds: &Rounds) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = Vec::new();
    for pass in Pass::ALL {
        let results: Vec<&RoundResult> = rounds.of(pass).collect();
        for (index, result) in results.iter().enumerate() {
            let ok = result.operations.ok as f64;
            let own = result.values.iter().filter(|_| pass == Pass::Time);
            for value in own.chain(result.readings.iter().flat_map(|reading| &reading.metrics)) {
                let place = metrics.iter().position(|metric| metric.name == value.name).unwrap_or_else(|| {
                    let mut metric = Metric::new(&value.name, value.unit, value.better);
                    metric.values = vec![f64::NAN; results.len()];
                    metrics.push(metric);
                    metrics.len() - 1
                });
                let number = value.value.unwrap_or(f64::NAN) - of_harness(result, &value.name);
                metrics[place].values[index] = if value.per_operation { number / ok } else { number };
            }
        }
    }
    metrics
}

/// What a comparison wants to know of a round beside its metrics.
fn round(result: &RoundResult) -> Round {
    let (samples, cpu_ns) = match stacks(result, "cpu") {
        Some(stacks) => {
            let total = |weight: &str| stacks.weight(weight).map(|weight| stacks.total(weight));
            (total("samples").map(|count| count.max(0) as u64), total("cpu").map(|ns| ns as f64))
        }
        None => (None, None),
    };
    Round {
        pass: result.pass,
        round: result.round,
        planned: result.operations.planned,
        ok: result.operations.ok,
        latencies: if result.pass == Pass::Time { result.places.clone() } else { Vec::new() },
        stacks: samples,
        cpu_ns,
    }
}

/// What perfkit's own allocations add to a metric of the heap or the memory pass; 0 for every other metric.
fn of_harness(result: &RoundResult, metric: &str) -> f64 {
    let (of, weight) = match metric {
        "heap.bytes_per_op" => ("heap", "alloc_space"),
        "heap.blocks_per_op" => ("heap", "alloc_objects"),
        "heap.growth_per_op" => ("heap", "inuse_space"),
        "heap.peak" => ("heap", "peak_space"),
        "memory.peak" => ("memory", "peak_space"),
        _ => return 0.0,
    };
    stacks(result, of).map_or(0.0, |stacks| charge::harness_total(stacks, weight))
}

/// The phases of all rounds of the time pass, weighted by how often they were passed.
fn phases(rounds: &Rounds) -> Vec<Phase> {
    let latency: f64 = rounds.of(Pass::Time).map(|result| result.latency_sum_ns).sum();
    let mut sums: Vec<Phase> = Vec::new();
    for phase in rounds.of(Pass::Time).flat_map(|result| &result.readings).flat_map(|reading| &reading.phases) {
        match sums.iter_mut().find(|known| known.name == phase.name) {
            None => sums.push(phase.clone()),
            Some(known) => {
                let (a, b) = (known.count as f64, phase.count as f64);
                let mean = |x: f64, y: f64| (x * a + y * b) / (a + b);
                known.mean_ns = mean(known.mean_ns, phase.mean_ns);
                known.busy_ns = mean(known.busy_ns, phase.busy_ns);
                known.idle_ns = mean(known.idle_ns, phase.idle_ns);
                known.scheduled_ns = known.scheduled_ns.zip(phase.scheduled_ns).map(|(x, y)| mean(x, y));
                known.max_ns = known.max_ns.max(phase.max_ns);
                known.count += phase.count;
            }
        }
    }
    for phase in &mut sums {
        phase.share = (latency > 0.0).then(|| phase.mean_ns * phase.count as f64 / latency);
    }
    sums.sort_by(|a, b| (b.mean_ns * b.count as f64).total_cmp(&(a.mean_ns * a.count as f64)));
    sums
}

fn stacks<'a>(result: &'a RoundResult, of: &str) -> Option<&'a Stacks> {
    let all = result.readings.iter().flat_map(|reading| &reading.stacks);
    all.filter(|(name, _)| name == of).map(|(_, stacks)| stacks).next()
}

fn charged<'a>(rounds: &'a Rounds, pass: Pass, of: &str) -> Vec<Charged<'a>> {
    rounds
        .of(pass)
        .filter(|result| result.operations.ok > 0)
        .filter_map(|result| {
            stacks(result, of).map(|stacks| Charged { stacks, operations: result.operations.ok as f64 })
        })
        .collect()
}

/// What a `leaks` session saw.
fn grown(rounds: &Rounds) -> Option<&(Growth, Vec<Site>)> {
    rounds.of(Pass::Leaks).flat_map(|result| &result.readings).find_map(|reading| reading.growth.as_ref())
}

/// The stacks of all rounds of a pass, added up.
fn merged(rounds: &Rounds, pass: Pass, of: &str) -> Stacks {
    let mut sum = Stacks::default();
    rounds.of(pass).filter_map(|result| stacks(result, of)).for_each(|stacks| sum.merge(stacks.clone()));
    sum
}

/// The last round's stacks: heap files are of one round, so that they equal the recorder's own file.
fn last<'a>(rounds: &'a Rounds, pass: Pass, of: &str) -> Option<(&'a RoundResult, &'a Stacks)> {
    rounds.of(pass).filter_map(|result| stacks(result, of).map(|stacks| (result, stacks))).last()
}

fn probes(rounds: &Rounds, agreement: Option<&Agreement>) -> Vec<Probed> {
    let mut probes: Vec<Probed> = Vec::new();
    for result in &rounds.results {
        for reading in &result.readings {
            let place = probes.iter().position(|probe| probe.name == reading.probe).unwrap_or_else(|| {
                let detail = serde_json::Map::from_iter([
                    ("pass".to_owned(), result.pass.name().into()),
                    ("rounds".to_owned(), serde_json::Value::Array(Vec::new())),
                ]);
                probes.push(Probed { name: reading.probe.clone(), overhead: None, detail });
                probes.len() - 1
            });
            if let Some(serde_json::Value::Array(facts)) = probes[place].detail.get_mut("rounds") {
                facts.push(serde_json::Value::Object(reading.detail.clone()));
            }
        }
    }
    if let Some(probe) = probes.iter_mut().find(|probe| probe.name == "cpu") {
        let told = agreement.map(|agreement| ("agreement".to_owned(), agreement.to_json()));
        let alone = rounds.pprof_alone.clone().map(|reason| ("pprof_alone".to_owned(), reason.into()));
        probe.detail.extend(told.into_iter().chain(alone));
    }
    probes
}

/// Every warning once.
fn warnings(plan: &Plan, rounds: &Rounds, agreement: Option<&Agreement>) -> Vec<Warning> {
    let mut warnings: Vec<Warning> = rounds.cautions.iter().cloned().map(Warning::from).collect();
    warnings.extend(agreement.and_then(Agreement::caution).map(Warning::from));
    let told = rounds.results.iter().flat_map(|result| {
        result.warnings.iter().chain(result.readings.iter().flat_map(|reading| &reading.warnings)).cloned()
    });
    warnings.extend(told);
    let censored = rounds.of(Pass::Time).flat_map(|result| &result.censored);
    warnings.extend(censored.map(|metric| Caution::Censored { metric: metric.clone() }.into()));
    for (metric, needed) in [("latency.p95", 60), ("latency.p99", 300)] {
        let fewest = rounds.of(Pass::Time).map(|result| result.operations.ok).min().unwrap_or(needed);
        if fewest > 0 && fewest < needed {
            warnings.push(Caution::FewOperations { metric: metric.into(), operations: fewest, needed }.into());
        }
    }
    // A `leaks` session has its rounds in one process.
    let in_processes = plan.passes.iter().filter(|pass| **pass != Pass::Leaks);
    let counts = in_processes.map(|pass| (pass.name(), rounds.of(*pass).count()));
    let few: Vec<(&str, usize)> = counts.filter(|(_, count)| *count < ROUNDS_FOR_INTERVAL).collect();
    if let Some(fewest) = few.iter().map(|(_, count)| *count).min() {
        let passes = few.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        warnings.push(Caution::FewRounds { passes, rounds: fewest, needed: ROUNDS_FOR_INTERVAL }.into());
    }
    let mut seen = std::collections::HashSet::new();
    warnings.retain(|warning| seen.insert((warning.code.clone(), warning.message.clone())));
    warnings
}

/// Writes the files of the run, all but `run.json`, and removes those of its rounds.
pub(super) fn write_files(draft: &Draft, made: &Made, rounds: &Rounds) -> Result<()> {
    let folder = draft.folder();
    let rounds = &*samplers::settle(rounds, samplers::compare(rounds).as_ref());
    let cpu = merged(rounds, Pass::Cpu, "cpu");
    let heap = last(rounds, Pass::Heap, "heap").or_else(|| last(rounds, Pass::Leaks, "heap"));
    rows::merge(folder, &rounds.results, &folder.join("ops.csv"))?;
    write_log(&folder.join("latency.hlog"), made, rounds)?;
    write_series(&folder.join("series.csv"), rounds)?;
    stalls::write(&folder.join(STALLS_FILE), rounds)?;
    if !cpu.stacks.is_empty() {
        let sampled = rounds.of(Pass::Cpu).filter(|result| stacks(result, "cpu").is_some());
        let duration: Duration = sampled.map(|result| result.elapsed).sum();
        let samples = cpu.weight("samples").map_or(1, |weight| cpu.total(weight)).max(1);
        let about = pprof::About {
            time_ns: made.started.as_nanos() as i64,
            duration_ns: duration.as_nanos() as i64,
            period: cpu.weight("cpu").map_or(0, |weight| cpu.total(weight)) / samples,
            default_weight: "cpu".to_owned(),
            comment: format!("perfkit run {}: CPU time as measured, all rounds of the cpu pass", made.id),
        };
        write_stacks(folder, "cpu", &cpu, &about)?;
    }
    let held = merged(rounds, Pass::Time, "stalls");
    if !held.stacks.is_empty() {
        let duration: Duration = rounds.of(Pass::Time).map(|result| result.elapsed).sum();
        let about = pprof::About {
            time_ns: made.started.as_nanos() as i64,
            duration_ns: duration.as_nanos() as i64,
            period: 1,
            default_weight: "held".to_owned(),
            comment: format!("perfkit run {}: worker threads held by stalls, all rounds of the time pass", made.id),
        };
        write_stacks(folder, "stalls", &held, &about)?;
    }
    if let Some((result, stacks)) = heap {
        let about = pprof::About {
            time_ns: result.began.as_nanos() as i64,
            duration_ns: result.elapsed.as_nanos() as i64,
            period: 1,
            default_weight: "alloc_space".to_owned(),
            comment: format!("perfkit run {}: round {} of the {} pass", made.id, result.round, result.pass),
        };
        write_stacks(folder, "heap", stacks, &about)?;
        let name = crate::probe::heap::DHAT_FILE;
        let (source, target) = (rows::folder(folder, result.pass, result.round).join(name), folder.join(name));
        match std::fs::rename(&source, &target) {
            // Not every recorder is dhat.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::write(&target, error)),
            _ => {}
        }
    }
    let scratch = folder.join(".rounds");
    match std::fs::remove_dir_all(&scratch) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::write(&scratch, error)),
        _ => Ok(()),
    }
}

fn create(path: &Path) -> Result<BufWriter<File>> {
    File::create(path).map(BufWriter::new).map_err(|error| Error::write(path, error))
}

fn write_stacks(folder: &Path, name: &str, stacks: &Stacks, about: &pprof::About) -> Result<()> {
    let path = folder.join(format!("{name}.pb.gz"));
    let mut out = create(&path)?;
    pprof::write(stacks, about, &mut out).and_then(|()| out.flush()).map_err(|error| Error::write(&path, error))?;
    let path = folder.join(format!("{name}.folded"));
    let mut out = create(&path)?;
    let weight = stacks.weight(&about.default_weight).unwrap_or(0);
    for line in folded::fold(stacks, weight) {
        writeln!(out, "{line}").map_err(|error| Error::write(&path, error))?;
    }
    out.flush().map_err(|error| Error::write(&path, error))
}

fn write_log(path: &Path, made: &Made, rounds: &Rounds) -> Result<()> {
    let mut read = Vec::new();
    for result in rounds.of(Pass::Time) {
        let histogram: hdrhistogram::Histogram<u64> = Deserializer::new()
            .deserialize(&mut result.histogram.as_slice())
            .map_err(|error| Error::internal(format!("histogram: {error:?}")))?;
        read.push((result, histogram));
    }
    let intervals: Vec<histogram::Interval<'_>> = read
        .iter()
        .map(|(result, histogram)| histogram::Interval {
            round: result.round,
            start: result.began.saturating_sub(made.started),
            duration: result.elapsed,
            histogram,
        })
        .collect();
    let mut out = create(path)?;
    histogram::write_log(&mut out, made.started, &intervals)
        .map_err(|error| Error::write(path, std::io::Error::other(error)))?;
    out.flush().map_err(|error| Error::write(path, error))
}

fn write_series(path: &Path, rounds: &Rounds) -> Result<()> {
    let wrap = |error: csv::Error| Error::write(path, std::io::Error::other(error));
    let mut out = csv::Writer::from_writer(create(path)?);
    out.write_record(["pass", "round", "t_ns", "name", "unit", "value"]).map_err(wrap)?;
    let mut numbers: HashMap<u32, String> = HashMap::new();
    for result in &rounds.results {
        let round = numbers.entry(result.round).or_insert_with(|| result.round.to_string()).clone();
        for series in result.readings.iter().flat_map(|reading| &reading.series) {
            for (at, value) in &series.points {
                let (at, value) = (at.to_string(), value.to_string());
                let record = [result.pass.name(), &round, &at, &series.name, series.unit.name(), &value];
                out.write_record(record).map_err(wrap)?;
            }
        }
    }
    out.flush().map_err(|error| Error::write(path, error))
}

//! The components of a run round by round, as the run keeps them for comparing its spread. Refuses no run: a round that could not
//! say is NaN.

use super::shares::{self, Moments};
use super::split::Splitter;
use crate::record::ops::{Columns, RoundOps, STATES};
use crate::record::pass::Pass;
use crate::record::{Component, Run};

/// The most components that are kept; a run with a thousand phases must not make its `run.json` large.
const MOST: usize = 100;
/// What the rest of them is called.
const OTHERS: &str = "others";

/// What the latency of a run is made of: of each component the covariance with the latency and the mean, one value for each round
/// of the run's time pass. In each round the covariances add up to the variance of the latency, the means to its mean.
///
/// Cost: O(operations · components), about 0.5 s for a million with eight phases.
///
/// ```
/// use perfkit::analysis::variance::components;
/// use perfkit::record::pass::Pass;
/// use perfkit::record::ops::{Columns, Timed};
/// use perfkit::record::{Round, Run};
///
/// let mut run = Run::foreign("example", "1", "shop");
/// let round = Round { pass: Pass::Time, round: 0, planned: 2, ok: 2, latencies: Vec::new(), stacks: None, cpu_ns: None };
/// run.rounds.push(round);
/// let mut columns = Columns::new(&["redis.get"]);
/// for get in [10, 30] {
///     let timed = Timed { due_ns: 0, start_ns: 0, end_ns: get + 5, states_ns: None, cells_ns: &[get as f32] };
///     columns.push(0, timed);
/// }
/// let components = components(&run, &columns);
/// assert_eq!((components[0].name.as_str(), components[0].mean_ns[0]), ("redis.get", 20.0));
/// assert_eq!(components[0].covariance_ns2[0], 200.0);
/// ```
#[must_use]
pub fn components(run: &Run, columns: &Columns) -> Vec<Component> {
    if columns.is_empty() {
        return Vec::new();
    }
    let splitter = Splitter::by_phase(columns);
    let sizes: Vec<usize> = columns.rounds().iter().map(RoundOps::len).collect();
    let (moments, _) = shares::moments(&splitter, &sizes);
    // A round without good operations is in the run, but not among the operations.
    let of_round = |round: u32| columns.rounds().iter().position(|known| known.round == round);
    let timed = run.rounds.iter().filter(|round| round.pass == Pass::Time);
    let rounds: Vec<Option<&Moments>> = timed.map(|round| of_round(round.round).map(|place| &moments[place])).collect();
    let nesting: Vec<(&str, &str)> = splitter.nesting().collect();
    let of_component = |(component, name): (usize, &String)| {
        let covariance = |moments: &Moments| match moments.count {
            count if count > 1.0 => moments.products[component] / (count - 1.0),
            _ => f64::NAN,
        };
        Component {
            name: name.clone(),
            within: nesting.iter().find(|(phase, _)| *phase == phase_of(name)).map(|(_, around)| (*around).to_owned()),
            covariance_ns2: rounds.iter().map(|moments| moments.map_or(f64::NAN, covariance)).collect(),
            mean_ns: rounds
                .iter()
                .map(|moments| moments.map_or(f64::NAN, |moments| moments.means[component]))
                .collect(),
        }
    };
    let mut components: Vec<Component> = splitter.names().iter().enumerate().map(of_component).collect();
    let is_nothing = |value: &f64| *value == 0.0 || value.is_nan();
    components.retain(|one| !one.covariance_ns2.iter().chain(&one.mean_ns).all(is_nothing));
    let size =
        |one: &Component| one.covariance_ns2.iter().filter(|value| value.is_finite()).map(|value| value.abs()).sum();
    components.sort_by(|a, b| f64::total_cmp(&size(b), &size(a)).then_with(|| a.name.cmp(&b.name)));
    if components.len() > MOST {
        let rest = components.split_off(MOST - 1);
        components.extend(together(&rest));
    }
    components
}

/// The phase that a component is the time, or a state, of.
fn phase_of(component: &str) -> &str {
    let state = component.rsplit_once('/').filter(|(_, state)| STATES.contains(state));
    state.map_or(component, |(phase, _)| phase)
}

/// Components as one.
fn together(components: &[Component]) -> Option<Component> {
    let (first, rest) = components.split_first()?;
    let mut sum = Component { name: OTHERS.to_owned(), within: None, ..first.clone() };
    for one in rest {
        sum.covariance_ns2.iter_mut().zip(&one.covariance_ns2).for_each(|(sum, value)| *sum += value);
        sum.mean_ns.iter_mut().zip(&one.mean_ns).for_each(|(sum, value)| *sum += value);
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Round;
    use crate::record::ops::Timed;
    use crate::stats::describe;
    use crate::stats::random::Random;

    /// A run whose time pass had these rounds.
    fn run(rounds: &[u32]) -> Run {
        let mut run = Run::foreign("simulation", "1", "shop");
        let round =
            |pass, round| Round { pass, round, planned: 9, ok: 9, latencies: Vec::new(), stacks: None, cpu_ns: None };
        run.rounds = rounds.iter().map(|number| round(Pass::Time, *number)).collect();
        run.rounds.push(round(Pass::Cpu, 0));
        run
    }

    /// Operations of that many phases, which take up to a microsecond each.
    fn columns(phases: usize, rounds: &[(u32, usize)]) -> Columns {
        let names: Vec<String> = (0..phases).map(|phase| format!("phase{phase}")).collect();
        let mut columns = Columns::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let mut random = Random::new(3);
        for (round, size) in rounds {
            for _ in 0..*size {
                let cells: Vec<f32> = (0..phases).map(|_| (1_000.0 * random.uniform()).round() as f32).collect();
                let end_ns = cells.iter().map(|cell| *cell as u64).sum::<u64>() + (100.0 * random.uniform()) as u64;
                columns.push(*round, Timed { due_ns: 0, start_ns: 0, end_ns, states_ns: None, cells_ns: &cells });
            }
        }
        columns
    }

    #[test]
    fn in_each_round_they_add_up_to_the_variance_and_the_mean_of_the_latency() {
        for phases in [3, 150] {
            let columns = columns(phases, &[(0, 80), (1, 50), (2, 30)]);
            let components = components(&run(&[0, 1, 2]), &columns);
            assert!(components.len() <= MOST && (phases < MOST || components.last().unwrap().name == OTHERS));
            for (place, round) in columns.rounds().iter().enumerate() {
                let sum = |of: fn(&Component) -> &Vec<f64>| components.iter().map(|one| of(one)[place]).sum::<f64>();
                let variance = describe::variance(&round.latency_ns).unwrap();
                assert!((sum(|one| &one.covariance_ns2) / variance - 1.0).abs() < 1e-9, "{phases} phases");
                assert!((sum(|one| &one.mean_ns) / describe::mean(&round.latency_ns).unwrap() - 1.0).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn rounds_without_operations_or_with_one_have_their_place_and_no_covariance() {
        let columns = columns(2, &[(3, 40), (1, 1)]);
        let components = components(&run(&[0, 1, 3]), &columns);
        for one in &components {
            let [none, single, many] = one.covariance_ns2[..] else { panic!("three rounds: {one:?}") };
            assert!(none.is_nan() && single.is_nan() && many.is_finite(), "{one:?}");
            assert!(one.mean_ns[0].is_nan() && one.mean_ns[1].is_finite(), "{one:?}");
        }
        let text = serde_json::to_string(&components).unwrap();
        assert!(text.contains("[null,null,"), "{text}");
        assert_eq!(serde_json::from_str::<Vec<Component>>(&text).unwrap().len(), components.len());
    }

    #[test]
    fn without_operations_there_are_none() {
        assert!(components(&run(&[0]), &Columns::new(&["a"])).is_empty());
    }
}

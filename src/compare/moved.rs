//! Whether a cost only moved between functions of one module: then the module is as it was, and no function of it has regressed. A
//! module that is large enough to hide a function's change has not taken it over: other functions must be shown to have lost what this
//! one gained.

use std::collections::BTreeMap;

use super::Verdict;
use super::functions::{Arms, Judged, Row};
use crate::record::name;

/// The part of a change that opposite changes in the module must make up for.
const OFFSET: f64 = 0.5;

/// Gives functions whose cost moved within their module the module's verdict, and says so.
pub(super) fn settle(names: &[&str], rows: &[Row], judged: &mut [Judged], arms: &Arms<'_>) {
    if !judged.iter().any(|one| one.verdict == Verdict::Regressed)
        || !judged.iter().any(|one| one.verdict == Verdict::Improved)
    {
        return;
    }
    let mut modules: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, name) in names.iter().enumerate() {
        if let Some(module) = module(name).filter(|_| rows[index].counts.is_some()) {
            modules.entry(module).or_default().push(index);
        }
    }
    let sums: Vec<Row> = modules.values().map(|members| sum(members, rows)).collect();
    for ((module, members), whole) in modules.iter().zip(arms.judge(&sums, 0.0)) {
        if whole.verdict != Verdict::Unchanged {
            continue;
        }
        let change = |of: Verdict| -> f64 {
            let found = members.iter().filter(|index| judged[**index].verdict == of);
            found.map(|index| (judged[*index].head_ns - judged[*index].base_ns).abs()).sum()
        };
        let (gained, lost) = (change(Verdict::Regressed), change(Verdict::Improved));
        let offset = [(Verdict::Regressed, lost >= OFFSET * gained), (Verdict::Improved, gained >= OFFSET * lost)];
        let moved = |of: Verdict| offset.contains(&(of, true));
        let ends = whole.low.zip(whole.high).map_or(String::new(), |(low, high)| format!(" ({low:.2} to {high:.2})"));
        for index in members {
            let one = &mut judged[*index];
            if moved(one.verdict) {
                one.verdict = Verdict::Unchanged;
                let before = if one.note.is_empty() { String::new() } else { format!("; {}", one.note) };
                one.note = format!("moved within `{module}`, which is unchanged as a whole{ends}{before}");
            }
        }
    }
}

fn sum(members: &[usize], rows: &[Row]) -> Row {
    let (mut base, mut head) = (Vec::new(), Vec::new());
    for (more_base, more_head) in members.iter().filter_map(|index| rows[*index].counts.as_ref()) {
        add(&mut base, more_base);
        add(&mut head, more_head);
    }
    Row::counted(base, head)
}

fn add(sums: &mut Vec<f64>, more: &[f64]) {
    sums.resize(more.len(), 0.0);
    sums.iter_mut().zip(more).for_each(|(sum, count)| *sum += count);
}

/// The module of a function, or the type of a method: its name up to the last `::`, type parameters and closures left out. `None` for
/// a name without a path.
fn module(function: &str) -> Option<String> {
    let plain = name::readable(function);
    if let Some(inner) = plain.strip_prefix('<') {
        // `<Type as Trait>::method` belongs to the type, where its other methods are.
        let (kind, _) = inner.rsplit_once(">::")?;
        let kind = kind.split_once(" as ").map_or(kind, |(kind, _)| kind).trim_start_matches('&');
        let kind = kind.strip_prefix("mut ").unwrap_or(kind);
        return Some(kind.strip_prefix("dyn ").unwrap_or(kind).to_owned());
    }
    plain.rsplit_once("::").map(|(module, _)| module.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_belongs_to_its_module_and_a_method_to_its_type() {
        let cases = [
            ("shop::cart::add", Some("shop::cart")),
            ("shop::cart::add::<u8>::{{closure}}", Some("shop::cart")),
            ("shop::Cart<T>::total", Some("shop::Cart")),
            ("<shop::Cart<T> as shop::Total>::sum", Some("shop::Cart")),
            ("<&mut shop::Cart as Total>::sum", Some("shop::Cart")),
            ("<dyn shop::Price>::show", Some("dyn shop::Price")),
            ("<[u8; 4] as shop::T>::f", Some("[u8; 4]")),
            ("memcpy", None),
            ("", None),
            ("<<<", None),
        ];
        for (function, want) in cases {
            assert_eq!(module(function).as_deref(), want, "{function}");
        }
    }
}

//! What the comment must hold, and that no input can break it.

use super::*;
use crate::report::comparison::sample;

fn comment(judged: &[Judged]) -> String {
    sample::rendered(&FORMAT, &sample::check(judged))
}

/// Tables have the columns of their heads, what is folded is unfolded, and every line is one that was meant.
fn must_be_sound(text: &str) {
    assert!(text.len() <= MOST, "{} bytes", text.len());
    assert!(text.starts_with("<!-- perfkit -->\n## "), "{}", &text[..60]);
    let mut open = 0;
    let mut columns = None;
    for line in text.lines() {
        open += i32::from(line.starts_with("<details>")) - i32::from(line == "</details>");
        assert!((0..=1).contains(&open), "{line}");
        let known = [
            "<!-- perfkit -->",
            "## ",
            "### ",
            "| ",
            "|:--",
            "* ",
            "… and ",
            "<details>",
            "</details>",
            "base (",
            "**",
        ];
        let plain =
            line.is_empty() || line.starts_with(|c: char| c.is_alphanumeric() || !c.is_ascii() || "`\\@".contains(c));
        assert!(plain || known.iter().any(|start| line.starts_with(start)), "{line}");
        if line.starts_with('|') {
            let cells = line.replace("\\|", "").matches('|').count();
            assert_eq!(*columns.get_or_insert(cells), cells, "{line}");
        } else {
            columns = None;
        }
    }
    assert_eq!(open, 0);
}

#[test]
fn the_sample_is_sound_and_says_the_worst_first() {
    let text = comment(&[sample::judged(), sample::not_compared()]);
    must_be_sound(&text);
    let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} in\n{text}"));
    assert!(at("objective `latency.p95 < 100ms`") < at("`latency.p50`"));
    assert!(at("`latency.p50`") < at("<details>") && at("<details>") < at("`rss.max`"));
    assert!(at("`rss.max`") < at("### `search`: not compared ·"));
    assert!(text.contains("▲ regressed (accepted)") || text.contains("▲ **regressed (accepted)**"));
}

#[test]
fn ten_thousand_metrics_with_names_of_ten_kilobytes_fit() {
    let mut judged = sample::judged();
    let comparison = judged.comparison.as_mut().unwrap();
    let name = "é|`".repeat(2500);
    let slower = sample::slower("");
    let named = |index| MetricChange { name: format!("{name}{index}"), ..slower.clone() };
    comparison.metrics = (0..10_000).map(named).collect();
    for change in comparison.metrics.iter_mut().step_by(2) {
        change.verdict = Verdict::Unchanged;
    }
    let text = comment(&[judged]);
    must_be_sound(&text);
    assert!(text.contains("… and ") && text.contains("more rows"));
    assert!(text.contains("To do it again:"), "what stands last was crowded out");
}

#[test]
fn a_thousand_workloads_fit_and_the_rest_is_counted() {
    let judged = vec![sample::judged(); 1000];
    let text = comment(&judged);
    must_be_sound(&text);
    assert!(text.contains(" more workloads\n"), "{text}");
}

#[test]
fn hostile_text_breaks_nothing() {
    let long = "`|<details>@x#1".repeat(70_000);
    for text in
        ["a|b`c``d", "</details>\n\n## x\n<!-- perfkit -->", "@org/team #1 [a](b)", "\u{1b}[31m|", "\\", "", &long]
    {
        let text = comment(&[sample::hostile(text), sample::hostile(text)]);
        must_be_sound(&text);
        assert!(!text.contains("@o") || text.contains("`@org"), "a mention outside of code: {text}");
    }
}

#[test]
fn a_single_comparison_says_its_verdict_once() {
    let judged = [sample::judged()];
    let text = sample::rendered(&FORMAT, &Judgement { kind: Kind::Comparison, ..sample::check(&judged) });
    must_be_sound(&text);
    assert!(text.contains("\n### `chat`\n"), "{text}");
}

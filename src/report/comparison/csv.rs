//! A comparison as rows: every metric of every workload with the fields of the JSON document. Functions, shape and objectives are not
//! in it.

use std::io::{self, Write};

use serde_json::Value;

use super::{Format, Judgement};

pub(super) static FORMAT: Format =
    Format { name: "csv", about: "every metric of every workload, one row each", render };

/// The fields of a metric in the document, in its order.
const FIELDS: &[&str] = &[
    "name",
    "unit",
    "better",
    "base",
    "head",
    "ratio",
    "low",
    "high",
    "method",
    "rounds_base",
    "rounds_head",
    "margin",
    "warn_margin",
    "gated",
    "verdict",
    "note",
    "p_regressed",
    "sensitive",
    "warned",
    "accepted",
    "minimum_detectable",
    "more_rounds",
];

/// The fields of its parts.
const PARTS: &[(&str, &[&str])] =
    &[("difference", &["estimate", "low", "high"]), ("alternative", &["method", "ratio", "low", "high", "verdict"])];

fn render(judgement: &Judgement<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    let parts = || PARTS.iter().flat_map(|(part, fields)| fields.iter().map(move |field| (*part, *field)));
    let head =
        FIELDS.iter().map(|field| (*field).to_owned()).chain(parts().map(|(part, field)| format!("{part}_{field}")));
    writer.write_record(std::iter::once("workload".to_owned()).chain(head))?;
    for judged in judgement.judged {
        for change in judged.comparison.iter().flat_map(|comparison| &comparison.metrics) {
            let value = serde_json::to_value(change).map_err(io::Error::from)?;
            let cells = FIELDS.iter().map(|field| cell(&value[*field]));
            let cells = cells.chain(parts().map(|(part, field)| cell(&value[part][field])));
            writer.write_record(std::iter::once(inert(&judged.workload)).chain(cells))?;
        }
    }
    writer.flush()
}

/// A value as it stands in the document; nothing where there is none.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => inert(text),
        other => other.to_string(),
    }
}

/// Text that a spreadsheet would take for a formula, marked as text.
fn inert(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Alternative, Method};
    use crate::report::comparison::sample;

    #[test]
    fn every_field_of_the_document_has_its_column() {
        let mut change = sample::success_rate();
        change.warn_margin = Some(0.005);
        change.p_regressed = Some(0.5);
        change.alternative =
            Some(Alternative { method: Method::WelchT, ratio: 1.0, low: 0.9, high: 1.1, verdict: change.verdict });
        let value = serde_json::to_value(&change).unwrap();
        for (field, value) in value.as_object().unwrap() {
            let part = PARTS.iter().find(|(part, _)| part == field);
            match part {
                Some((_, fields)) => assert_eq!(fields.len(), value.as_object().unwrap().len(), "{field}"),
                None => assert!(FIELDS.contains(&field.as_str()), "{field} has no column"),
            }
        }
    }

    #[test]
    fn names_stay_in_their_cells_and_are_no_formulas() {
        let mut judged = sample::judged();
        let hostile = "=HYPERLINK(\"http://x\"),\"a\"\nb";
        judged.comparison.as_mut().unwrap().metrics.truncate(1);
        judged.comparison.as_mut().unwrap().metrics[0].name = hostile.to_owned();
        let text = sample::rendered(&FORMAT, &sample::check(&[judged]));
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 1);
        assert_eq!(&rows[0][1], format!("'{hostile}"));
        assert_eq!(&rows[0][4], "29100000.0");
    }
}

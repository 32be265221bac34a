//! A comparison as one JSON document: of two runs the comparison itself, of a check the check. Leaves nothing out.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;

use super::{Format, Judgement, Kind};
use crate::compare::{CHECK_SCHEMA, Check};

pub(super) static FORMAT: Format =
    Format { name: "json", about: "the comparison itself, or the check, as one document", render };

fn render(judgement: &Judgement<'_>, out: &mut dyn Write) -> io::Result<()> {
    let comparison = judgement.judged.first().and_then(|judged| judged.comparison.as_ref());
    match (judgement.kind, comparison) {
        (Kind::Comparison, Some(comparison)) => document(comparison, out),
        // Without a comparison there is only the reason, which a check holds.
        (Kind::Comparison, None) | (Kind::Check, _) => {
            let check = Check {
                schema: Cow::Borrowed(CHECK_SCHEMA),
                verdict: judgement.verdict,
                exit_code: judgement.exit_code,
                workloads: Cow::Borrowed(judgement.judged),
            };
            document(&check, out)
        }
    }
}

fn document(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(io::Error::from)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Comparison, Judged};
    use crate::report::comparison::sample;

    fn rendered(kind: Kind, judged: &[Judged]) -> String {
        sample::rendered(&FORMAT, &Judgement { kind, ..sample::check(judged) })
    }

    #[test]
    fn a_comparison_is_exactly_the_comparison() {
        let text = rendered(Kind::Comparison, &[sample::judged()]);
        let read: Comparison = serde_json::from_str(&text).unwrap();
        assert_eq!(read, sample::comparison());
        assert!(text.starts_with("{\n  \"schema\": \"perfkit.comparison/1\""), "{text}");
    }

    #[test]
    fn a_check_holds_verdict_exit_code_and_every_workload() {
        let judged = [sample::judged(), sample::not_compared()];
        let text = rendered(Kind::Check, &judged);
        let read: Check<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (read.schema.as_ref(), read.exit_code, read.workloads.as_ref()),
            ("perfkit.check/1", 1, &judged[..])
        );
    }

    #[test]
    fn what_could_not_be_compared_is_a_document_too() {
        let value: serde_json::Value =
            serde_json::from_str(&rendered(Kind::Comparison, &[sample::not_compared()])).unwrap();
        assert_eq!(value["workloads"][0]["verdict"], "not_compared");
    }
}

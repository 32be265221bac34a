//! Every value of every metric, one row each. The operations themselves are in `ops.csv`.

use std::io::{self, Write};

use super::{Format, Report};

pub(super) static FORMAT: Format = Format { name: "csv", about: "every metric's value in every round", render };

fn render(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(["metric", "unit", "better", "round", "value"])?;
    for metric in &report.run.metrics {
        let better = metric.better.name();
        for (round, value) in metric.values.iter().enumerate() {
            let value = if value.is_finite() { value.to_string() } else { String::new() };
            writer.write_record([metric.name.as_str(), metric.unit.name(), better, &round.to_string(), &value])?;
        }
    }
    writer.flush()
}

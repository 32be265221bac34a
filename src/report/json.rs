//! The run as it stands in `run.json`: one JSON document.

use std::io;

use super::Format;

pub(super) static FORMAT: Format = Format {
    name: "json",
    about: "the run itself, as in run.json",
    render: |report, out| {
        serde_json::to_writer_pretty(&mut *out, report.run).map_err(io::Error::from)?;
        writeln!(out)
    },
};

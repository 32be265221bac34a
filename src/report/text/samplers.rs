//! One line below the functions: whether the two samplers that took their stacks agree, or why there was only one.

use std::io;

use crate::analysis::summary::samplers;
use crate::record::Run;
use crate::report::page::Page;
use crate::report::table::{shorten, visible};
use crate::unit::Unit;

pub(super) fn write(page: &mut Page<'_>, run: &Run) -> io::Result<()> {
    if let Some(reason) = samplers::pprof_alone(run) {
        return page.paragraph(2, None, &format!("pprof alone took the stacks: {}.", visible(reason)));
    }
    let Some(told) = samplers::agreement(run) else { return Ok(()) };
    let verdict = if told.agree { "agree" } else { "differ, and the jittered one is shown" };
    let text = format!(
        "The two samplers {verdict}: furthest apart is `{}`, with {} of the stacks by pprof and {} by the jittered one.",
        shorten(&visible(&told.function), 60),
        Unit::Ratio.show(told.pprof),
        Unit::Ratio.show(told.jittered),
    );
    page.paragraph(2, None, &text)
}

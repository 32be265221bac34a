//! Marks each thread with the phase that it is in, for who takes its stack. Keeps no time.

use std::sync::atomic::{AtomicBool, Ordering};

use tracing::Metadata;

use super::subscriber::{Subscriber, Watch};
use crate::probe::slot;

/// Whether threads are marked.
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Has the program's spans mark its threads; nothing does where the program has a subscriber of its own.
pub(in crate::probe) fn install() {
    if tracing::subscriber::set_global_default(Subscriber(Marks)).is_ok() {
        INSTALLED.store(true, Ordering::Release);
    }
}

/// Whether threads are marked: only then is one without a mark outside phases.
pub(in crate::probe) fn is_installed() -> bool {
    INSTALLED.load(Ordering::Acquire)
}

struct Marks;

impl Watch for Marks {
    fn innermost(&self, span: Option<&'static Metadata<'static>>) {
        slot::mark(span);
    }
}

#[cfg(test)]
mod tests {
    use tracing::{Instrument as _, info_span};

    use super::super::entered::DEEPEST;
    use super::*;

    /// The name of this thread's mark.
    fn marked() -> Option<&'static str> {
        let own = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        let (_, slot) = slot::all().find(|(_, slot)| slot.thread() == Some(own))?;
        slot.phase().map(Metadata::name)
    }

    fn with_marks(run: impl FnOnce()) {
        tracing::subscriber::with_default(Subscriber(Marks), run);
    }

    #[test]
    fn spans_that_are_left_out_of_order_leave_the_innermost_of_the_others() {
        with_marks(|| {
            let [a, b, c] = [info_span!("a"), info_span!("b"), info_span!("c")];
            let (in_a, in_b, in_c) = (a.enter(), b.enter(), c.enter());
            assert_eq!(marked(), Some("c"));
            drop(in_b);
            assert_eq!(marked(), Some("c"));
            drop(in_c);
            assert_eq!(marked(), Some("a"));
            // Entered twice and left once it is still entered.
            let (again, in_b) = (a.enter(), b.enter());
            drop(again);
            assert_eq!(marked(), Some("b"));
            drop(in_b);
            assert_eq!(marked(), Some("a"));
            drop(in_a);
            assert_eq!(marked(), None);
        });
    }

    #[test]
    fn what_is_deeper_than_is_remembered_counts_for_the_phase_around_it() {
        with_marks(|| {
            let spans = [(); DEEPEST].map(|()| info_span!("outer"));
            let deep = [info_span!("deep"), info_span!("deeper")];
            let guards: Vec<_> = spans.iter().map(tracing::Span::enter).collect();
            let deeper: Vec<_> = deep.iter().map(tracing::Span::enter).collect();
            assert_eq!(marked(), Some("outer"));
            drop(deeper);
            drop(guards);
            assert_eq!(marked(), None);
            info_span!("next").in_scope(|| assert_eq!(marked(), Some("next")));
        });
    }

    #[test]
    fn a_task_that_waits_is_in_no_phase_and_its_thread_may_be_in_anothers() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let task = |name: &'static str| async move {
            for _ in 0..3 {
                assert_eq!(marked(), Some(name));
                tokio::task::yield_now().await;
            }
        };
        with_marks(|| {
            runtime.block_on(async {
                let (one, other) = (task("one").instrument(info_span!("one")), task("other"));
                let plain = async {
                    assert_eq!(marked(), None);
                    tokio::task::yield_now().await;
                    assert_eq!(marked(), None);
                };
                tokio::join!(one, plain, other.instrument(info_span!("other")));
            });
            assert_eq!(marked(), None);
        });
    }

    #[test]
    fn spans_of_how_a_request_is_carried_mark_nothing() {
        with_marks(|| {
            info_span!("outer").in_scope(|| {
                info_span!(target: "hyper::proto", "conn").in_scope(|| assert_eq!(marked(), Some("outer")));
            });
        });
    }

    #[test]
    fn a_thread_that_ends_in_a_phase_leaves_no_mark_to_the_next() {
        with_marks(|| {
            let dispatch = tracing::dispatcher::get_default(Clone::clone);
            let ends = move || {
                tracing::dispatcher::with_default(&dispatch, || {
                    std::mem::forget(info_span!("for.ever").entered());
                    assert_eq!(marked(), Some("for.ever"));
                });
            };
            std::thread::spawn(ends).join().unwrap();
            let names = slot::all().filter_map(|(_, slot)| slot.phase()).map(Metadata::name);
            assert!(!names.into_iter().any(|name| name == "for.ever"));
        });
    }
}

//! The probe as programs meet it: spans in tasks, in each other, on other threads, and at the wrong time. One test drives the
//! probe, because what it collects is the process's; how a span's time splits is tested in `open`.

use std::time::Duration;

use tracing::{Instrument as _, info_span};

use super::*;
use crate::probe::wait;

/// What one operation's spans of a name took: count, all, busy, scheduled.
fn of(spans: &Spans, operation: u64, name: &str) -> (usize, u64, u64, u64) {
    let phase = spans.names.iter().position(|known| known == name).map(|index| index as u16);
    let own = spans.times.iter().filter(|time| time.operation == operation && Some(time.phase) == phase);
    own.fold((0, 0, 0, 0), |(count, total, busy, scheduled), time| {
        (count + 1, total + time.total_ns, busy + time.busy_ns, scheduled + time.scheduled_ns)
    })
}

fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// A handler as a server runs it: its task knows nothing of the operation but what the request says.
async fn handler(traceparent: &str) {
    let inner = async {
        pause(2);
        tokio::time::sleep(Duration::from_millis(4)).await;
    };
    let outer = async {
        inner.instrument(info_span!("test.inner")).await;
        info_span!("test.last").in_scope(|| pause(1));
    };
    outer.instrument(info_span!("test.handler", traceparent)).await;
}

fn moved_between_threads() {
    let span = info_span!("test.moved");
    wait::note(0);
    span.in_scope(|| pause(1));
    // Woken while it was not entered; each thread counts its polls by itself, and this is the first of both.
    let dispatch = tracing::dispatcher::get_default(Clone::clone);
    let other = std::thread::spawn(move || {
        tracing::dispatcher::with_default(&dispatch, || {
            pause(3);
            wait::note(2_000_000);
            span.in_scope(|| pause(1));
        });
    });
    other.join().unwrap();
}

/// What is around a span is open as long as it is; of which operation it is, a span knows also where it was not opened.
fn outlived() {
    let outer = in_operation(73, || info_span!("test.outer"));
    let inside = outer.in_scope(|| info_span!("test.inside"));
    let explicit = info_span!(parent: &outer, "test.explicit");
    in_operation(73, || drop(info_span!(parent: None, "test.root")));
    drop(info_span!(parent: None, "test.of.nobody"));
    drop(outer);
    drop(explicit);
    pause(2);
    drop(inside);
}

fn drive() {
    resolve_traceparent(|text| text.strip_prefix("operation-")?.parse().ok());
    in_operation(70, || drop(info_span!("test.never.entered")));
    in_operation(70, moved_between_threads);
    outlived();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::join!(handler("operation-71"), handler("operation-72"), handler("of nobody"));
    });
    tracing::info!("an event is no span");
}

#[test]
fn spans_join_their_operation_and_their_states_are_no_more_than_they_are() {
    let spans = tracing::subscriber::with_default(Subscriber(Timed), || {
        let early = info_span!("test.early");
        ACTIVE.store(true, Ordering::Release);
        in_operation(70, || early.in_scope(|| ()));
        drop(early);
        drive();
        let late = in_operation(70, || info_span!("test.late"));
        let reading = Box::new(Watching).stop().unwrap();
        drop(late);
        reading.spans
    });
    assert!(spans.times.iter().all(|time| time.busy_ns + time.scheduled_ns <= time.total_ns), "{:?}", spans.times);
    let (count, total, busy, scheduled) = of(&spans, 70, "test.moved");
    assert!(count == 1 && busy >= 2_000_000 && total >= busy + 3_000_000 && scheduled == 2_000_000, "{spans:?}");
    assert_eq!(of(&spans, 70, "test.never.entered").2, 0);
    for operation in [71, 72] {
        let [handler, inner, last] =
            ["test.handler", "test.inner", "test.last"].map(|name| of(&spans, operation, name));
        assert_eq!([handler.0, inner.0, last.0], [1, 1, 1], "{spans:?}");
        // What is inside is also the one's around it, and the time of the other task is not busy.
        assert!(inner.2 >= 2_000_000 && inner.1 >= inner.2 + 3_000_000 && handler.2 >= inner.2 + last.2, "{spans:?}");
        assert!(last.2 >= 1_000_000 && last.1 - last.2 < inner.1, "{spans:?}");
    }
    let of_outlived = ["test.outer", "test.inside", "test.explicit", "test.root"].map(|name| of(&spans, 73, name));
    assert!(of_outlived.iter().all(|(count, ..)| *count == 1), "{spans:?}");
    assert!(of_outlived[0].1 >= 2_000_000 && of_outlived[2].1 < of_outlived[0].1, "{spans:?}");
    // Spans that were open before or are open after it, and those of no operation, are nobody's.
    let names = |index: u16| spans.names[usize::from(index)].as_str();
    let known = spans.times.iter().map(|time| (time.operation, names(time.phase)));
    assert!(known.clone().all(|(operation, _)| (70..=73).contains(&operation)), "{spans:?}");
    assert!(known.clone().all(|(_, name)| name != "test.early" && name != "test.late"), "{spans:?}");
}

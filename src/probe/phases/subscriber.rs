//! The program's spans as they come: which are taken, when one closes and what is around it. tracing-subscriber's registry does
//! the same and much more, for which a span would pay more than for its four clock readings. What is done with spans is a
//! [`Watch`]'s.

use std::sync::atomic::{AtomicU64, Ordering};

use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata};
use tracing_core::span::Current;

use super::open::Open;
use super::{entered, slab};

/// Crates whose spans say how a request is carried, not what the program does.
const LEFT_OUT: &[&str] = &["h2", "hyper", "hyper_util", "tower", "tower_http", "tokio", "mio", "rustls", "want"];

/// The number of every span for which there was no place: it is not watched.
const NO_PLACE: u64 = u64::MAX;
static BEYOND: AtomicU64 = AtomicU64::new(0);

/// Spans for which there was no place since it was asked last.
pub(super) fn beyond() -> u64 {
    BEYOND.swap(0, Ordering::Relaxed)
}

/// What is done at the moments of a span's life.
pub(super) trait Watch: Send + Sync + 'static {
    /// A span opens inside one of that operation: what is to be kept with it.
    fn open(&self, _attributes: &Attributes<'_>, _inherited: Option<u64>) -> Option<Open> {
        None
    }

    /// A span is entered.
    fn enter(&self, _open: &mut Open) {}

    /// A span is left.
    fn exit(&self, _id: &Id) {}

    /// A span has closed.
    fn close(&self, _open: Open) {}

    /// This thread is in that span now.
    fn innermost(&self, _span: Option<&'static Metadata<'static>>) {}
}

/// Tells what watches of the spans that are taken.
pub(super) struct Subscriber<W>(pub(super) W);

impl<W: Watch> Subscriber<W> {
    /// One handle less of a span; gives whether it closes. Then what is around it has one less, too.
    fn let_go(&self, id: Option<Id>) -> bool {
        let mut closed = id.and_then(|id| slab::release(&id));
        let closes = closed.is_some();
        while let Some(slab::Closed { open, around }) = closed {
            if let Some(open) = open {
                self.0.close(open);
            }
            closed = around.and_then(|id| slab::release(&id));
        }
        closes
    }
}

impl<W: Watch> tracing::Subscriber for Subscriber<W> {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if takes(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        takes(metadata)
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let around = if attributes.is_contextual() {
            entered::innermost().map(|(id, _)| id)
        } else {
            attributes.parent().cloned()
        };
        let shared = around.and_then(|id| {
            let operation = slab::with(&id, |span| {
                span.share();
                span.open.as_ref().and_then(|open| open.operation)
            });
            Some((id, operation?))
        });
        let (around, inherited) = shared.map_or((None, None), |(id, operation)| (Some(id), operation));
        let open = self.0.open(attributes, inherited);
        slab::keep(attributes.metadata(), around.clone(), open).unwrap_or_else(|| {
            self.let_go(around);
            BEYOND.fetch_add(1, Ordering::Relaxed);
            Id::from_u64(NO_PLACE)
        })
    }

    fn enter(&self, id: &Id) {
        slab::with(id, |span| {
            let Some(metadata) = span.metadata() else { return };
            self.0.innermost(entered::enter(id, metadata));
            if let Some(open) = &mut span.open {
                self.0.enter(open);
            }
        });
    }

    fn exit(&self, id: &Id) {
        self.0.exit(id);
        self.0.innermost(entered::exit(id));
    }

    fn clone_span(&self, id: &Id) -> Id {
        slab::with(id, slab::Span::share);
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        self.let_go(Some(id))
    }

    fn current_span(&self) -> Current {
        entered::innermost().map_or_else(Current::none, |(id, metadata)| Current::new(id, metadata))
    }

    fn record(&self, _id: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _id: &Id, _follows: &Id) {}

    fn event(&self, _event: &Event<'_>) {}
}

fn takes(metadata: &Metadata<'_>) -> bool {
    let first = metadata.target().split("::").next().unwrap_or_default();
    metadata.is_span() && !LEFT_OUT.contains(&first)
}

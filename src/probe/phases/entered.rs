//! The spans that a thread has entered and not left. Exits restore the span around, in whatever order they come. As everywhere
//! in tracing, a guard that is held over an await misleads.

use std::cell::RefCell;

use tracing::Metadata;
use tracing::span::Id;

/// Spans within each other that a thread remembers; what is deeper counts for the one around it.
pub(super) const DEEPEST: usize = 64;

thread_local! {
    static ENTERED: RefCell<Entered> = const { RefCell::new(Entered { spans: [None; DEEPEST], depth: 0 }) };
}

type One = (u64, &'static Metadata<'static>);

/// The innermost is the last. A field of fixed size: entering allocates nothing, and a thread that ends has nothing to drop.
struct Entered {
    spans: [Option<One>; DEEPEST],
    depth: usize,
}

impl Entered {
    fn innermost(&self) -> Option<One> {
        self.spans[..self.depth].last().copied().flatten()
    }
}

/// The span that this thread is in.
pub(super) fn innermost() -> Option<(Id, &'static Metadata<'static>)> {
    let (id, metadata) = ENTERED.with_borrow(Entered::innermost)?;
    Some((Id::from_u64(id), metadata))
}

/// This thread enters a span; gives the one that it then is in.
pub(super) fn enter(id: &Id, metadata: &'static Metadata<'static>) -> Option<&'static Metadata<'static>> {
    ENTERED.with_borrow_mut(|entered| {
        if let Some(place) = entered.spans.get_mut(entered.depth) {
            *place = Some((id.into_u64(), metadata));
            entered.depth += 1;
        }
        entered.innermost().map(|(_, metadata)| metadata)
    })
}

/// This thread leaves a span; gives the one that it then is in. What was entered inside stays: spans need not be left in order.
/// One that was entered on another thread is not here.
pub(super) fn exit(id: &Id) -> Option<&'static Metadata<'static>> {
    ENTERED.with_borrow_mut(|entered| {
        let spans = &mut entered.spans[..entered.depth];
        if let Some(index) = spans.iter().rposition(|place| place.is_some_and(|(own, _)| own == id.into_u64())) {
            spans[index..].rotate_left(1);
            entered.depth -= 1;
        }
        entered.innermost().map(|(_, metadata)| metadata)
    })
}

//! The spans that are open: each has a place that its number says, found without hashing and reused by the thread that frees
//! it. Numbers of spans that have closed find nothing. Knows no clock and judges nothing.

use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, OnceLock};

use tracing::Metadata;
use tracing::span::Id;

use super::lock;
use super::open::Open;
use crate::probe::heap::untracked;

/// Places of the first page; each further page has twice as many as the one before, so that none is ever moved.
const FIRST_PAGE: u32 = 256;
const PAGE_COUNT: usize = 13;
/// Spans that can be open at once.
pub(super) const CAPACITY: u32 = FIRST_PAGE * ((1 << PAGE_COUNT) - 1);
/// Free places that a thread has at most; it takes and gives back half as many at once.
const AT_HAND: usize = 64;

static PAGES: [OnceLock<Box<[Mutex<Span>]>>; PAGE_COUNT] = [const { OnceLock::new() }; PAGE_COUNT];
static SHARED: Mutex<Shared> = Mutex::new(Shared { free: Vec::new(), fresh: 0 });

thread_local! {
    static OWN: RefCell<Own> = const { RefCell::new(Own { free: [0; AT_HAND], count: 0 }) };
}

/// An open span.
#[derive(Default)]
pub(super) struct Span {
    /// How often the place was used before: a part of the span's number.
    generation: u32,
    /// Handles, and spans inside it, which keep it open as they do in tracing-subscriber; 0 while the place is free.
    references: u32,
    metadata: Option<&'static Metadata<'static>>,
    around: Option<Id>,
    pub(super) open: Option<Open>,
}

impl Span {
    pub(super) fn metadata(&self) -> Option<&'static Metadata<'static>> {
        self.metadata
    }

    /// One more handle, or a span inside it.
    pub(super) fn share(&mut self) {
        self.references += 1;
    }
}

/// What was kept of a span that has closed.
pub(super) struct Closed {
    pub(super) open: Option<Open>,
    /// The span around it, which it no longer keeps open.
    pub(super) around: Option<Id>,
}

/// Keeps a span; `None` where there are as many as there can be.
pub(super) fn keep(metadata: &'static Metadata<'static>, around: Option<Id>, open: Option<Open>) -> Option<Id> {
    let index = take()?;
    let mut span = place(index)?;
    span.generation = span.generation.wrapping_add(1);
    span.references = 1;
    span.metadata = Some(metadata);
    span.around = around;
    span.open = open;
    // Never 0, which is no number of a span.
    Some(Id::from_u64(u64::from(span.generation) << 32 | u64::from(index + 1)))
}

/// Looks at an open span; `None` where there is none of that number.
#[inline]
pub(super) fn with<T>(id: &Id, look: impl FnOnce(&mut Span) -> T) -> Option<T> {
    Some(look(&mut *find(id)?))
}

/// One handle less; `Some` where it was the last one.
pub(super) fn release(id: &Id) -> Option<Closed> {
    let mut span = find(id)?;
    span.references -= 1;
    if span.references > 0 {
        return None;
    }
    let closed = Closed { open: span.open.take(), around: span.around.take() };
    drop(span);
    give_back(index_of(id));
    Some(closed)
}

fn index_of(id: &Id) -> u32 {
    (id.into_u64() as u32).wrapping_sub(1)
}

#[inline]
fn find(id: &Id) -> Option<MutexGuard<'static, Span>> {
    let span = place(index_of(id))?;
    (span.references > 0 && span.generation == (id.into_u64() >> 32) as u32).then_some(span)
}

#[inline]
fn place(index: u32) -> Option<MutexGuard<'static, Span>> {
    let (page, offset) = page_of(index);
    Some(lock(PAGES.get(page)?.get()?.get(offset)?))
}

/// The page that has a place, and where in it.
#[inline]
fn page_of(index: u32) -> (usize, usize) {
    let page = (index / FIRST_PAGE + 1).ilog2();
    let before = FIRST_PAGE * ((1 << page) - 1);
    (page as usize, (index - before) as usize)
}

/// Places that no thread has at hand.
struct Shared {
    free: Vec<u32>,
    /// The first of those that were never used.
    fresh: u32,
}

impl Shared {
    fn take(&mut self) -> Option<u32> {
        if let Some(index) = self.free.pop() {
            return Some(index);
        }
        if self.fresh == CAPACITY {
            return None;
        }
        let (page, _) = page_of(self.fresh);
        PAGES[page].get_or_init(|| untracked(|| (0..FIRST_PAGE << page).map(|_| Mutex::default()).collect()));
        self.fresh += 1;
        Some(self.fresh - 1)
    }

    fn give_back(&mut self, places: &[u32]) {
        untracked(|| self.free.extend_from_slice(places));
    }
}

/// Free places that a thread has at hand: the last one that it freed is the first that it uses again.
struct Own {
    free: [u32; AT_HAND],
    count: usize,
}

impl Own {
    fn take(&mut self) -> Option<u32> {
        if self.count == 0 {
            let mut shared = lock(&SHARED);
            while self.count < AT_HAND / 2
                && let Some(index) = shared.take()
            {
                self.free[self.count] = index;
                self.count += 1;
            }
        }
        self.count = self.count.checked_sub(1)?;
        Some(self.free[self.count])
    }

    fn give_back(&mut self, index: u32) {
        if self.count == AT_HAND {
            self.count = AT_HAND / 2;
            lock(&SHARED).give_back(&self.free[AT_HAND / 2..]);
        }
        self.free[self.count] = index;
        self.count += 1;
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        lock(&SHARED).give_back(&self.free[..self.count]);
    }
}

/// A free place. A thread that is ending has none at hand.
fn take() -> Option<u32> {
    OWN.try_with(|own| own.borrow_mut().take()).unwrap_or_else(|_| lock(&SHARED).take())
}

fn give_back(index: u32) {
    let own = OWN.try_with(|own| own.borrow_mut().give_back(index));
    own.unwrap_or_else(|_| lock(&SHARED).give_back(&[index]));
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn metadata() -> &'static Metadata<'static> {
        struct Here;
        impl tracing::callsite::Callsite for Here {
            fn set_interest(&self, _: tracing::subscriber::Interest) {}
            fn metadata(&self) -> &Metadata<'_> {
                &METADATA
            }
        }
        static HERE: Here = Here;
        static METADATA: Metadata<'static> = tracing::metadata! {
            name: "here", target: "here", level: tracing::Level::INFO, fields: &[],
            callsite: &HERE, kind: tracing::metadata::Kind::SPAN
        };
        &METADATA
    }

    fn kept() -> Id {
        keep(metadata(), None, None).expect("a place")
    }

    #[test]
    fn places_follow_each_other_without_a_gap_up_to_the_last() {
        let mut expected = (0, 0);
        for index in 0..CAPACITY {
            assert_eq!(page_of(index), expected, "{index}");
            expected.1 += 1;
            if expected.1 == (FIRST_PAGE as usize) << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        assert_eq!(page_of(CAPACITY).0, PAGE_COUNT);
        assert!(with(&Id::from_u64(u64::MAX), |_| ()).is_none());
    }

    #[test]
    fn a_place_is_used_again_and_its_old_number_finds_nothing() {
        let first = kept();
        assert!(with(&first, Span::share).is_some());
        assert!(release(&first).is_none(), "it has a handle left");
        assert!(release(&first).is_some());
        let second = kept();
        assert_eq!(index_of(&first), index_of(&second));
        assert!(with(&first, |_| ()).is_none() && release(&first).is_none());
        assert!(release(&second).is_some());
    }

    #[test]
    fn spans_that_are_open_at_once_have_numbers_of_their_own_on_all_threads() {
        let opened = || {
            let opened: Vec<Id> = (0..2000).map(|_| kept()).collect();
            // Half of them are freed here and used again.
            assert!(opened[..1000].iter().all(|id| release(id).is_some()));
            opened[1000..].iter().cloned().chain((0..1000).map(|_| kept())).collect::<Vec<Id>>()
        };
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(opened)).collect();
        let all: Vec<Id> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        let places: HashSet<u32> = all.iter().map(index_of).collect();
        assert_eq!(places.len(), 8000);
        assert!(all.iter().all(|id| release(id).is_some()));
    }

    #[test]
    fn what_one_thread_frees_is_used_by_those_that_open() {
        let before = lock(&SHARED).fresh;
        for _ in 0..100 {
            let opened: Vec<Id> = std::thread::spawn(|| (0..100).map(|_| kept()).collect()).join().unwrap();
            assert!(opened.iter().all(|id| release(id).is_some()));
        }
        // Tests beside this one open spans, too: far fewer than ten thousand places at once.
        let more = lock(&SHARED).fresh - before;
        assert!(more < 9_500, "{more} places for a hundred spans at once");
    }
}

//! The local cache of replies by prompt: bounded, and entries expire. Refuses to cache anything but whole replies.

use std::sync::Arc;
use std::time::Duration;

/// Replies to prompts that were asked before.
#[derive(Clone, Debug)]
pub(super) struct ReplyCache {
    replies: moka::sync::Cache<String, Arc<str>>,
}

impl ReplyCache {
    /// A cache of at most `capacity` replies, each kept for `lifetime`.
    pub(super) fn new(capacity: u64, lifetime: Duration) -> Self {
        Self { replies: moka::sync::Cache::builder().max_capacity(capacity).time_to_live(lifetime).build() }
    }

    /// The reply to `prompt`, if it is still known.
    pub(super) fn lookup(&self, prompt: &str) -> Option<Arc<str>> {
        self.replies.get(prompt)
    }

    /// Keeps the reply to `prompt`.
    pub(super) fn insert(&self, prompt: String, reply: Arc<str>) {
        self.replies.insert(prompt, reply);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_found_by_its_prompt_alone() {
        let cache = ReplyCache::new(10, Duration::from_mins(1));
        cache.insert("how".to_string(), "so".into());
        assert_eq!(cache.lookup("how").as_deref(), Some("so"));
        assert_eq!(cache.lookup("how?"), None);
    }

    #[test]
    fn the_cache_holds_no_more_than_its_capacity() {
        let cache = ReplyCache::new(10, Duration::from_mins(1));
        for number in 0..1000 {
            cache.insert(number.to_string(), "x".into());
        }
        cache.replies.run_pending_tasks();
        assert!(cache.replies.entry_count() <= 10);
    }

    #[test]
    fn a_reply_expires() {
        let cache = ReplyCache::new(10, Duration::from_millis(20));
        cache.insert("how".to_string(), "so".into());
        std::thread::sleep(Duration::from_millis(40));
        assert_eq!(cache.lookup("how"), None);
    }
}

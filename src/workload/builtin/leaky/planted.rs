//! What has to be found of a leak, or of what only looks like one: plain data. Refuses to say how it is found.

/// What a detector has to say of a leaky workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Planted {
    /// The workload's name.
    pub workload: &'static str,
    /// The variant; empty where there is only one.
    pub variant: &'static str,
    /// How the path of the function ends that asks for what is kept: the innermost of the program's own on the stack. Of a
    /// task it is the function that spawns it, and the place is the line of its `spawn`. Where nothing leaks it is one that
    /// must not be found.
    pub function: &'static str,
    /// How the path of its file ends.
    pub file: &'static str,
    /// The verdicts that are right: `leak`, `growing`, `warm-up`, `ok` or `retention`.
    pub verdict: &'static [&'static str],
    /// What one operation adds to the subject in the mean, with the default parameters: bytes of the heap, as they were
    /// asked for, or the number of tasks, descriptors or threads. `None` where it is not the same at all times.
    pub slope: Option<f64>,
    /// What grows, or must not be said to: `heap`, `tasks`, `descriptors`, `threads` or `rss`.
    pub subject: &'static str,
}

//! What has to be found of a fault: plain data. Refuses to say how it is found.

/// What a detector has to say of a faulty workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planted {
    /// The workload's name.
    pub workload: &'static str,
    /// The variant that has the fault; empty where there is only one.
    pub variant: &'static str,
    /// How the path of the function ends that holds the thread: the innermost of the program's own on the stack. Without a
    /// cause it is one that must not be found.
    pub function: &'static str,
    /// How the path of its file ends.
    pub file: &'static str,
    /// What the thread does meanwhile, in the words of a run's stalls: `blocked`, `cpu` or `preempted`. `None` where no
    /// worker of the runtime is held at all.
    pub cause: Option<&'static str>,
    /// The system calls of which one is to be seen; empty where there is none.
    pub syscalls: &'static [&'static str],
}

//! What probes ask of the runtime before it is built. tokio takes one function for each event; here they are collected,
//! so that probes need not know each other.

use tokio::runtime::Builder;

/// A runtime in the making.
pub struct Hooks {
    builder: Builder,
    #[cfg(tokio_unstable)]
    before_poll: Vec<Hook>,
    #[cfg(tokio_unstable)]
    after_poll: Vec<Hook>,
    #[cfg(tokio_unstable)]
    on_spawn: Vec<Hook>,
    #[cfg(tokio_unstable)]
    on_terminate: Vec<Hook>,
}

/// What is called with the task that is polled.
#[cfg(tokio_unstable)]
type Hook = fn(&tokio::runtime::TaskMeta<'_>);

impl Hooks {
    /// Hooks into the runtime that `builder` will build.
    #[must_use]
    pub fn new(builder: Builder) -> Self {
        Self {
            builder,
            #[cfg(tokio_unstable)]
            before_poll: Vec::new(),
            #[cfg(tokio_unstable)]
            after_poll: Vec::new(),
            #[cfg(tokio_unstable)]
            on_spawn: Vec::new(),
            #[cfg(tokio_unstable)]
            on_terminate: Vec::new(),
        }
    }

    /// The builder, for settings that only one probe makes.
    pub fn builder(&mut self) -> &mut Builder {
        &mut self.builder
    }

    /// Calls `hook` before each poll of a task.
    #[cfg(tokio_unstable)]
    pub fn before_poll(&mut self, hook: fn(&tokio::runtime::TaskMeta<'_>)) {
        self.before_poll.push(hook);
    }

    /// Calls `hook` after each poll of a task.
    #[cfg(tokio_unstable)]
    pub fn after_poll(&mut self, hook: fn(&tokio::runtime::TaskMeta<'_>)) {
        self.after_poll.push(hook);
    }

    /// Calls `hook` for each task that is spawned.
    #[cfg(tokio_unstable)]
    pub fn on_spawn(&mut self, hook: fn(&tokio::runtime::TaskMeta<'_>)) {
        self.on_spawn.push(hook);
    }

    /// Calls `hook` for each task that has ended.
    #[cfg(tokio_unstable)]
    pub fn on_terminate(&mut self, hook: fn(&tokio::runtime::TaskMeta<'_>)) {
        self.on_terminate.push(hook);
    }

    /// The builder with all hooks in it.
    #[must_use]
    #[cfg_attr(not(tokio_unstable), allow(unused_mut))]
    pub fn into_builder(mut self) -> Builder {
        #[cfg(tokio_unstable)]
        if !self.before_poll.is_empty() {
            let hooks = self.before_poll;
            self.builder.on_before_task_poll(move |task| hooks.iter().for_each(|hook| hook(task)));
        }
        #[cfg(tokio_unstable)]
        if !self.after_poll.is_empty() {
            let hooks = self.after_poll;
            self.builder.on_after_task_poll(move |task| hooks.iter().for_each(|hook| hook(task)));
        }
        #[cfg(tokio_unstable)]
        if !self.on_spawn.is_empty() {
            let hooks = self.on_spawn;
            self.builder.on_task_spawn(move |task| hooks.iter().for_each(|hook| hook(task)));
        }
        #[cfg(tokio_unstable)]
        if !self.on_terminate.is_empty() {
            let hooks = self.on_terminate;
            self.builder.on_task_terminate(move |task| hooks.iter().for_each(|hook| hook(task)));
        }
        self.builder
    }
}

//! What happens without a request: flushing, retention, and members of groups that fell silent.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{clock::now_ms, node::Node, signal::Signal};

/// How often the groups' clocks are looked at.
const GROUP_INTERVAL: Duration = Duration::from_millis(200);

/// The threads that do it, until they are stopped.
#[derive(Debug)]
pub(crate) struct Background {
    tasks: Vec<(Arc<Signal>, JoinHandle<()>)>,
}

impl Background {
    /// Starts the threads.
    pub(crate) fn start(node: &Arc<Node>) -> io::Result<Self> {
        let mut background = Self { tasks: Vec::new() };
        let config = &node.config;
        background.repeat("broker-flush", config.flush_interval, node, Node::flush)?;
        background.repeat("broker-retention", config.retention_interval, node, |node| {
            node.delete_expired(now_ms());
        })?;
        background
            .repeat("broker-groups", GROUP_INTERVAL, node, |node| node.coordinator.tick(Instant::now()))?;
        Ok(background)
    }

    /// Stops and joins the threads.
    pub(crate) fn stop(self) {
        for (signal, thread) in self.tasks {
            signal.raise();
            // A panicked thread has said so itself, and there is nothing left to stop.
            let _ = thread.join();
        }
    }

    fn repeat(
        &mut self,
        name: &str,
        interval: Duration,
        node: &Arc<Node>,
        task: impl Fn(&Node) + Send + 'static,
    ) -> io::Result<()> {
        let node = Arc::clone(node);
        let signal = Arc::new(Signal::default());
        let stopped = Arc::clone(&signal);
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            while !node.is_stopping() {
                stopped.wait_until(Instant::now() + interval);
                task(&node);
            }
        })?;
        self.tasks.push((signal, thread));
        Ok(())
    }
}

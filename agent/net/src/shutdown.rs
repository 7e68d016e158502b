//! How loops are told to end, and how one waits until they have.

use std::future::Future;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A signal that all loops watch, and a count of those still running. Cheap to clone; clones share both.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    /// A signal that has not been given.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a counted task. It should end soon after [`Shutdown::requested`].
    pub fn spawn<F>(&self, task: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(task)
    }

    /// Waits until the signal is given.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// Whether the signal was given.
    pub fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// The signal as a token, for code that takes one.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Gives the signal; does not wait.
    pub fn request(&self) {
        self.token.cancel();
    }

    /// Gives the signal and waits until every counted task has ended.
    pub async fn finish(&self) {
        self.token.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

//! One signal for the whole process: SIGTERM or SIGINT asks for an orderly end, a second one forces it.

use std::future::Future;
use tokio_util::sync::CancellationToken;

/// Tells every part that the process is to end. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    begin: CancellationToken,
    force: CancellationToken,
}

impl Shutdown {
    /// A signal that nothing has set yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets it on SIGTERM or SIGINT; the second signal forces.
    ///
    /// # Errors
    /// If the operating system lets us listen to no signals.
    pub fn on_signals(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let this = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = term.recv() => {}
                    _ = int.recv() => {}
                }
                this.ask();
            }
        });
        Ok(())
    }

    /// Asks for the end, as a signal does: the first time in order, the second time at once.
    pub fn ask(&self) {
        if self.begin.is_cancelled() {
            tracing::warn!("asked to end a second time: ending at once");
            self.force.cancel();
        } else {
            tracing::info!("asked to end: finishing recordings; ask again to end at once");
            self.begin.cancel();
        }
    }

    /// Whether the end was asked for.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.begin.is_cancelled()
    }

    /// Returns when the end is asked for.
    pub async fn begun(&self) {
        self.begin.cancelled().await;
    }

    /// Does `work`, unless the end is forced before it is done.
    pub async fn unless_forced<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.force.cancelled() => None,
            done = work => Some(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_request_forces() {
        let shutdown = Shutdown::new();
        assert_eq!(shutdown.unless_forced(async { 1 }).await, Some(1));
        shutdown.ask();
        shutdown.begun().await;
        assert_eq!(shutdown.unless_forced(async { 2 }).await, Some(2), "there is time to finish");
        shutdown.ask();
        assert_eq!(shutdown.unless_forced(std::future::pending::<()>()).await, None);
    }
}

//! Waiting for what a cluster does in its own time.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Long enough for a machine whose processors are all busy.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Looks until it sees what is waited for; what it saw last is told when that never comes.
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> Result<T, String>) -> T {
    until_within(PATIENCE, what, look).await
}

/// The same with a time of its own.
pub async fn until_within<T>(
    patience: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_millis(10);
    loop {
        let state = match look().await {
            Ok(seen) => return seen,
            Err(state) => state,
        };
        assert!(Instant::now() < deadline, "{what} did not come in {patience:?}: {state}");
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(300));
    }
}

//! How far long work is, on its way to whoever asked to be told.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use crate::redact::clean;

/// One report of long work.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub done: f64,
    pub total: Option<f64>,
    pub message: String,
}

/// Where a call reports its steps; nowhere by default.
#[derive(Clone, Debug, Default)]
pub struct Progress(Option<Arc<Channel>>);

#[derive(Debug)]
struct Channel {
    steps: mpsc::UnboundedSender<Step>,
    sent: Mutex<Sent>,
}

#[derive(Debug, Default)]
struct Sent {
    count: usize,
    done: f64,
    message: String,
    at: Option<Instant>,
}

/// Short work is told in full; of long work, a few steps a second are enough.
const FREE: usize = 10;
const PAUSE: Duration = Duration::from_millis(250);

impl Progress {
    /// Progress, and the steps that come out of it.
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Step>) {
        let (steps, received) = mpsc::unbounded_channel();
        (Self(Some(Arc::new(Channel { steps, sent: Mutex::default() }))), received)
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn tell(&self, done: f64, total: Option<f64>, message: &str) {
        let Some(channel) = &self.0 else { return };
        let mut sent = channel.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let last = total == Some(done);
        let soon = sent.at.is_some_and(|at| at.elapsed() < PAUSE);
        let repeated = sent.count > 0 && done <= sent.done && message == sent.message;
        if repeated || (soon && sent.count >= FREE && !last) {
            return;
        }
        // The protocol wants each step further than the one before, also where only the words change.
        let done = if sent.count == 0 { done } else { done.max(sent.done + 0.001) };
        let message = clean(message).into_owned();
        *sent = Sent {
            count: sent.count + 1,
            done,
            message: message.clone(),
            at: Some(Instant::now()),
        };
        // Nobody listening any more is no failure of the work.
        let _ = channel.steps.send(Step { done, total, message });
    }
}

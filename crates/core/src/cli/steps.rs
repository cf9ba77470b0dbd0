//! How long work is shown while it goes on: a bar on a terminal, a line a step in a pipe.

use std::{io::IsTerminal as _, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

use crate::Step;

/// Shows steps on standard error until it is dropped.
pub(super) enum Steps {
    Terminal(ProgressBar),
    Pipe(String),
}

impl Steps {
    pub(super) fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Pipe(String::new());
        }
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(120));
        Self::Terminal(bar)
    }

    pub(super) fn show(&mut self, step: &Step) {
        match self {
            Self::Terminal(bar) => {
                if let Some(total) = step.total.filter(|it| *it > 0.0) {
                    let style = ProgressStyle::with_template("{spinner} {bar:24} {elapsed} {msg}");
                    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                    // A bar counts in whole numbers, while steps may be fractions.
                    bar.set_length(1000);
                    bar.set_position((step.done / total * 1000.0).clamp(0.0, 1000.0) as u64);
                }
                bar.set_message(step.message.clone());
            }
            Self::Pipe(last) if *last != step.message => {
                super::complain(&step.message);
                last.clone_from(&step.message);
            }
            Self::Pipe(_) => {}
        }
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        if let Self::Terminal(bar) = self {
            bar.finish_and_clear();
        }
    }
}

//! How long work is shown while it goes on: a bar on a terminal, a line a step in a pipe.

use std::{io::IsTerminal as _, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

use crate::Step;

/// Shows steps on standard error until it is dropped, or tells them where there is no terminal.
pub enum Steps<F> {
    Terminal(ProgressBar),
    Pipe { tell: F, last: String },
}

impl<F: FnMut(&str)> Steps<F> {
    pub fn new(tell: F) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Pipe { tell, last: String::new() };
        }
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(120));
        Self::Terminal(bar)
    }

    pub fn show(&mut self, step: &Step) {
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
            Self::Pipe { tell, last } if *last != step.message => {
                tell(&step.message);
                last.clone_from(&step.message);
            }
            Self::Pipe { .. } => {}
        }
    }
}

impl<F> Drop for Steps<F> {
    fn drop(&mut self) {
        if let Self::Terminal(bar) = self {
            bar.finish_and_clear();
        }
    }
}

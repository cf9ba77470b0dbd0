//! How far a training program is, by what it prints: `epoch 3/10`, `step 120/1000`, a bar of tqdm.

use std::{collections::BTreeMap, sync::LazyLock};

use jiff::{SignedDuration, Timestamp};
use regex::Regex;

use crate::metrics::metrics;

/// How far a program is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    pub percent: f64,
    /// At the pace so far.
    pub remaining: Option<SignedDuration>,
}

/// Follows what a program prints, line by line.
#[derive(Clone, Debug, Default)]
pub struct Tracker {
    /// The last value of each metric.
    pub metrics: BTreeMap<String, String>,
    epoch: Option<Part>,
    step: Option<Part>,
    /// The first and the last time that a share was printed, and which.
    first: Option<(Timestamp, f64)>,
    last: Option<(Timestamp, f64)>,
    share: Option<f64>,
}

/// So much of so much.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    done: f64,
    of: f64,
}

/// Of the whole work: `epoch 3/10`, `Epoch [3/10]`, `epoch: 3 of 10`.
static EPOCH: LazyLock<Regex> = LazyLock::new(|| part_of("epoch|progress"));
/// Of an epoch, or of all where there are none.
static STEP: LazyLock<Regex> = LazyLock::new(|| part_of("step|iter|iteration|batch"));
static BAR: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\d+%\|[^|]*\|\s*(?P<done>\d+)/(?P<of>\d+)\s*\[").expect("a valid pattern")
});
static PERCENT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\bprogress\b\W{1,4}(?P<percent>\d+(?:\.\d+)?)\s*%").expect("a valid pattern")
});

fn part_of(words: &str) -> Regex {
    let number = r"(?P<done>\d+)\s*(?:/|of\b)\s*(?P<of>\d+)";
    Regex::new(&format!(r"(?i)(?:\b|_)(?:{words})\W{{1,3}}{number}")).expect("a valid pattern")
}

impl Tracker {
    /// Takes note of a line, which was printed then.
    pub fn hear(&mut self, at: Option<Timestamp>, line: &str) {
        let (epoch, step) = (self.epoch, self.step);
        let part = |regex: &Regex| {
            let found = regex.captures(line)?;
            Part::new(&found["done"], &found["of"])
        };
        let percent = PERCENT.captures(line).and_then(|it| Part::new(&it["percent"], "100"));
        self.epoch = part(&EPOCH).or(percent).or(self.epoch);
        self.step = part(&STEP).or_else(|| part(&BAR)).or(self.step);
        // Steps begin anew with an epoch.
        if epoch.is_some_and(|old| Some(old) != self.epoch) && self.step == step {
            self.step = step.map(|it| Part { done: 0.0, ..it });
        }
        for metric in metrics(line) {
            let shown = metric.shown();
            self.metrics.insert(metric.name, shown);
        }
        if (epoch, step) != (self.epoch, self.step) {
            self.note(at);
        }
    }

    /// How far it is now, if it has said so.
    pub fn progress(&self, now: Timestamp) -> Option<Progress> {
        let share = self.share?;
        Some(Progress { percent: share * 100.0, remaining: self.remaining(now) })
    }

    fn note(&mut self, at: Option<Timestamp>) {
        let Some(share) = share(self.epoch, self.step) else { return };
        // What began anew has another pace.
        if self.share.is_some_and(|before| share < before) {
            (self.first, self.last) = (None, None);
        }
        self.share = Some(share);
        if let Some(at) = at {
            self.first = self.first.or(Some((at, share)));
            self.last = Some((at, share));
        }
    }

    fn remaining(&self, now: Timestamp) -> Option<SignedDuration> {
        let ((begin, from), (end, to)) = (self.first?, self.last?);
        let took = end.duration_since(begin).as_secs_f64();
        if to <= from || took <= 0.0 {
            return None;
        }
        let left = took * (1.0 - to) / (to - from) - now.duration_since(end).as_secs_f64();
        // What is overdue has another pace than was thought.
        SignedDuration::try_from_secs_f64(left).ok().filter(|it| !it.is_negative())
    }
}

impl Part {
    fn new(done: &str, of: &str) -> Option<Self> {
        let part = Self { done: done.parse().ok()?, of: of.parse().ok()? };
        (part.of > 0.0 && part.done <= part.of).then_some(part)
    }

    fn share(self) -> f64 {
        self.done / self.of
    }
}

/// An epoch that has steps is under way; one without is told when it is over.
fn share(epoch: Option<Part>, step: Option<Part>) -> Option<f64> {
    match (epoch, step) {
        (Some(epoch), Some(step)) => Some(((epoch.done - 1.0).max(0.0) + step.share()) / epoch.of),
        (epoch, step) => epoch.or(step).map(Part::share),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[(&str, &str)], expected: &str) {
        let time = |it: &str| format!("2026-08-21T10:{it}Z").parse().unwrap();
        let mut tracker = Tracker::default();
        for (at, line) in lines {
            tracker.hear(Some(time(at)), line);
        }
        let seen = tracker.progress(time("10:00")).map_or_else(String::new, |it| {
            let left = it.remaining.map_or("-".to_owned(), |it| format!("{} s", it.as_secs()));
            format!("{:.1} {left}", it.percent)
        });
        assert_eq!(seen, expected, "{lines:?}");
    }

    #[test]
    fn a_program_tells_how_far_it_is() {
        check(&[("09:00", "epoch 1/10 loss=0.5"), ("10:00", "epoch 2/10 loss=0.4")], "20.0 480 s");
        check(&[("09:00", "step 100/1000"), ("10:00", "step 200/1000")], "20.0 480 s");
        check(&[("10:00", "Epoch [2/2], Step [50/100], Loss: 0.3")], "75.0 -");
        check(&[("10:00", "Epoch 3 of 10")], "30.0 -");
        check(&[("10:00", "Epoch 2/2, step: 50/100, loss: 0.3")], "75.0 -");
        check(&[("10:00", " 12%|█▏        | 120/1000 [00:10<01:13, 12.0it/s]")], "12.0 -");
        check(&[("10:00", "progress: 42%")], "42.0 -");
    }

    #[test]
    fn what_is_no_share_of_the_work_is_none() {
        check(&[("10:00", "accuracy 97/100")], "");
        check(&[("10:00", "worker 1/4 started, epoch=3")], "");
        check(&[("10:00", "step 5/0")], "");
    }

    #[test]
    fn time_passes_also_while_nothing_is_printed() {
        check(&[("08:00", "step 1/4"), ("09:00", "step 2/4")], "50.0 60 s");
        check(&[("00:00", "step 1/4"), ("01:00", "step 2/4")], "50.0 -");
    }

    #[test]
    fn what_begins_anew_is_counted_anew() {
        check(&[("01:00", "epoch 1/2 step 99/100"), ("02:00", "epoch 2/2")], "50.0 5520 s");
        check(
            &[("01:00", "step 90/100"), ("09:00", "step 10/100"), ("10:00", "step 20/100")],
            "20.0 480 s",
        );
    }
}

//! The plan of Hyperband: brackets of rungs, each with fewer trials that run for longer.

use crate::api::Algorithm;

/// What an experiment asks of Hyperband.
#[derive(Clone, Debug, PartialEq)]
pub struct Hyperband {
    /// The most that one trial may use of its resource.
    pub most: f64,
    /// By how much each rung thins its trials.
    pub eta: i64,
    /// The parameter that says how much a trial may use.
    pub resource: String,
}

/// Trials that run with the same resource before the best of them go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Brackets count down to 0.
    pub bracket: u32,
    /// Rungs of a bracket count up from 0.
    pub number: u32,
    pub trials: u64,
    /// What the resource parameter is set to.
    pub resource: i64,
}

impl Hyperband {
    /// What the settings say; nothing where they miss what is needed.
    pub fn of(algorithm: &Algorithm) -> Option<Self> {
        let number = |name| algorithm.setting(name)?.parse::<f64>().ok();
        let most = number("r_l").filter(|it| it.is_finite() && *it >= 1.0)?;
        let eta = algorithm.setting("eta").map_or(Some(3), |it| it.parse().ok());
        let eta = eta.filter(|it| *it >= 2)?;
        Some(Self { most, eta, resource: algorithm.setting("resource_name")?.to_owned() })
    }

    /// The number of the first bracket, which has the most rungs.
    pub fn brackets(&self) -> u32 {
        // Katib's own arithmetic, with its rounding: it decides how many trials are needed at once.
        (self.most.ln() / (self.eta as f64).ln()) as u32
    }

    /// How many trials Katib wants to run at once.
    pub fn parallel(&self) -> u64 {
        self.power(self.brackets()) as u64
    }

    /// All rungs in their order.
    pub fn rungs(&self) -> Vec<Rung> {
        let first = self.brackets();
        let brackets = (0..=first).rev();
        let rungs = brackets.flat_map(|bracket| {
            let share = f64::from(first + 1) / f64::from(bracket + 1);
            let trials = (share * self.power(bracket)).ceil() as u64;
            let rung = move |number: u32| Rung {
                bracket,
                number,
                trials: thinned(trials, self.eta, number),
                resource: (self.most / self.power(bracket) * self.power(number)) as i64,
            };
            (0..=bracket).map(rung)
        });
        rungs.collect()
    }

    /// How many trials there are in all.
    pub fn trials(&self) -> u64 {
        self.rungs().iter().fold(0, |sum, rung| rung.trials.saturating_add(sum))
    }

    fn power(&self, exponent: u32) -> f64 {
        (self.eta as f64).powf(f64::from(exponent))
    }
}

fn thinned(trials: u64, eta: i64, times: u32) -> u64 {
    (0..times).fold(trials, |trials, _| trials.div_ceil(eta.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_trade_the_number_of_trials_for_their_length() {
        let hyperband = Hyperband { most: 9.0, eta: 3, resource: "epochs".to_owned() };
        let rungs = hyperband.rungs();
        let shown: Vec<_> =
            rungs.iter().map(|it| (it.bracket, it.number, it.trials, it.resource)).collect();
        assert_eq!(
            shown,
            [(2, 0, 9, 1), (2, 1, 3, 3), (2, 2, 1, 9), (1, 0, 5, 3), (1, 1, 2, 9), (0, 0, 3, 9)]
        );
        assert_eq!((hyperband.parallel(), hyperband.trials()), (9, 23));
    }
}

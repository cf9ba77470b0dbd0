//! What is searched: every parameter with the values that it may take, checked.

mod reading;
#[cfg(test)]
mod tests;

use crate::api::{Parameter, Setting};

/// The parameters of an experiment, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchSpace {
    pub dimensions: Vec<Dimension>,
}

/// One parameter with its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Dimension {
    pub name: String,
    pub values: Values,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    Double {
        min: f64,
        max: f64,
        step: Option<f64>,
        distribution: Distribution,
    },
    Int {
        min: i64,
        max: i64,
        step: Option<i64>,
        distribution: Distribution,
    },
    /// Numbers, as they were written.
    Discrete(Vec<String>),
    Categorical(Vec<String>),
}

/// How often numbers of a range are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Distribution {
    #[default]
    Uniform,
    LogUniform,
    /// Around the middle, with a sixth of the range as the deviation.
    Normal,
    LogNormal,
}

/// What is wrong with a parameter, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    pub parameter: String,
    pub problem: String,
}

impl SearchSpace {
    /// A space in which a search makes sense: every parameter has two values at least.
    pub fn check(parameters: &[Parameter]) -> Result<Self, Vec<Objection>> {
        let space = Self::read(parameters)?;
        let mut objections = Vec::new();
        for dimension in &space.dimensions {
            if let Some(problem) = dimension.values.pointless() {
                objections.push(Objection { parameter: dimension.name.clone(), problem });
            }
        }
        if objections.is_empty() { Ok(space) } else { Err(objections) }
    }

    /// A space that an algorithm can draw from.
    pub fn read(parameters: &[Parameter]) -> Result<Self, Vec<Objection>> {
        reading::read(parameters)
    }

    pub fn get(&self, parameter: &str) -> Option<&Values> {
        self.dimensions.iter().find(|it| it.name == parameter).map(|it| &it.values)
    }

    /// How many different trials there are; nothing where a parameter has any number of values.
    /// As many as a `u64` can say where there are more.
    pub fn combinations(&self) -> Option<u64> {
        let mut counts = self.dimensions.iter().map(|it| it.values.count());
        counts.try_fold(1_u64, |product, count| Some(product.saturating_mul(count?)))
    }

    /// Values for one trial that stands for all: the middle of ranges, the first of lists.
    pub fn middle(&self) -> Vec<Setting> {
        let each = self
            .dimensions
            .iter()
            .map(|it| Setting { name: it.name.clone(), value: it.values.middle() });
        each.collect()
    }
}

impl Values {
    pub fn is_numeric(&self) -> bool {
        matches!(self, Self::Double { .. } | Self::Int { .. })
    }

    pub fn distribution(&self) -> Distribution {
        match self {
            Self::Double { distribution, .. } | Self::Int { distribution, .. } => *distribution,
            _ => Distribution::Uniform,
        }
    }

    pub fn has_step(&self) -> bool {
        matches!(self, Self::Double { step: Some(_), .. } | Self::Int { step: Some(_), .. })
    }

    /// How many values there are; nothing where every number of a range is one.
    pub fn count(&self) -> Option<u64> {
        match self {
            Self::Double { min, max, step: None, .. } => (min == max).then_some(1),
            Self::Double { min, max, step: Some(step), .. } => Some(steps(*min, *max, *step)),
            Self::Int { min, max, step, .. } => {
                let count = (i128::from(*max) - i128::from(*min)) / i128::from(step.unwrap_or(1));
                Some(u64::try_from(count + 1).unwrap_or(u64::MAX))
            }
            Self::Discrete(list) | Self::Categorical(list) => Some(list.len() as u64),
        }
    }

    /// The value at a place in their order; nothing behind the last.
    pub fn at(&self, index: u64) -> Option<String> {
        if index >= self.count()? {
            return None;
        }
        Some(match self {
            Self::Double { min, max, step, .. } => {
                decimal(min + index as f64 * step.unwrap_or_default(), *min, *max)
            }
            Self::Int { min, step, .. } => {
                let value = i128::from(*min) + i128::from(index) * i128::from(step.unwrap_or(1));
                value.to_string()
            }
            Self::Discrete(list) | Self::Categorical(list) => {
                list.get(usize::try_from(index).ok()?)?.clone()
            }
        })
    }

    /// The value of a range that is nearest to a number, in the text that a trial gets.
    pub fn nearest(&self, number: f64) -> String {
        match self {
            Self::Double { min, max, step: None, .. } => text(number.clamp(*min, *max)),
            Self::Double { min, max, step: Some(step), .. } => {
                let last = steps(*min, *max, *step) - 1;
                let index = ((number - min) / step).round().clamp(0.0, last as f64);
                decimal(min + index * step, *min, *max)
            }
            Self::Int { min, max, step, .. } => {
                let step = step.unwrap_or(1);
                let last = (i128::from(*max) - i128::from(*min)) / i128::from(step);
                let index = ((number - *min as f64) / step as f64).round();
                // Casts to integers end at the type's own bounds.
                let index = (index as i128).clamp(0, last);
                (i128::from(*min) + index * i128::from(step)).to_string()
            }
            Self::Discrete(list) | Self::Categorical(list) => {
                let distance = |it: &&String| (it.parse().unwrap_or(f64::MAX) - number).abs();
                let nearest = list.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
                nearest.cloned().unwrap_or_default()
            }
        }
    }

    /// Whether a value is one of these, on its step.
    pub fn holds(&self, value: &str) -> bool {
        match self {
            Self::Double { min, max, step, .. } => value.parse::<f64>().is_ok_and(|number| {
                let on_step = step.is_none_or(|step| {
                    let steps = (number - min) / step;
                    (steps - steps.round()).abs() < 1e-6
                });
                (*min..=*max).contains(&number) && on_step
            }),
            Self::Int { min, max, step, .. } => value.parse::<i64>().is_ok_and(|number| {
                let steps = i128::from(number) - i128::from(*min);
                (*min..=*max).contains(&number) && steps % i128::from(step.unwrap_or(1)) == 0
            }),
            Self::Discrete(list) | Self::Categorical(list) => list.iter().any(|it| it == value),
        }
    }

    /// The bounds of a range, and how numbers between them are drawn.
    pub fn range(&self) -> Option<(f64, f64, Distribution)> {
        match self {
            Self::Double { min, max, distribution, .. } => Some((*min, *max, *distribution)),
            Self::Int { min, max, distribution, .. } => {
                Some((*min as f64, *max as f64, *distribution))
            }
            _ => None,
        }
    }

    fn middle(&self) -> String {
        match (self, self.range()) {
            (_, Some((min, max, distribution))) if distribution.is_log() => {
                self.nearest((min.ln() / 2.0 + max.ln() / 2.0).exp())
            }
            (_, Some((min, max, _))) => self.nearest(min / 2.0 + max / 2.0),
            (Self::Discrete(list) | Self::Categorical(list), None) => {
                list.first().cloned().unwrap_or_default()
            }
            (_, None) => String::new(),
        }
    }

    /// Why a search over these values would be none.
    fn pointless(&self) -> Option<String> {
        match self {
            Self::Discrete(list) | Self::Categorical(list) => {
                let mut seen = std::collections::HashSet::new();
                let twice = list.iter().find(|it| !seen.insert(it.as_str()));
                if let Some(twice) = twice {
                    return Some(format!("list has {twice:?} twice: give each value once"));
                }
                let [only] = list.as_slice() else { return None };
                Some(format!("list has only {only:?}: {FIXED}"))
            }
            _ => {
                let (min, max) = self.bounds()?;
                if min == max {
                    return Some(format!("min and max are both {min}: {FIXED}"));
                }
                let step = self.step().filter(|_| self.count() == Some(1))?;
                Some(format!(
                    "step {step} leaves only {min} between min {min} and max {max}: give a smaller \
                     step"
                ))
            }
        }
    }

    fn bounds(&self) -> Option<(String, String)> {
        match self {
            Self::Double { min, max, .. } => Some((min.to_string(), max.to_string())),
            Self::Int { min, max, .. } => Some((min.to_string(), max.to_string())),
            _ => None,
        }
    }

    fn step(&self) -> Option<String> {
        match self {
            Self::Double { step, .. } => step.map(|it| it.to_string()),
            Self::Int { step, .. } => step.map(|it| it.to_string()),
            _ => None,
        }
    }
}

impl Distribution {
    pub const NAMES: [&str; 4] = ["uniform", "logUniform", "normal", "logNormal"];

    pub fn is_log(self) -> bool {
        matches!(self, Self::LogUniform | Self::LogNormal)
    }

    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

const FIXED: &str = "nothing to search; set it in the code instead";

/// How many values a range has with a step; the last one counts where only rounding puts it outside.
fn steps(min: f64, max: f64, step: f64) -> u64 {
    // A cast to an integer ends at the type's own bounds.
    (((max - min) / step + 1e-9).floor() as u64).saturating_add(1)
}

/// A number on a step, without the digits that only rounding puts there.
fn decimal(number: f64, min: f64, max: f64) -> String {
    let rounded = format!("{number:.12e}").parse().unwrap_or(number);
    text(f64::clamp(rounded, min, max))
}

/// A number in all its digits, as Python writes it but for the zeros of exponents.
pub fn text(number: f64) -> String {
    format!("{number:?}")
}

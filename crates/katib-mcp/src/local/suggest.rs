//! The next parameters to try.

use kube::Client;

use crate::api::{Experiment, FeasibleSpace, Parameter, Setting, StoppingRule, Suggestion, Trial};

/// What an algorithm answers.
#[derive(Debug, Default)]
pub(in crate::local) struct Suggested {
    /// Of as many trials as were asked for, or fewer where the space is at its end.
    pub(in crate::local) assignments: Vec<Vec<Setting>>,
    /// What the algorithm wants to be told next time.
    pub(in crate::local) algorithm_settings: Vec<Setting>,
    /// What ends the new trials early.
    pub(in crate::local) stopping_rules: Vec<StoppingRule>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(in crate::local) enum SuggestError {
    /// The algorithm's service is not up yet.
    #[error("{0}")]
    NotReady(String),
    /// The experiment is not one for this algorithm: it will never be.
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Failed(String),
}

/// The next `count` choices of parameters.
pub(in crate::local) async fn suggest(
    _: &Client,
    experiment: &Experiment,
    _: &Suggestion,
    _: &[Trial],
    count: usize,
) -> Result<Suggested, SuggestError> {
    let parameters = &experiment.spec.parameters;
    let assignments = (0..count).map(|_| {
        let chosen =
            parameters.iter().map(|it| Ok(Setting { name: it.name.clone(), value: chosen(it)? }));
        chosen.collect()
    });
    Ok(Suggested { assignments: assignments.collect::<Result<_, _>>()?, ..Suggested::default() })
}

fn chosen(parameter: &Parameter) -> Result<String, SuggestError> {
    let space: &FeasibleSpace = &parameter.feasible_space;
    let bound = |text: &Option<String>| {
        let value = text.as_ref().and_then(|it| it.parse::<f64>().ok());
        value.ok_or_else(|| SuggestError::Invalid(format!("bounds of {:?}", parameter.name)))
    };
    let fraction = fraction();
    match parameter.parameter_type.as_str() {
        "double" | "int" => {
            let (min, max) = (bound(&space.min)?, bound(&space.max)?);
            if parameter.parameter_type == "double" {
                return Ok((min + fraction * (max - min)).to_string());
            }
            Ok((min + (fraction * (max - min + 1.0)).floor()).to_string())
        }
        _ => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss
            )]
            let index = (fraction * space.list.len() as f64) as usize;
            let value = space.list.get(index);
            value
                .cloned()
                .ok_or_else(|| SuggestError::Invalid(format!("list of {:?}", parameter.name)))
        }
    }
}

/// At least 0, less than 1.
fn fraction() -> f64 {
    let bits = uuid::Uuid::new_v4().as_u64_pair().1 as u32;
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

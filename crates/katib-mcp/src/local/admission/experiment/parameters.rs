//! What is wrong with the parameters that are searched. Katib looks at their form alone: bounds that
//! are no numbers are for the algorithm to find.

use crate::{api::Parameter, local::admission::faults::Faults};

const TYPES: [&str; 5] = ["int", "double", "categorical", "discrete", "unknown"];
const DISTRIBUTIONS: [&str; 5] = ["uniform", "logUniform", "normal", "logNormal", "unknown"];

pub(super) fn judge(faults: &mut Faults, parameters: &[Parameter]) {
    for (index, parameter) in parameters.iter().enumerate() {
        let field = format!("spec.parameters[{index}]");
        let (kind, space) = (parameter.parameter_type.as_str(), &parameter.feasible_space);
        if !TYPES.contains(&kind) {
            let why = format!("parameterType: {kind} is not supported");
            faults.invalid(&format!("{field}.parameterType"), &kind, &why);
        }
        let field = format!("{field}.feasibleSpace");
        let distribution = space.distribution.as_deref().unwrap_or_default();
        if !distribution.is_empty() && !DISTRIBUTIONS.contains(&distribution) {
            let why = format!("distribution: {distribution} is not supported");
            faults.invalid(&format!("{field}.distribution"), &distribution, &why);
        }
        let given = |bound: &Option<String>| bound.as_ref().is_some_and(|it| !it.is_empty());
        match kind {
            "double" | "int" => {
                if !space.list.is_empty() {
                    let why =
                        format!("feasibleSpace.list is not supported for parameterType: {kind}");
                    faults.invalid(&format!("{field}.list"), &space.list, &why);
                }
                if !given(&space.max) || !given(&space.min) {
                    let why = format!(
                        "feasibleSpace.max or feasibleSpace.min must be specified for parameterType: {kind}"
                    );
                    faults.required(&format!("{field}.max"), &why);
                }
            }
            "categorical" | "discrete"
                if given(&space.max) || given(&space.min) || given(&space.step) =>
            {
                let why = format!(
                    "feasibleSpace .max, .min and .step is not supported for parameterType: {kind}"
                );
                faults.invalid(&field, space, &why);
            }
            _ => {}
        }
    }
}

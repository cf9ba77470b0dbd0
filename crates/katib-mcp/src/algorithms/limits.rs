//! What each algorithm can search, and what it makes of a space that it does not quite fit.

use super::{Algorithm, Findings, Subject, hyperband::Hyperband};
use crate::{
    api::{Experiment, ExperimentSpec},
    search_space::{Dimension, Distribution, SearchSpace, Values},
};

pub(super) fn search(
    algorithm: &Algorithm,
    experiment: &Experiment,
    space: &SearchSpace,
    findings: &mut Findings,
) {
    for dimension in &space.dimensions {
        match algorithm.name {
            "random" | "tpe" => hyperopt(algorithm.name, dimension, findings),
            "multivariate-tpe" => optuna(dimension, findings),
            "grid" => grid(dimension, findings),
            "bayesianoptimization" => bayesian(dimension, findings),
            "cmaes" | "sobol" => goptuna(algorithm.name, dimension, findings),
            "hyperband" => evenly(algorithm.name, dimension, findings),
            "pbt" => pbt(dimension, findings),
            _ => {}
        }
    }
    match algorithm.name {
        "cmaes" => {
            let numeric = space.dimensions.iter().filter(|it| it.values.is_numeric()).count();
            if numeric < 2 {
                findings.object(
                    Subject::Algorithm,
                    format!("cmaes needs two parameters of type double or int, and gets {numeric}"),
                );
            }
            widths(&experiment.spec, space, findings);
        }
        "bayesianoptimization" => findings.warn(
            "bayesianoptimization: on a cluster its service has 100Mi of memory by default, which \
             some dozen trials fill; if no new trials come, take tpe",
        ),
        "hyperband" => brackets(&experiment.spec, space, findings),
        "pbt" => population(experiment, findings),
        _ => {}
    }
    combinations(algorithm.name, &experiment.spec, space, findings);
}

pub(super) fn stopping(experiment: &Experiment, findings: &mut Findings) {
    let spec = &experiment.spec;
    let collector = spec.metrics_collector_spec.as_ref().and_then(|it| it.collector.as_ref());
    let kind = collector.and_then(|it| it.kind.as_deref()).unwrap_or("StdOut");
    if !matches!(kind, "StdOut" | "File") {
        findings.object(
            Subject::EarlyStopping,
            format!("medianstop needs metrics of the collector StdOut or File, not {kind:?}"),
        );
    }
    if spec.algorithm.as_ref().is_some_and(|it| it.algorithm_name == "hyperband") {
        findings.object(
            Subject::EarlyStopping,
            "medianstop stops trials that hyperband waits for: take one of the two",
        );
    }
}

fn combinations(
    algorithm: &str,
    spec: &ExperimentSpec,
    space: &SearchSpace,
    findings: &mut Findings,
) {
    let mut counts = space.dimensions.iter().map(|it| match algorithm {
        "grid" => laid_out(&it.values),
        _ => it.values.count(),
    });
    let count = counts.try_fold(1_u64, |product, count| Some(product.saturating_mul(count?)));
    let (Some(most), Some(count)) = (spec.max_trial_count, count) else { return };
    if u64::try_from(most).is_ok_and(|most| most <= count) {
        return;
    }
    if algorithm == "grid" {
        let problem = format!("is {most}, but the grid has only {count} combinations");
        findings.object(Subject::MaxTrials, problem);
    } else if algorithm != "hyperband" {
        findings.warn(format!(
            "{most} trials for {count} combinations: some are tried twice; grid tries each once"
        ));
    }
}

fn hyperopt(algorithm: &str, dimension: &Dimension, findings: &mut Findings) {
    let Dimension { name, values } = dimension;
    let Some((min, max, distribution)) = values.range() else { return };
    if matches!(distribution, Distribution::Normal | Distribution::LogNormal) {
        findings.warn(format!(
            "{name}: about 3 of 1,000 values of the distribution {} are below min or above max",
            distribution.name()
        ));
    }
    if let Some(step) = step(values)
        && [min, max].iter().any(|it| (it / step - (it / step).round()).abs() > 1e-9)
    {
        findings.warn(format!(
            "{name}: {algorithm} rounds to multiples of the step {step}, so values may be below min \
             or above max; let both be multiples of it"
        ));
    }
}

fn optuna(dimension: &Dimension, findings: &mut Findings) {
    let Dimension { name, values } = dimension;
    let distribution = values.distribution();
    match distribution {
        Distribution::Normal | Distribution::LogNormal => findings.object(
            Subject::Parameter(name.clone()),
            format!(
                "distribution {} is not for multivariate-tpe: take uniform, logUniform, or tpe",
                distribution.name()
            ),
        ),
        Distribution::LogUniform if values.has_step() => {
            findings.warn(format!("{name}: multivariate-tpe ignores the step of a logUniform"));
        }
        _ => {}
    }
}

fn grid(dimension: &Dimension, findings: &mut Findings) {
    let Dimension { name, values } = dimension;
    let Values::Double { max, step, .. } = values else { return };
    let Some(step) = step else {
        let problem = "needs a step, as grid tries every value";
        return findings.object(Subject::Parameter(name.clone()), problem);
    };
    if laid_out(values) < values.count() {
        findings.warn(format!(
            "{name}: {max} is not tried, as adding up steps of {step} comes out a hair above it; \
             give a slightly greater max"
        ));
    }
}

/// How many values Katib's grid has of a parameter. It adds up steps, and leaves out a last value that
/// comes out a hair above `max`.
fn laid_out(values: &Values) -> Option<u64> {
    let Values::Double { min, max, step: Some(step), .. } = values else { return values.count() };
    let delta = (min + step) - min;
    let count = ((max + step - min) / step).ceil();
    let count = if min + (count - 1.0) * delta > *max { count - 1.0 } else { count };
    Some(count.max(1.0) as u64)
}

fn bayesian(dimension: &Dimension, findings: &mut Findings) {
    let Dimension { name, values } = dimension;
    match values {
        Values::Double { min, .. } if *min <= 0.0 => findings.object(
            Subject::Parameter(name.clone()),
            format!(
                "min is {min}, but bayesianoptimization searches doubles on a log scale and needs \
                 a min above 0"
            ),
        ),
        Values::Double { distribution, .. } if *distribution != Distribution::LogUniform => {
            findings.warn(format!(
                "{name}: bayesianoptimization searches doubles on a log scale, whatever the \
                 distribution"
            ));
        }
        Values::Int { distribution, .. } if *distribution != Distribution::Uniform => {
            findings.warn(ignored("bayesianoptimization", name, *distribution));
        }
        _ => {}
    }
    if values.has_step() {
        findings.warn(format!("{name}: bayesianoptimization ignores the step"));
    }
}

fn goptuna(algorithm: &str, dimension: &Dimension, findings: &mut Findings) {
    let Dimension { name, values } = dimension;
    if values.distribution() != Distribution::Uniform {
        findings.warn(ignored(algorithm, name, values.distribution()));
    }
    match values {
        Values::Int { max, .. } if algorithm == "sobol" => findings.warn(format!(
            "{name}: on a cluster sobol never tries {max}, as it rounds whole numbers down"
        )),
        Values::Discrete(_) | Values::Categorical(_) if algorithm == "cmaes" => {
            findings.warn(format!("{name}: cmaes draws values of a list at random"));
        }
        _ => {}
    }
}

/// CMA-ES begins with one width of step for all parameters.
fn widths(spec: &ExperimentSpec, space: &SearchSpace, findings: &mut Findings) {
    let ranges = space.dimensions.iter().filter_map(|it| Some((&it.name, it.values.range()?)));
    let widths = ranges.map(|(name, (min, max, _))| (name, max - min));
    let mut widths: Vec<_> = widths.collect();
    widths.sort_by(|(_, one), (_, other)| one.total_cmp(other));
    let (Some((narrow, least)), Some((wide, most))) = (widths.first(), widths.last()) else {
        return;
    };
    let sigma = spec.algorithm.as_ref().and_then(|it| it.setting("sigma"));
    if sigma.is_none() && *most > *least * 100.0 {
        findings.warn(format!(
            "cmaes: on a cluster it begins with steps of a sixth of the narrowest range, that of \
             {narrow}, which is next to nothing for {wide}; scale the parameters in the code"
        ));
    }
}

fn evenly(algorithm: &str, dimension: &Dimension, findings: &mut Findings) {
    let Dimension { name, values } = dimension;
    if values.distribution() != Distribution::Uniform {
        findings.warn(ignored(algorithm, name, values.distribution()));
    }
    if values.has_step() {
        findings.warn(format!("{name}: {algorithm} ignores the step"));
    }
    if let Values::Discrete(list) = values
        && let Some(broken) = list.iter().find(|it| it.parse::<i64>().is_err())
    {
        findings.object(
            Subject::Parameter(name.clone()),
            format!("{algorithm} takes whole numbers in lists of type discrete, not {broken:?}"),
        );
    }
}

fn brackets(spec: &ExperimentSpec, space: &SearchSpace, findings: &mut Findings) {
    let Some(hyperband) = spec.algorithm.as_ref().and_then(Hyperband::of) else { return };
    let resource = &hyperband.resource;
    match space.get(resource) {
        None => findings.object(
            Subject::Setting("resource_name".to_owned()),
            format!("is {resource:?}, which is none of the parameters"),
        ),
        Some(Values::Int { min, max, .. }) => {
            let used = hyperband.rungs().into_iter().map(|it| it.resource);
            let (least, most) = (used.clone().min(), used.max());
            if least < Some(*min) || most > Some(*max) {
                findings.warn(format!(
                    "{resource}: hyperband sets it from {} to {}, though its range is {min} to \
                     {max}",
                    least.unwrap_or_default(),
                    most.unwrap_or_default()
                ));
            }
        }
        Some(_) => findings.object(
            Subject::Parameter(resource.clone()),
            "is hyperband's resource, which is a whole number: give it the type int",
        ),
    }
    let needed = hyperband.parallel();
    let parallel = spec.parallel_trial_count.unwrap_or(3);
    if u64::try_from(parallel).is_ok_and(|it| it < needed) {
        findings.object(
            Subject::ParallelTrials,
            format!("is {parallel}, but hyperband needs {needed} for its first rung"),
        );
    }
    let total = hyperband.trials();
    match spec.max_trial_count.and_then(|it| u64::try_from(it).ok()) {
        Some(most) if most <= total => {}
        _ => findings.object(
            Subject::MaxTrials,
            format!("hyperband's plan has {total} trials: give no more, or the search never ends"),
        ),
    }
    findings.warn(format!(
        "hyperband: Katib up to 0.19 offers fewer trials than its controller asks for after the \
         first {parallel}, and the search stalls there; random with medianstop does what was meant"
    ));
}

fn pbt(dimension: &Dimension, findings: &mut Findings) {
    let Dimension { name, values } = dimension;
    if values.is_numeric() && !values.has_step() {
        findings.object(Subject::Parameter(name.clone()), "needs a step, as pbt walks in steps");
    }
    if values.distribution() != Distribution::Uniform {
        findings.warn(ignored("pbt", name, values.distribution()));
    }
}

fn population(experiment: &Experiment, findings: &mut Findings) {
    if experiment.spec.resume_policy.as_deref() != Some("FromVolume") {
        findings.object(
            Subject::ResumePolicy,
            "is not FromVolume, which pbt needs for the checkpoints that trials hand on",
        );
    }
    let name = experiment.metadata.name.as_deref().unwrap_or_default();
    if name.len() > 26 {
        findings.object(
            Subject::Name,
            format!(
                "{name:?} has {} characters, and pbt, which adds 37 to it for its trials, takes 26",
                name.len()
            ),
        );
    }
}

fn step(values: &Values) -> Option<f64> {
    match values {
        Values::Double { step, .. } => *step,
        Values::Int { step, .. } => step.map(|it| it as f64),
        _ => None,
    }
}

fn ignored(algorithm: &str, parameter: &str, distribution: Distribution) -> String {
    format!("{parameter}: {algorithm} ignores the distribution {}", distribution.name())
}

//! Starting training jobs: from a model and a data set, from code, and from an image.

mod container;
mod custom;
mod fine_tune;
mod retry;
mod submit;

use kubeflow_mcp_core::{Sign, ToolDef};

use self::submit::Submission;

pub const TOOLS: &[ToolDef] = &[
    ToolDef::of::<fine_tune::FineTune>(),
    ToolDef::of::<custom::RunCustomTraining>(),
    ToolDef::of::<container::RunContainerTraining>(),
    ToolDef::of::<retry::RetryTrainingJob>(),
];

/// What is concluded from of what a cluster says to a new job.
pub const SIGNS: [Sign; 1] = [workloads::image::NO_IMAGES];

#[cfg(test)]
#[cfg(feature = "local")]
mod tests;

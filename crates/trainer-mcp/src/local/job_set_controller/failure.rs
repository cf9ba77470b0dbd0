//! What a failed Job means for its JobSet.

use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;
use regex::Regex;

use super::{conditions::Recorder, jobs, plan::condition};
use crate::local::{
    job_set::{FailurePolicyRule, JobSet},
    reporting::Severity,
};

/// Ends the JobSet, or counts a restart, which makes the next look delete this run's Jobs.
pub(super) fn respond(job_set: &JobSet, failed: &[&Job], recorder: &mut Recorder) {
    let Some(first) = first(failed.iter().copied()) else { return };
    let of = |message: &str, job: &Job| format!("{message} (first failed job: {})", job.name_any());
    let Some(policy) = &job_set.spec.failure_policy else {
        let message = of("jobset failed due to one or more job failures", first);
        return recorder.fail("FailedJobs", &message);
    };
    let matching = policy.rules.iter().find_map(|rule| {
        let job = first_matching(rule, failed)?;
        Some((rule, job))
    });
    let action = matching.map_or("RestartJobSet", |(rule, _)| rule.action.as_str());
    let job = matching.map_or(first, |(_, job)| job);
    let message = of(&format!("applying {action} failure policy action"), job);
    let reason = format!("{action}FailurePolicyAction");
    match action {
        "FailJobSet" => recorder.fail(&reason, &message),
        "RestartJobSet"
            if recorder.status.restarts_count_towards_max >= policy.max_restarts.unwrap_or(0) =>
        {
            let message = of("jobset failed due to reaching max number of restarts", job);
            recorder.fail("ReachedMaxRestarts", &message);
        }
        _ => {
            recorder.status.restarts += 1;
            if action == "RestartJobSet" {
                recorder.status.restarts_count_towards_max += 1;
            }
            let cause = matching.map_or("DefaultFailurePolicy".to_owned(), |(rule, _)| {
                format!("FailurePolicy_{}", rule.name)
            });
            recorder.restart(&cause, &message);
            recorder.report(Severity::Warning, &reason, &message);
        }
    }
}

fn first<'a>(failed: impl Iterator<Item = &'a Job>) -> Option<&'a Job> {
    failed.min_by_key(|job| {
        condition(job, "Failed").and_then(|it| it.last_transition_time.as_ref()).map(|time| time.0)
    })
}

fn first_matching<'a>(rule: &FailurePolicyRule, failed: &[&'a Job]) -> Option<&'a Job> {
    first(failed.iter().copied().filter(|job| applies(rule, job)))
}

fn applies(rule: &FailurePolicyRule, job: &Job) -> bool {
    let Some(failure) = condition(job, "Failed") else { return false };
    let reason = failure.reason.as_deref().unwrap_or_default();
    let message = failure.message.as_deref().unwrap_or_default();
    let reasons = &rule.on_job_failure_reasons;
    let patterns = &rule.on_job_failure_message_patterns;
    let targets = &rule.target_replicated_jobs;
    let matches = |pattern: &String| Regex::new(pattern).is_ok_and(|it| it.is_match(message));
    (reasons.is_empty() || reasons.iter().any(|it| it == reason))
        && (patterns.is_empty() || patterns.iter().any(matches))
        && job
            .labels()
            .get(jobs::REPLICATED_JOB)
            .is_some_and(|name| targets.is_empty() || targets.contains(name))
}

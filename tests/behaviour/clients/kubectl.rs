//! kubectl, by topic.

use super::session::replay;

#[tokio::test]
async fn objects_are_listed_shown_changed_and_deleted() {
    replay("kubectl/objects").await;
}

#[tokio::test]
async fn configurations_are_applied_on_both_sides() {
    replay("kubectl/applying").await;
}

#[tokio::test]
async fn rights_are_granted_asked_for_and_enforced() {
    replay("kubectl/access").await;
}

#[tokio::test]
async fn what_is_served_is_discovered_and_explained() {
    replay("kubectl/discovery").await;
}

#[tokio::test]
async fn a_quota_is_kept() {
    replay("kubectl/quota").await;
}

#[tokio::test]
async fn a_train_job_that_waits_is_seen_through_all_its_objects() {
    replay("kubectl/training").await;
}

#[tokio::test]
async fn pods_and_jobs_run_and_are_followed() {
    replay("kubectl/running").await;
}

//! The Kubeflow SDK for Python.

use super::session::replay;

#[tokio::test]
async fn a_function_is_trained_followed_and_removed() {
    replay("sdk").await;
}

#[tokio::test]
async fn a_search_is_made_followed_and_removed() {
    replay("optimizer").await;
}

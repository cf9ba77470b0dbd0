//! The Kubeflow SDK for Python.

use super::session::replay;

#[tokio::test]
async fn a_function_is_trained_followed_and_removed() {
    replay("sdk").await;
}

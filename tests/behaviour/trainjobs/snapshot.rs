//! Snapshots of what the real controllers did.

use std::path::PathBuf;

use kubeflow_mcp_tests::cluster::Cluster;

/// Compares with a file of this folder. `UPDATE_EXPECT=1` writes it, on a real cluster only.
pub(super) fn check(cluster: &Cluster, file: &str, text: &str) {
    let path = path(file);
    if cluster.is_real() {
        expect_test::expect_file![path].assert_eq(text);
    } else {
        let expected = std::fs::read_to_string(&path).expect("a snapshot");
        assert_eq!(text, expected, "not what a real cluster does: {}", path.display());
    }
}

pub(super) fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("behaviour/trainjobs").join(file)
}

//! Scratch.
use local_kube::*;
#[tokio::main]
async fn main() {
    let dir = std::path::PathBuf::from("/tmp/api/state");
    std::fs::create_dir_all(&dir).unwrap();
    let crds =
        vec![serde_json::from_str(&std::fs::read_to_string("/tmp/api/crd.json").unwrap()).unwrap()];
    let kube = LocalKube::open(Options { crds, ..Options::default() }).unwrap();
    let listener = kube.listen(&dir).await.unwrap();
    std::fs::write("/tmp/api/kubeconfig", &listener.kubeconfig).unwrap();
    kube.run().await;
}

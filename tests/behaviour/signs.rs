//! What tools conclude from a cluster's words: each word as the cluster wrote it, and what became of it.

mod answers;
mod broken;
mod jobs;
mod pods;

use std::{fmt::Write as _, fs, path::Path};

use expect_test::{Expect, expect};
use kubeflow_mcp_core::Sign;
use kubeflow_mcp_tests::namespace::Namespace;
use regex::Regex;

/// A sign that was seen.
struct Seen {
    sign: &'static str,
    /// By the cluster.
    written: String,
    /// What a tool made of it.
    read: String,
}

/// Compares a table of what was seen, which has to be all that is said to be seen here.
fn check(namespace: &Namespace, signs: &[&str], seen: &[Seen], expected: &Expect) {
    let mut table = String::new();
    for Seen { sign, written, read } in seen {
        assert!(signs.contains(sign), "{sign} is not said to be seen here");
        writeln!(table, "{sign}\n  written: {written}\n  read: {read}").unwrap();
    }
    for sign in signs {
        assert!(seen.iter().any(|it| it.sign == *sign), "{sign} is not seen here");
    }
    expected.assert_eq(&namespace.normalised(&table));
}

/// All signs of all crates.
fn signs() -> Vec<Sign> {
    [kubeflow_mcp_core::signs(), workloads::signs(), trainer_mcp::signs(), katib_mcp::signs()]
        .concat()
}

#[test]
fn every_sign_is_seen_by_a_test_or_stands_written() {
    let seen = [
        answers::SIGNS,
        broken::SIGNS,
        pods::SIGNS,
        jobs::SIGNS,
        crate::older::SIGNS,
        crate::diagnosis::SIGNS,
    ]
    .concat();
    let signs = signs();
    let mut documented = String::new();
    for Sign { name, source } in &signs {
        match (source, seen.contains(name)) {
            (None, true) => {}
            (Some(source), false) => writeln!(documented, "{name}: {source}").unwrap(),
            (None, false) => panic!("no test has a cluster say {name:?}"),
            (Some(_), true) => panic!("a test has a cluster say {name:?}, which needs no source"),
        }
    }
    for name in seen {
        assert!(signs.iter().any(|it| it.name == name), "nothing is concluded from {name:?}");
    }
    expect![[r#"
        denied_by_policy: this server's own fence
        rate_limited: k8s.io/apiserver pkg/server/filters/maxinflight.go
        preview_unavailable: k8s.io/apiserver pkg/admission/plugin/webhook/errors/statuserror.go
        ErrImagePull: k8s.io/kubernetes pkg/kubelet/images/types.go
        ImagePullBackOff: k8s.io/kubernetes pkg/kubelet/images/types.go
        InvalidImageName: k8s.io/kubernetes pkg/kubelet/images/types.go
        RegistryUnavailable: k8s.io/cri-api pkg/errors/errors.go
        ImageInspectError: k8s.io/kubernetes pkg/kubelet/images/types.go
        CreateContainerError: k8s.io/kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go
        RunContainerError: k8s.io/kubernetes pkg/kubelet/container/sync_result.go
        PreCreateHookError: k8s.io/kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go
        PostStartHookError: k8s.io/kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go
        /containerLogs/: k8s.io/kubernetes pkg/registry/core/pod/strategy.go
        kueue.x-k8s.io/queue-name: sigs.k8s.io/kueue pkg/controller/constants/constants.go
        kueue.x-k8s.io/multikueue: sigs.k8s.io/kueue apis/kueue/v1beta1/multikueue_types.go
        FailureTarget: k8s.io/api batch/v1/types.go
        QuotaReserved: sigs.k8s.io/kueue apis/kueue/v1beta2/workload_types.go
        ExceedsMaxQuota: sigs.k8s.io/kueue apis/kueue/v1beta2/workload_types.go
        request > maximum capacity: sigs.k8s.io/kueue pkg/scheduler/flavorassigner/flavorassigner.go
        is unavailable in ClusterQueue: sigs.k8s.io/kueue pkg/scheduler/flavorassigner/flavorassigner.go
        doesn't exist: sigs.k8s.io/kueue pkg/cache/queue/manager.go
        is inactive: sigs.k8s.io/kueue pkg/controller/core/workload_controller.go
        Misconfigured: sigs.k8s.io/kueue apis/kueue/v1beta2/workload_types.go
        JobCreationFailed: sigs.k8s.io/jobset pkg/constants/constants.go
        PVCCreationFailed: sigs.k8s.io/jobset pkg/constants/constants.go
        HeadlessServiceCreationFailed: sigs.k8s.io/jobset pkg/constants/constants.go
        violates PodSecurity: k8s.io/pod-security-admission admission/admission.go
        serviceaccount : k8s.io/kubernetes plugin/pkg/admission/serviceaccount
        failed calling webhook: k8s.io/apiserver pkg/admission/plugin/webhook
        untolerated taint: k8s.io/kubernetes pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go
        didn't match PersistentVolume's node affinity: k8s.io/kubernetes pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go
        were unschedulable: k8s.io/kubernetes pkg/scheduler/framework/plugins/nodeunschedulable/node_unschedulable.go
        TriggeredScaleUp: k8s.io/autoscaler cluster-autoscaler/processors/status/eventing_scale_up_processor.go
        unbound immediate PersistentVolumeClaims: k8s.io/kubernetes pkg/scheduler/framework/plugins/volumebinding/volume_binding.go
        FailedBinding: k8s.io/kubernetes pkg/controller/volume/events/event.go
        ProvisioningFailed: k8s.io/kubernetes pkg/controller/volume/events/event.go
        FailedAttachVolume: k8s.io/kubernetes pkg/controller/volume/events/event.go
        configmap ": k8s.io/kubernetes pkg/kubelet/kubelet_pods.go
        couldn't find key : k8s.io/kubernetes pkg/kubelet/kubelet_pods.go
        InvalidImageName: k8s.io/kubernetes pkg/kubelet/images/types.go
        401 Unauthorized: github.com/containerd/containerd core/remotes/docker/resolver.go
        403 Forbidden: github.com/containerd/containerd core/remotes/docker/resolver.go
        pull access denied: github.com/containerd/containerd core/remotes/docker/resolver.go
        unauthorized: github.com/opencontainers/distribution-spec spec.md
        manifest unknown: github.com/opencontainers/distribution-spec spec.md
        : not found: github.com/containerd/containerd core/remotes/docker/resolver.go
        toomanyrequests: github.com/opencontainers/distribution-spec spec.md
        no match for platform: github.com/containerd/containerd core/images/image.go
        FailedCreatePodSandBox: k8s.io/kubernetes pkg/kubelet/events/event.go
        StartError: github.com/containerd/containerd internal/cri/server/container_start.go
        ContainerCannotRun: github.com/containerd/containerd internal/cri/server/container_start.go
        RunContainerError: github.com/containerd/containerd internal/cri/server/container_start.go
        Evicted: k8s.io/kubernetes pkg/kubelet/eviction/eviction_manager.go
        DisruptionTarget: k8s.io/api core/v1/types.go
        PreemptionByScheduler: k8s.io/api core/v1/types.go
        Preempted: k8s.io/kubernetes pkg/scheduler/framework/preemption/executor.go
        DeletionByTaintManager: k8s.io/kubernetes pkg/controller/tainteviction
        EvictionByEvictionAPI: k8s.io/kubernetes pkg/registry/core/pod/storage/eviction.go
        DeletionByPodGC: k8s.io/kubernetes pkg/controller/podgc/gc_controller.go
        NodeLost: k8s.io/kubernetes pkg/util/node/node.go
        ephemeral: k8s.io/kubernetes pkg/kubelet/eviction/helpers.go
        TaintManagerEviction: k8s.io/kubernetes pkg/controller/tainteviction
        nvidia.com/gpu.product: NVIDIA/k8s-device-plugin docs/gpu-feature-discovery/README.md
        amd.com/gpu.product-name: ROCm/k8s-device-plugin cmd/k8s-node-labeller/README.md
        cloud.google.com/gke-accelerator: cloud.google.com/kubernetes-engine/docs/how-to/gpus
        pod-security.kubernetes.io/enforce: k8s.io/pod-security-admission api/constants.go
        storageclass.kubernetes.io/is-default-class: k8s.io/kubernetes pkg/volume/util/storageclass.go
        Active: sigs.k8s.io/kueue apis/kueue/v1beta1/localqueue_types.go
        this cluster runs Pods as processes and cannot run: this project's local cluster
        unable to find primary container: kubeflow/katib pkg/webhook/v1beta1/pod/utils.go
        Unable to find primary container: kubeflow/katib pkg/webhook/v1beta1/pod/utils.go
        Failed to get container image: kubeflow/katib pkg/webhook/v1beta1/pod/utils.go
        Failed to parse image: kubeflow/katib pkg/webhook/v1beta1/pod/utils.go
        failed calling webhook: k8s.io/apiserver pkg/admission/plugin/webhook
        metrics-logger-and-collector: kubeflow/katib pkg/webhook/v1beta1/pod/inject_webhook.go
        unable to find main pid from the process list: kubeflow/katib pkg/metricscollector/v1beta1/common/pns.go
        Could not connect to DB manager service: kubeflow/katib cmd/metricscollector/v1beta1/file-metricscollector/main.go
        Failed to Report logs: kubeflow/katib cmd/metricscollector/v1beta1/file-metricscollector/main.go
        code = Unavailable: google.golang.org/grpc codes/codes.go
        Multiple children processes are not supported: kubeflow/katib cmd/metricscollector/v1beta1/file-metricscollector/main.go
        ReconcileError: kubeflow/katib pkg/controller.v1beta1/consts/const.go
        unable to find parameter from ParameterAssignment in TrialParameters: kubeflow/katib pkg/controller.v1beta1/experiment/manifest/generator.go
        clean-metrics-in-db: kubeflow/katib pkg/controller.v1beta1/trial/trial_controller_util.go
        the object has been modified: k8s.io/apiserver pkg/registry/generic/registry/store.go
        Objective metric : kubeflow/katib pkg/metricscollector/v1beta1/file-metricscollector/file-metricscollector.go
        Metrics reported. :: kubeflow/katib cmd/metricscollector/v1beta1/file-metricscollector/main.go
        the namespace lacks label: github.com/kubeflow/katib pkg/webhook/v1beta1/experiment/validation_webhook.go
        unable to get Suggestion config data for algorithm: github.com/kubeflow/katib pkg/webhook/v1beta1/experiment/validator/validator.go
        ExperimentMaxTrialsReached: github.com/kubeflow/katib pkg/controller.v1beta1/experiment/util/status_util.go
    "#]]
    .assert_eq(&documented);
}

/// A word that is looked for beside the signs would need no proof.
#[test]
fn nothing_is_concluded_from_other_words() {
    let looks =
        Regex::new(r#"(message|reason)[^\n;]{0,30}(contains\(|starts_with\(|== )[^\n;]{0,20}""#);
    let looks = looks.unwrap();
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("crates");
    let mut found = Vec::new();
    for name in ["core", "workloads", "trainer-mcp", "katib-mcp"] {
        let mut folders = vec![crates.join(name).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()) {
                let last = entry.file_name().and_then(|it| it.to_str()).unwrap_or_default();
                // The local cluster writes these words, and tests compare them.
                if entry.is_dir() && last != "local" {
                    folders.push(entry);
                } else if last.ends_with(".rs") && !last.starts_with("test") {
                    let text = fs::read_to_string(&entry).unwrap();
                    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                    let lines = code.lines().filter(|it| looks.is_match(it));
                    found.extend(lines.map(|it| format!("{last}: {}", it.trim())));
                }
            }
        }
    }
    found.sort_unstable();
    // The codes of answers, whose signs are the kinds of failure.
    expect![[r#"
        creation.rs: Err(failure) if failure.reason == "AlreadyExists" => failure,
        kubernetes.rs: 409 if status.reason == "AlreadyExists" => Self::AlreadyExists,"#]]
    .assert_eq(&found.join("\n"));
}

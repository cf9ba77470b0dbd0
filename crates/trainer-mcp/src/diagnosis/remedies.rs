//! What to do about each cause: calls of this server's tools, and what only a person can do.

use serde_json::json;
use workloads::train_job::steps;

use super::{
    finding::{Code, Finding, Next},
    snapshot::Snapshot,
};

/// The steps for a finding, in the order in which they are worth trying.
pub(super) fn of(finding: &Finding, snapshot: &Snapshot) -> Vec<Next> {
    let mut next = finding.next.clone();
    next.extend(looks(finding, snapshot));
    next.extend(advice(finding.code, snapshot).into_iter().map(Next::advice));
    next
}

/// Where to look further.
fn looks(finding: &Finding, snapshot: &Snapshot) -> Vec<Next> {
    use Code::{
        CreationRefused, Evicted, InsufficientResources, NoSuchResource, NodeLost, NodesExcluded,
        Preempted, QueueFull, QueueTooSmall, QuotaExceeded, RetriesExhausted, RuntimeMissing,
        SchedulingGated, VolumeNotMounted, VolumeUnbound,
    };
    match finding.code {
        InsufficientResources
        | NoSuchResource
        | NodesExcluded
        | QuotaExceeded
        | QueueFull
        | QueueTooSmall => {
            vec![Next::call("get_cluster_resources", "shows what there is and what is free")]
        }
        RuntimeMissing => vec![Next::call("list_runtimes", "shows those that there are")],
        CreationRefused | RetriesExhausted | Evicted | Preempted | NodeLost | SchedulingGated
        | VolumeNotMounted | VolumeUnbound => {
            vec![Next::of_job("get_training_events", json!({}), "shows what happened")]
        }
        _ => log(finding, snapshot).into_iter().collect(),
    }
}

/// The log that shows it, where there is one.
fn log(finding: &Finding, snapshot: &Snapshot) -> Option<Next> {
    let (group, index) = finding.ranks.first()?;
    let member = snapshot.members().into_iter();
    let pod =
        member.filter(|it| it.group == *group && it.index == *index).map(|it| it.pod).next()?;
    let log = snapshot.log_of(&pod)?;
    let mut arguments = json!({"step": steps::name(&snapshot.job, group, *index)});
    if log.previous {
        arguments["previous"] = true.into();
    }
    Some(Next::of_job("get_training_logs", arguments, "shows the whole log"))
}

fn advice(code: Code, snapshot: &Snapshot) -> Vec<&'static str> {
    let namespaced_runtime =
        snapshot.job.spec.runtime_ref.kind.as_deref() == Some("TrainingRuntime");
    match code {
        Code::Suspended | Code::PythonException | Code::FileNotFound | Code::ProgramFailed => {
            Vec::new()
        }
        Code::QueueFull => {
            vec!["wait, or use a queue with room; a request of less is admitted sooner"]
        }
        Code::QueueTooSmall => vec!["start it with fewer nodes or devices, or in another queue"],
        Code::QueueUnusable => vec!["start it in a queue that exists; an administrator names it"],
        Code::InsufficientResources => {
            vec!["wait, or start it with less CPU, memory, devices or nodes for each node"]
        }
        Code::NoSuchResource => {
            vec![
                "correct the device's name, choose a runtime without it, or have its device plugin installed",
            ]
        }
        Code::NodesExcluded => {
            vec!["start it with the tolerations or node selector that the nodes ask for"]
        }
        Code::SchedulingGated => {
            vec!["whoever set the gate removes it, such as Kueue on admission"]
        }
        Code::VolumeUnbound => vec![
            "make the claim, or have an administrator set a default StorageClass or a bigger volume",
        ],
        Code::VolumeNotMounted => {
            vec!["wait until other Pods release the volume, or use a ReadWriteMany one"]
        }
        Code::ImageNotFound => vec!["correct the image's name or tag, and start the job anew"],
        Code::ImageAccess => {
            vec!["correct the name, or give the Pods an imagePullSecret for that registry"]
        }
        Code::ImageRateLimited => vec!["wait, use a mirror, or pull with an account"],
        Code::ImagePlatform => {
            vec!["build the image for the nodes' processors, or select other nodes"]
        }
        Code::ImageNotPulled => {
            vec!["check that the nodes reach the registry, and its certificate"]
        }
        Code::ImageNotPresent => {
            vec!["use an image that the nodes have, or change imagePullPolicy"]
        }
        Code::SecretMissing => {
            vec!["make the Secret or ConfigMap with that key: the Pod goes on by itself"]
        }
        Code::ContainerNotStarted => {
            vec!["read the message: the container runtime says what it refuses"]
        }
        Code::CommandNotFound => {
            vec!["use an image that has the command, or start it as `python -m …`"]
        }
        Code::ModuleNotFound => vec!["add the package to `packages`, or use an image that has it"],
        Code::PermissionDenied => {
            vec!["write below /tmp or into a volume; for caches set HOME or HF_HOME there"]
        }
        Code::BadArguments => vec!["correct the program's arguments, and start the job anew"],
        Code::ProgramCrashed => {
            vec!["check that the image's libraries fit the node's driver and processor"]
        }
        Code::PackageNotFound => {
            vec!["correct the package's name or version, or use a Python that it supports"]
        }
        Code::PackagesNotInstalled => {
            vec![
                "check the index that pip may reach (pip_index_urls), or use an image that has them",
            ]
        }
        Code::OutOfMemory => vec![
            "start it with more memory, a smaller batch or fewer data loader workers; Memory volumes count too",
        ],
        Code::GpuOutOfMemory => vec![
            "smaller batch with gradient accumulation, gradient checkpointing, bf16, LoRA, or more GPUs with FSDP",
        ],
        Code::SharedMemoryFull => vec!["mount a Memory volume at /dev/shm, or use num_workers=0"],
        Code::DiskFull => vec!["use a bigger volume, write less, or ask for ephemeral-storage"],
        Code::GpuUnusable => {
            vec!["use an image whose CUDA version fits the driver, on nodes with a GPU"]
        }
        Code::GpuNotUsed => {
            vec!["start it with a GPU in resources_per_node, or in a runtime that has one"]
        }
        Code::RendezvousFailed => vec![
            "check that every rank runs, that no NetworkPolicy or sidecar is between them, and that the script leaves the master's address to the launcher",
        ],
        Code::NcclFailed => vec![
            "set NCCL_DEBUG=INFO and NCCL_SOCKET_IFNAME, and look at the first rank that stopped",
        ],
        Code::ConnectionFailed => {
            vec!["check the address, and that Pods may reach it (NetworkPolicy, proxy)"]
        }
        Code::MpiSsh => vec![
            "the image's user and home must fit the runtime's sshAuthMountPath; workers must be ready",
        ],
        Code::MpiSlots => vec!["ask mpirun for at most nodes times processes for each node"],
        Code::HuggingFaceAccess => {
            vec![
                "accept the licence on Hugging Face, and pass a token from a Secret (ACCESS_TOKEN or HF_TOKEN)",
            ]
        }
        Code::HuggingFaceNotFound => vec!["correct the repository, written hf://organisation/name"],
        Code::HuggingFaceRateLimited => vec!["pass a token from a Secret, and try again later"],
        Code::ObjectStoreAccess => {
            vec!["check bucket, endpoint, region and the Secret with the access keys"]
        }
        Code::StorageUri => vec!["write it as hf://organisation/name or s3://bucket/prefix"],
        Code::TorchtuneConfig => vec!["correct the override that TorchTune names"],
        Code::QuotaExceeded => vec![
            "start it with less, end other jobs, or have the quota raised; it is tried again by itself",
        ],
        Code::PodSecurity => {
            vec!["use an image and runtime that run as non-root without privileges"]
        }
        Code::NameTooLong => vec!["start it under a shorter name"],
        Code::ServiceAccountMissing => {
            vec!["make the ServiceAccount, or correct its name in the runtime"]
        }
        Code::WebhookUnavailable => vec![
            "an administrator looks at the controllers' Deployments; it is tried again by itself",
        ],
        Code::CreationRefused => Vec::new(),
        Code::RuntimeMissing if namespaced_runtime => {
            vec!["make the runtime again under its name, or start the job in another"]
        }
        Code::RuntimeMissing => {
            vec!["have the runtime made again under its name, or start the job in another"]
        }
        Code::NotReconciled => {
            vec![
                "an administrator looks at the Deployments kubeflow-trainer-controller-manager and jobset-controller-manager",
            ]
        }
        Code::TimeLimit => vec!["start it with a longer time limit, going on from a checkpoint"],
        Code::Evicted => vec!["ask for as much memory and ephemeral-storage as it needs"],
        Code::Preempted => vec!["give it a higher priority, and go on from a checkpoint"],
        Code::NodeLost => vec!["go on from a checkpoint; avoid spot nodes for long jobs"],
        Code::RetriesExhausted => vec!["start it again and watch its log with wait_for_training"],
        Code::StartedAgain => vec!["delete it; Trainer 2.3.0 does this where its JobSet has a TTL"],
        Code::Stalled => {
            vec!["look at the ranks' logs; py-spy and NCCL_DEBUG=INFO show where they wait"]
        }
        Code::LossNotFinite => {
            vec!["lower the learning rate, clip gradients, use bf16 rather than fp16"]
        }
        Code::DeletionHangs => {
            vec!["delete it with delete_training_job, which does it in the background"]
        }
    }
}

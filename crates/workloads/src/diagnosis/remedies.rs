//! What to do about each cause: what tools can look at or do, and what only a person can.

use super::{
    finding::{Code, Finding, Next},
    snapshot::Snapshot,
};
use crate::workload::Workload;

/// The steps for a finding, in the order in which they are worth trying.
pub(super) fn of(finding: &Finding, snapshot: &Snapshot) -> Vec<Next> {
    let mut next = finding.next.clone();
    next.extend(looks(finding, snapshot));
    next.extend(remedy(finding.code, &snapshot.job));
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
            vec![Next::Resources]
        }
        RuntimeMissing => vec![Next::Runtimes],
        CreationRefused | RetriesExhausted | Evicted | Preempted | NodeLost | SchedulingGated
        | VolumeNotMounted | VolumeUnbound => {
            vec![Next::Events]
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
    Some(Next::Log { step: snapshot.job.step(group, *index), previous: log.previous })
}

/// What mends it, where that is not said by what it is.
fn remedy(code: Code, job: &Workload) -> Option<Next> {
    let own_runtime = match job {
        Workload::Job(_) => None,
        Workload::TrainJob(job) => {
            Some(job.spec.runtime_ref.kind.as_deref() == Some("TrainingRuntime"))
        }
    };
    let advice = match code {
        Code::Suspended | Code::PythonException | Code::FileNotFound | Code::ProgramFailed => {
            return None;
        }
        Code::QueueFull => "wait, or use a queue with room; a request of less is admitted sooner",
        Code::QueueTooSmall => "start it with fewer nodes or devices, or in another queue",
        Code::QueueUnusable => "start it in a queue that exists; an administrator names it",
        Code::InsufficientResources => {
            "wait, or start it with less CPU, memory, devices or nodes for each node"
        }
        Code::NoSuchResource if own_runtime.is_none() => {
            "correct the device's name, or have its device plugin installed"
        }
        Code::NoSuchResource => {
            "correct the device's name, choose a runtime without it, or have its device plugin installed"
        }
        Code::NodesExcluded => {
            "start it with the tolerations or node selector that the nodes ask for"
        }
        Code::SchedulingGated => "whoever set the gate removes it, such as Kueue on admission",
        Code::VolumeUnbound => {
            "make the claim, or have an administrator set a default StorageClass or a bigger volume"
        }
        Code::VolumeNotMounted => {
            "wait until other Pods release the volume, or use a ReadWriteMany one"
        }
        Code::ImageNotFound => "correct the image's name or tag, and start the job anew",
        Code::ImageAccess => {
            "correct the name, or give the Pods an imagePullSecret for that registry"
        }
        Code::ImageRateLimited => "wait, use a mirror, or pull with an account",
        Code::ImagePlatform => "build the image for the nodes' processors, or select other nodes",
        Code::ImageNotPulled => "check that the nodes reach the registry, and its certificate",
        Code::ImageNotPresent => "use an image that the nodes have, or change imagePullPolicy",
        Code::SecretMissing => {
            "make the Secret or ConfigMap with that key: the Pod goes on by itself"
        }
        Code::ContainerNotStarted => "read the message: the container runtime says what it refuses",
        Code::CommandNotFound => "use an image that has the command, or start it as `python -m …`",
        Code::ModuleNotFound => "add the package to `packages`, or use an image that has it",
        Code::PermissionDenied => {
            "write below /tmp or into a volume; for caches set HOME or HF_HOME there"
        }
        Code::BadArguments => "correct the program's arguments, and start the job anew",
        Code::ProgramCrashed => {
            "check that the image's libraries fit the node's driver and processor"
        }
        Code::PackageNotFound => {
            "correct the package's name or version, or use a Python that it supports"
        }
        Code::PackagesNotInstalled => {
            "check the index that pip may reach (pip_index_urls), or use an image that has them"
        }
        Code::OutOfMemory => {
            "start it with more memory, a smaller batch or fewer data loader workers; Memory volumes count too"
        }
        Code::GpuOutOfMemory => {
            "smaller batch with gradient accumulation, gradient checkpointing, bf16, LoRA, or more GPUs with FSDP"
        }
        Code::SharedMemoryFull => "mount a Memory volume at /dev/shm, or use num_workers=0",
        Code::DiskFull => "use a bigger volume, write less, or ask for ephemeral-storage",
        Code::GpuUnusable => "use an image whose CUDA version fits the driver, on nodes with a GPU",
        Code::GpuNotUsed if own_runtime.is_none() => "start it with a GPU among its resources",
        Code::GpuNotUsed => {
            "start it with a GPU in resources_per_node, or in a runtime that has one"
        }
        Code::RendezvousFailed => {
            "check that every rank runs, that no NetworkPolicy or sidecar is between them, and that the script leaves the master's address to the launcher"
        }
        Code::NcclFailed => {
            "set NCCL_DEBUG=INFO and NCCL_SOCKET_IFNAME, and look at the first rank that stopped"
        }
        Code::ConnectionFailed => {
            "check the address, and that Pods may reach it (NetworkPolicy, proxy)"
        }
        Code::MpiSsh => {
            "the image's user and home must fit the runtime's sshAuthMountPath; workers must be ready"
        }
        Code::MpiSlots => "ask mpirun for at most nodes times processes for each node",
        Code::HuggingFaceAccess => {
            "accept the licence on Hugging Face, and pass a token from a Secret (ACCESS_TOKEN or HF_TOKEN)"
        }
        Code::HuggingFaceNotFound => "correct the repository, written hf://organisation/name",
        Code::HuggingFaceRateLimited => "pass a token from a Secret, and try again later",
        Code::ObjectStoreAccess => {
            "check bucket, endpoint, region and the Secret with the access keys"
        }
        Code::StorageUri => "write it as hf://organisation/name or s3://bucket/prefix",
        Code::TorchtuneConfig => "correct the override that TorchTune names",
        Code::QuotaExceeded => {
            "start it with less, end other jobs, or have the quota raised; it is tried again by itself"
        }
        Code::PodSecurity if own_runtime.is_none() => {
            "use an image that runs as non-root without privileges"
        }
        Code::PodSecurity => "use an image and runtime that run as non-root without privileges",
        Code::NameTooLong => "start it under a shorter name",
        Code::ServiceAccountMissing if own_runtime.is_none() => {
            "make the ServiceAccount, or correct its name in the Pods' template"
        }
        Code::ServiceAccountMissing => {
            "make the ServiceAccount, or correct its name in the runtime"
        }
        Code::WebhookUnavailable => {
            "an administrator looks at the controllers' Deployments; it is tried again by itself"
        }
        Code::CreationRefused => return None,
        Code::RuntimeMissing if own_runtime == Some(true) => {
            "make the runtime again under its name, or start the job in another"
        }
        Code::RuntimeMissing => {
            "have the runtime made again under its name, or start the job in another"
        }
        Code::NotReconciled if own_runtime.is_none() => {
            "an administrator looks at kube-controller-manager, which runs the controller of Jobs"
        }
        Code::NotReconciled => {
            "an administrator looks at the Deployments kubeflow-trainer-controller-manager and jobset-controller-manager"
        }
        Code::TimeLimit => "start it with a longer time limit, going on from a checkpoint",
        Code::Evicted => "ask for as much memory and ephemeral-storage as it needs",
        Code::Preempted => "give it a higher priority, and go on from a checkpoint",
        Code::NodeLost => "go on from a checkpoint; avoid spot nodes for long jobs",
        Code::RetriesExhausted => return Some(Next::Follow),
        Code::StartedAgain => "delete it; Trainer 2.3.0 does this where its JobSet has a TTL",
        Code::Stalled => "look at the ranks' logs; py-spy and NCCL_DEBUG=INFO show where they wait",
        Code::LossNotFinite => "lower the learning rate, clip gradients, use bf16 rather than fp16",
        Code::DeletionHangs => return Some(Next::Delete),
    };
    Some(Next::Advice(advice))
}

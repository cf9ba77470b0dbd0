//! What a diagnosis finds: a cause with its code, how sure it is, what shows it, and what to do.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What keeps a job from succeeding. Codes stay as they are; new ones may come.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Somebody has suspended it.
    Suspended,
    /// Kueue has no room for it yet.
    QueueFull,
    /// Its request is more than its Kueue queue can ever give.
    QueueTooSmall,
    /// Its Kueue queue does not exist, or takes no jobs.
    QueueUnusable,
    /// No node has enough free.
    InsufficientResources,
    /// No node has what it asks for at all, such as a GPU.
    NoSuchResource,
    /// Taints, selectors or affinity keep it from every node.
    NodesExcluded,
    /// A gate keeps its Pods from being scheduled.
    SchedulingGated,
    /// A volume claim is not bound to a volume.
    VolumeUnbound,
    /// A volume cannot be attached or mounted.
    VolumeNotMounted,
    /// The image does not exist, or not under this name.
    ImageNotFound,
    /// The registry refuses the Pod's credentials, or it has none.
    ImageAccess,
    /// The registry limits how often images are pulled.
    ImageRateLimited,
    /// The image is made for other processors.
    ImagePlatform,
    /// The image cannot be pulled for another reason.
    ImageNotPulled,
    /// The node does not have the image, and must not pull it.
    ImageNotPresent,
    /// A Secret or ConfigMap that its Pods name does not exist, or lacks the key.
    SecretMissing,
    /// The container cannot be started for another reason.
    ContainerNotStarted,
    /// The command does not exist in the image, or is no program.
    CommandNotFound,
    /// The program stopped with a Python exception.
    PythonException,
    /// A Python module is not installed.
    ModuleNotFound,
    /// A file that the program opens does not exist.
    FileNotFound,
    /// The program may not write where it tries to.
    PermissionDenied,
    /// The program refuses its arguments.
    BadArguments,
    /// The program crashed by a signal of its own, such as a segmentation fault.
    ProgramCrashed,
    /// The program failed without saying why.
    ProgramFailed,
    /// A Python package does not exist, or not in this version.
    PackageNotFound,
    /// Python packages could not be installed.
    PackagesNotInstalled,
    /// A container needed more memory than its limit, or a node had no more.
    OutOfMemory,
    /// A GPU had too little memory.
    GpuOutOfMemory,
    /// /dev/shm is too small for data loaders or NCCL.
    SharedMemoryFull,
    /// A disk or volume is full.
    DiskFull,
    /// The GPU driver is missing, too old, or does not fit the program.
    GpuUnusable,
    /// It was meant to use a GPU, and runs on CPUs.
    GpuNotUsed,
    /// The ranks did not find each other.
    RendezvousFailed,
    /// Communication between GPUs failed or hung.
    NcclFailed,
    /// A connection to another host failed.
    ConnectionFailed,
    /// MPI's launcher cannot log in to the workers.
    MpiSsh,
    /// MPI is to start more processes than there are slots.
    MpiSlots,
    /// Hugging Face refuses access: no token, a wrong one, or a licence that was not accepted.
    HuggingFaceAccess,
    /// Hugging Face has no such repository or file.
    HuggingFaceNotFound,
    /// Hugging Face limits how often it is asked.
    HuggingFaceRateLimited,
    /// The object store refuses access, or has no such bucket.
    ObjectStoreAccess,
    /// The address of a dataset or model is not one that initializers understand.
    StorageUri,
    /// TorchTune refuses its configuration.
    TorchtuneConfig,
    /// A namespace's quota is used up.
    QuotaExceeded,
    /// The namespace's Pod security forbids its Pods.
    PodSecurity,
    /// The job's name is too long for what is named after it.
    NameTooLong,
    /// The ServiceAccount of its Pods does not exist.
    ServiceAccountMissing,
    /// A webhook that must agree does not answer.
    WebhookUnavailable,
    /// Kubernetes refuses to make a part of it for another reason.
    CreationRefused,
    /// The runtime that it refers to does not exist any more.
    RuntimeMissing,
    /// No controller has taken it up.
    NotReconciled,
    /// It ran longer than its time limit.
    TimeLimit,
    /// A node ran out of something and evicted its Pod.
    Evicted,
    /// Something more important took its place.
    Preempted,
    /// Its node failed, was drained or removed.
    NodeLost,
    /// It failed as often as it may, and what it printed is gone.
    RetriesExhausted,
    /// It failed, and was started again although it is over.
    StartedAgain,
    /// It runs, and has not printed or reported anything for unusually long.
    Stalled,
    /// Its loss is not a number.
    LossNotFinite,
    /// Its deletion does not come to an end.
    DeletionHangs,
}

/// How sure a cause is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// Kubernetes or the program itself says so.
    Certain,
    /// What is seen has hardly another explanation.
    Likely,
    /// Worth a look; there may be nothing wrong.
    Possible,
}

/// One thing that a rule has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub code: Code,
    pub certainty: Certainty,
    /// When it began.
    pub at: Option<Timestamp>,
    pub what: String,
    /// Which ranks, as `(replicated job, rank)`; none where it concerns the job as a whole.
    pub ranks: Vec<(String, u32)>,
    pub evidence: Vec<String>,
    pub next: Vec<Next>,
}

/// A step that may help, which each set of tools tells in its own way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Reading the log of a rank, of which there may be but one.
    Log { step: Option<String>, previous: bool },
    /// Looking at what happened to it.
    Events,
    /// Looking at what the cluster has and what of it is free.
    Resources,
    /// Looking at the runtimes that there are.
    Runtimes,
    /// Having it go on.
    Resume,
    /// Starting it again and following what it prints.
    Follow,
    /// Deleting it in the background.
    Delete,
    /// What a person does.
    Advice(&'static str),
}

impl Code {
    /// What happens to the others of a distributed program once one of them has failed, and what is only
    /// said for want of a better cause.
    pub fn may_follow_from_another(self) -> bool {
        matches!(
            self,
            Self::RendezvousFailed
                | Self::NcclFailed
                | Self::ConnectionFailed
                | Self::ProgramFailed
                | Self::RetriesExhausted
                | Self::NotReconciled
        )
    }

    /// Whether it says more than that something failed.
    pub fn is_specific(self) -> bool {
        !matches!(self, Self::ProgramFailed | Self::RetriesExhausted | Self::NotReconciled)
    }
}

impl Finding {
    pub fn new(code: Code, certainty: Certainty, what: impl Into<String>) -> Self {
        Self {
            code,
            certainty,
            at: None,
            what: what.into(),
            ranks: Vec::new(),
            evidence: Vec::new(),
            next: Vec::new(),
        }
    }

    pub fn certain(code: Code, what: impl Into<String>) -> Self {
        Self::new(code, Certainty::Certain, what)
    }

    pub fn since(self, at: Option<Timestamp>) -> Self {
        Self { at, ..self }
    }

    pub fn of_rank(mut self, group: &str, index: u32) -> Self {
        self.ranks.push((group.to_owned(), index));
        self
    }

    pub fn shown_by(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    pub fn then(mut self, next: Next) -> Self {
        self.next.push(next);
        self
    }
}

//! What programs print when they fail, and what each means: one row for each kind of failure.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::finding::Code;

/// A text of a program that failed, recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recognised {
    pub code: Code,
    pub what: String,
    /// The part of the text that shows it.
    pub shown: String,
}

struct Pattern {
    code: Code,
    regex: Regex,
    /// `{}` stands for what the first group of the pattern caught.
    what: &'static str,
}

/// The most telling first: a text may fit several.
static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    use Code::{
        BadArguments, CommandNotFound, ConnectionFailed, DiskFull, FileNotFound, GpuOutOfMemory,
        GpuUnusable, HuggingFaceAccess, HuggingFaceNotFound, HuggingFaceRateLimited,
        ModuleNotFound, MpiSlots, MpiSsh, NcclFailed, ObjectStoreAccess, OutOfMemory,
        PackageNotFound, PackagesNotInstalled, PermissionDenied, RendezvousFailed,
        SharedMemoryFull, StorageUri, TorchtuneConfig,
    };
    let rows = [
        (
            GpuOutOfMemory,
            r"CUDA out of memory|OutOfMemoryError.*(?:CUDA|HIP)|HIP out of memory|CUBLAS_STATUS_ALLOC_FAILED|CUDA error: out of memory|RESOURCE_EXHAUSTED: .*(?:allocat|memory)",
            "a GPU had too little memory",
        ),
        (
            SharedMemoryFull,
            r"No space left on device.*/dev/shm|/dev/shm.*No space left|unable to (?:open|mmap) shared memory object|DataLoader worker .*Bus error|insufficient shared memory|Error while creating shared memory segment|^Bus error",
            "/dev/shm is too small",
        ),
        (
            OutOfMemory,
            r"DataLoader worker .*killed by signal: Killed|exitcode\s*:\s*-9\b|^MemoryError\b|\bCannot allocate memory\b|Unable to allocate .* for an array",
            "a process ran out of memory",
        ),
        (
            HuggingFaceRateLimited,
            r"429 Client Error.*huggingface|HfHubHTTPError: 429|huggingface.*Too Many Requests",
            "Hugging Face limits how often it is asked",
        ),
        (
            HuggingFaceAccess,
            r"GatedRepoError|[Cc]annot access gated repo|gated repo|401 Client Error.*huggingface|Invalid user ?token|Invalid username or password|403 Client Error.*huggingface",
            "Hugging Face refuses access",
        ),
        (
            HuggingFaceNotFound,
            r"RepositoryNotFoundError|EntryNotFoundError|RevisionNotFoundError|is not a local folder and is not a valid model identifier|Repository Not Found|DatasetNotFoundError",
            "Hugging Face has no such repository or file",
        ),
        (
            ObjectStoreAccess,
            r"NoCredentialsError|Unable to locate credentials|SignatureDoesNotMatch|InvalidAccessKeyId|NoSuchBucket|\(AccessDenied\)|\bAccessDenied\b",
            "the object store refuses access",
        ),
        (
            StorageUri,
            r"STORAGE_URI environment variable must be set|Unsupported (?:dataset|model) storage URI scheme|Invalid cache storage URI",
            "the address of a dataset or model is not understood",
        ),
        (
            PackagesNotInstalled,
            r"WARNING: Retrying \(|Could not fetch URL|externally-managed-environment",
            "Python packages could not be installed",
        ),
        (
            PackageNotFound,
            r"No matching distribution found for (\S+)|Could not find a version that satisfies the requirement (\S+)",
            "the Python package {} does not exist in this version, or not for this Python",
        ),
        (
            PackagesNotInstalled,
            r"ERROR: Failed to install Python packages|ERROR: Could not install packages",
            "Python packages could not be installed",
        ),
        (
            ModuleNotFound,
            r"ModuleNotFoundError: No module named '([^']+)'|No module named ([\w.]+)$",
            "the Python module {} is not installed",
        ),
        (
            GpuUnusable,
            r"CUDA driver version is insufficient|no kernel image is available|Found no NVIDIA driver|not compiled with CUDA|No CUDA GPUs are available|NVIDIA driver on your system is too old|CUDA-capable device\(s\) is/are busy",
            "the GPU cannot be used",
        ),
        (
            NcclFailed,
            r"Watchdog caught collective operation timeout|ncclSystemError|ncclUnhandledCudaError|ncclInternalError|ncclRemoteError|NCCL error",
            "communication between GPUs failed",
        ),
        (
            RendezvousFailed,
            r"Rendezvous\w*(?:Error|Exception)|DistStoreError|DistNetworkError|TCPStore.*(?:time|timed) ?out|The client socket has (?:timed out|failed)|Broken pipe.*TCPStore|torch\.distributed.*Connection (?:refused|reset)",
            "the ranks did not find each other",
        ),
        (
            MpiSsh,
            r"Host key verification failed|Permission denied \(publickey|ssh: connect to host",
            "MPI's launcher cannot log in to a worker",
        ),
        (MpiSlots, r"not enough slots available", "MPI is to start more processes than slots"),
        (
            TorchtuneConfig,
            r"torchtune\.config\.\S*Error|InstantiationError|ConfigError|omegaconf\.errors\.|MissingMandatoryValue|ConfigAttributeError|Key '[^']+' is not in struct|Recipe '([^']+)' not found",
            "TorchTune refuses its configuration",
        ),
        (DiskFull, r"No space left on device|Disk quota exceeded", "a disk or volume is full"),
        (
            PermissionDenied,
            r"PermissionError|Permission denied: '([^']+)'|Read-only file system",
            "the program may not write or read there",
        ),
        (
            FileNotFound,
            r"FileNotFoundError.*'([^']+)'|can't open file '([^']+)'|FileNotFoundError",
            "the file {} does not exist",
        ),
        (
            CommandNotFound,
            r"([\w./-]+): (?:command )?not found$|exec: \W*([\w./-]+)\W*: executable file not found|this Python has no torch|the image has no Python",
            "the command {} does not exist in the image",
        ),
        (
            BadArguments,
            r"error: (unrecognized arguments: .*|the following arguments are required: .*|argument .*)$",
            "the program refuses its arguments: {}",
        ),
        (
            ConnectionFailed,
            r"ConnectionRefusedError|ConnectionResetError|ConnectTimeout|Connection (?:refused|timed out)|Name or service not known|Temporary failure in name resolution|Max retries exceeded with url|socket\.gaierror|Could not resolve host",
            "a connection to another host failed",
        ),
    ];
    let pattern = |(code, pattern, what): (Code, &str, &'static str)| Pattern {
        code,
        regex: Regex::new(pattern).expect("the pattern is our own, and a test uses it"),
        what,
    };
    rows.into_iter().map(pattern).collect()
});

/// A loss that is not a number, as a line states it.
pub(super) static NOT_FINITE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)\bloss["']?\s*[=:]\s*["']?(?:tensor\()?(?:nan|-?inf)\b"#).expect("a pattern")
});

/// A program's own word that it sees no GPU.
pub(super) static NO_GPU: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)cuda(?:\.is_available\(\)| available)\W+false|no gpu (?:found|available)|falling back to cpu")
        .expect("a pattern")
});

/// What lines mean, the most telling of them first.
pub(super) fn recognise<'a>(
    lines: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<Recognised> {
    PATTERNS.iter().find_map(|pattern| {
        let (line, found) = lines.clone().into_iter().find_map(|line| {
            let line = line.trim();
            Some((line, pattern.regex.captures(line)?))
        })?;
        let what = pattern.what.replace("{}", &caught(&found));
        Some(Recognised { code: pattern.code, what, shown: line.to_owned() })
    })
}

/// The first group that caught something.
fn caught(found: &Captures<'_>) -> String {
    let group = found.iter().skip(1).flatten().next();
    group.map(|it| format!("{:?}", it.as_str())).unwrap_or_else(|| "that it names".to_owned())
}

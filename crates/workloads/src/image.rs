//! Container images, as far as their names tell.

use kubeflow_mcp_core::{Error, Result, Sign};

/// What a cluster of processes says of work whose image it cannot run.
pub const NO_IMAGES: Sign = Sign::documented(
    "this cluster runs Pods as processes and cannot run",
    "this project's local cluster",
);

/// A reference that no node could resolve fails there much later, and in fewer words.
pub fn check(argument: &str, image: &str) -> Result<()> {
    let (name, digest) = image.split_once('@').unwrap_or((image, ""));
    let (path, tag) = match name.rsplit_once(':') {
        // What stands before a slash is a port.
        Some((path, tag)) if !tag.contains('/') => (path, tag),
        _ => (name, ""),
    };
    let (registry, repository) = match path.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => ("", path),
    };
    let plain = |text: &str, others: &str| {
        text.chars().all(|it| it.is_ascii_alphanumeric() || others.contains(it))
    };
    let part = |part: &str| {
        part.starts_with(|it: char| it.is_ascii_alphanumeric())
            && part.ends_with(|it: char| it.is_ascii_alphanumeric())
            && plain(part, "._-")
            && !part.contains(|it: char| it.is_ascii_uppercase())
    };
    let problem = if !repository.split('/').all(part) {
        "must have a name of small letters, digits, '.', '_' and '-', as in registry.example.org/team/image:tag"
    } else if !plain(registry, ".:-[]")
        || !plain(tag, "._-")
        || (name.ends_with(':') && tag.is_empty())
    {
        "must be REGISTRY/NAME:TAG"
    } else if image.contains('@') && !(digest.starts_with("sha256:") && digest.len() == 71) {
        "must have a digest of the form sha256: and 64 digits"
    } else {
        return Ok(());
    };
    Err(Error::value(argument, image, problem))
}

/// Whether a tag or digest says which version of an image is meant. A registry's port is no tag.
pub fn is_pinned(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or(image);
    name.contains([':', '@'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_references() {
        let digest = format!("ghcr.io/acme/train@sha256:{}", "a".repeat(64));
        for image in [
            "python",
            "python:3.13",
            "localhost/host-python",
            "localhost:5000/a/b",
            "ghcr.io/acme/train:1.4.0",
            digest.as_str(),
        ] {
            check("image", image).expect(image);
        }
        for wrong in [
            "Python",
            "a b",
            "https://ghcr.io/a",
            "a:",
            "a@sha256:12",
            "a//b",
            "-a",
            "ghcr.io/a:b c",
        ] {
            check("image", wrong).expect_err(wrong);
        }
    }

    #[test]
    fn versions_of_images_are_tags_and_digests() {
        assert!(is_pinned("pytorch/pytorch:2.9") && is_pinned("a@sha256:00"));
        assert!(!is_pinned("registry:5000/torch") && !is_pinned("torch"));
    }
}

//! Where the model that a job makes is to land, and how its program gets to know.

use k8s_openapi::api::core::v1::EnvVar;
use kubeflow_mcp_core::{Error, Result};
use serde_json::{Map, Value, json};

/// The annotation of a TrainJob that says it.
pub const OUTPUT: &str = "mcp.kubeflow.org/output";
/// The variable in which the program finds the folder or address to save its model at.
pub const VARIABLE: &str = "MODEL_OUTPUT";
/// Where a claim is mounted for a program that reads the variable.
const FOLDER: &str = "/model-output";
/// The volume of the claim.
const VOLUME: &str = "model-output";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A folder on a volume that is there: a PersistentVolumeClaim, and a path on it.
    Claim { name: String, path: Option<String> },
    /// An object store, which the program writes to by itself.
    Store(String),
    /// A folder of this machine, where Pods are processes of it.
    Folder(String),
}

impl Output {
    pub fn read(given: &str) -> Result<Self> {
        let wrong = |problem: &str| Err(Error::value("output", given, problem));
        let is_path = |path: &str| {
            path.split('/').all(|part| !matches!(part, "" | "." | ".."))
                && !path.contains(|it: char| it.is_control() || it == '$')
        };
        if let Some(place) = given.strip_prefix("pvc://") {
            let (name, path) = place.split_once('/').unwrap_or((place, ""));
            let path = path.trim_end_matches('/');
            let letters =
                |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || "-.".contains(it);
            if name.is_empty() || !name.chars().all(letters) {
                return wrong("must name a PersistentVolumeClaim, as in pvc://CLAIM/PATH");
            }
            if !path.is_empty() && !is_path(path) {
                return wrong("must have a plain path on the volume, as in pvc://CLAIM/PATH");
            }
            let path = (!path.is_empty()).then(|| path.to_owned());
            return Ok(Self::Claim { name: name.to_owned(), path });
        }
        if let Some(place) = given.strip_prefix("s3://") {
            if place.is_empty() || !is_path(place.trim_end_matches('/')) {
                return wrong("must name a bucket and a plain path, as in s3://BUCKET/PATH");
            }
            return Ok(Self::Store(given.to_owned()));
        }
        match given.strip_prefix("file://").unwrap_or(given) {
            folder
                if folder.strip_prefix('/').is_some_and(|it| is_path(it.trim_end_matches('/'))) =>
            {
                Ok(Self::Folder(folder.to_owned()))
            }
            _ => wrong("must be pvc://CLAIM/PATH, s3://BUCKET/PATH, or on a local cluster /FOLDER"),
        }
    }

    /// How people and other components name the place.
    pub fn address(&self) -> String {
        match self {
            Self::Claim { name, path: None } => format!("pvc://{name}"),
            Self::Claim { name, path: Some(path) } => format!("pvc://{name}/{path}"),
            Self::Store(address) => address.clone(),
            Self::Folder(folder) => format!("file://{folder}"),
        }
    }

    /// What tells the program.
    pub fn variable(&self) -> EnvVar {
        let place = match self {
            Self::Claim { .. } => FOLDER,
            Self::Store(place) | Self::Folder(place) => place,
        };
        EnvVar { name: VARIABLE.to_owned(), value: Some(place.to_owned()), value_from: None }
    }

    /// The volume that a Pod needs for it, and where to mount it if not where the variable says.
    pub fn volume(&self, at: Option<&str>) -> Option<(Map<String, Value>, Map<String, Value>)> {
        let Self::Claim { name, path } = self else { return None };
        let volume = json!({"name": VOLUME, "persistentVolumeClaim": {"claimName": name}});
        let mut mount = json!({"name": VOLUME, "mountPath": at.unwrap_or(FOLDER)});
        if let Some(path) = path {
            mount["subPath"] = json!(path);
        }
        let fields = |it: Value| it.as_object().cloned().unwrap_or_default();
        Some((fields(volume), fields(mount)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_named_alike() {
        for place in ["pvc://models", "pvc://models/a/b", "s3://bucket/a", "s3://bucket"] {
            assert_eq!(Output::read(place).unwrap().address(), place);
        }
        assert_eq!(Output::read("/home/me/models").unwrap().address(), "file:///home/me/models");
        assert_eq!(Output::read("pvc://models/a/").unwrap().address(), "pvc://models/a");
    }

    #[test]
    fn a_claim_is_mounted_where_the_program_is_told() {
        let output = Output::read("pvc://models/a").unwrap();
        let (volume, mount) = output.volume(None).unwrap();
        assert_eq!(volume["persistentVolumeClaim"]["claimName"], "models");
        assert_eq!(
            json!(mount),
            json!({"name": "model-output", "mountPath": "/model-output", "subPath": "a"})
        );
        assert_eq!(output.variable().value.as_deref(), Some("/model-output"));
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        for wrong in [
            "",
            "models",
            "models/a",
            "pvc://",
            "pvc://My_Claim/a",
            "pvc://a/../b",
            "s3://",
            "gs://a",
            "/",
            "/a/../b",
        ] {
            Output::read(wrong).expect_err(wrong);
        }
    }
}

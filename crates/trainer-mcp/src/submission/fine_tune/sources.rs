//! Where the model and the data set come from, and what fetches them.

use k8s_openapi::api::core::v1::EnvVar;
use kubeflow_mcp_core::{Error, Result, did_you_mean};
use serde_json::{Map, Value, json};

use workloads::environment;

/// Where the initializer puts the data set.
const DATASET: &str = "/workspace/dataset/";
/// What the Kubeflow SDK leaves out of a model: weights in the forms that nobody loads.
const IGNORED: &str = "*.msgpack,*.h5,*.bin,*.pt,*.pth";
const IGNORE_PATTERNS: &str = "IGNORE_PATTERNS";
/// What an initializer reads, and in which order the SDK writes it.
const VARIABLES: [&str; 7] = [
    IGNORE_PATTERNS,
    "ACCESS_TOKEN",
    "ENDPOINT",
    "ACCESS_KEY_ID",
    "SECRET_ACCESS_KEY",
    "REGION",
    "ROLE_ARN",
];

/// An address that an initializer understands.
#[derive(Debug)]
pub(super) struct Source<'a> {
    argument: &'static str,
    address: &'a str,
    /// Below where the data set is put.
    path: String,
}

/// The variables of each of a job's steps.
#[derive(Debug, Default)]
pub(super) struct Environments {
    pub(super) model: Vec<EnvVar>,
    pub(super) dataset: Vec<EnvVar>,
    pub(super) node: Vec<EnvVar>,
}

impl Environments {
    pub(super) fn read(given: &Map<String, Value>) -> Result<Self> {
        let mut read = Self::default();
        for (step, variables) in given {
            let argument = format!("env.{step}");
            let list = match step.as_str() {
                "model" => &mut read.model,
                "dataset" => &mut read.dataset,
                "node" => &mut read.node,
                _ => {
                    let guess = did_you_mean(step, ["model", "dataset", "node"]);
                    let problem = format!(
                        "is no step: give the variables of \"model\", \"dataset\" or \"node\" as an object{guess}"
                    );
                    return Err(Error::argument(argument, problem));
                }
            };
            let Some(variables) = variables.as_object() else {
                return Err(Error::argument(argument, "must be an object of variables"));
            };
            *list = environment::variables(&argument, variables)?;
        }
        Ok(read)
    }
}

impl<'a> Source<'a> {
    /// A whole repository of Hugging Face, or what lies under a prefix of a bucket.
    pub(super) fn model(address: &'a str) -> Result<Self> {
        let source = Self::read("model", address)?;
        if address.starts_with("hf://") && !source.path.is_empty() {
            let problem = "must be hf://ORG/NAME: a model is fetched as a whole";
            return Err(Error::value("model", address, problem));
        }
        Ok(source)
    }

    pub(super) fn dataset(address: &'a str) -> Result<Self> {
        Self::read("dataset", address)
    }

    fn read(argument: &'static str, address: &'a str) -> Result<Self> {
        let wrong = |problem: String| Err(Error::value(argument, address, problem));
        let (scheme, place) = match address.split_once("://") {
            Some(parts) => parts,
            None if address.split('/').count() >= 2 => {
                return wrong(format!(
                    "must start with its scheme: did you mean \"hf://{address}\"?"
                ));
            }
            None => return wrong("must be hf://ORG/NAME or s3://BUCKET/PATH".to_owned()),
        };
        let plain = |part: &str| {
            !matches!(part, "" | "." | "..")
                && !part.contains(|it: char| {
                    it.is_control() || it.is_whitespace() || "?#$\\".contains(it)
                })
        };
        let parts: Vec<&str> = place.trim_end_matches('/').split('/').collect();
        if !parts.iter().all(|it| plain(it)) {
            return wrong("has a part that no path has".to_owned());
        }
        let path = match (scheme, &parts[..]) {
            ("hf", [_, _, path @ ..]) => path.join("/"),
            ("hf", _) => {
                return wrong("must have an organisation and a name: hf://ORG/NAME".to_owned());
            }
            // What is fetched is put below the folder without the prefix; a file keeps its name.
            ("s3", [_, .., file]) if parts.len() > 1 && file.contains('.') => (*file).to_owned(),
            ("s3", _) => String::new(),
            _ => return wrong("must be hf://ORG/NAME or s3://BUCKET/PATH".to_owned()),
        };
        Ok(Self { argument, address, path })
    }

    /// What the SDK calls an initializer.
    pub(super) fn initializer(&self, given: Vec<EnvVar>) -> Result<Value> {
        for variable in &given {
            if !VARIABLES.contains(&variable.name.as_str()) {
                let problem = format!(
                    "is nothing that fetching reads{}: there are {}",
                    did_you_mean(&variable.name, VARIABLES),
                    VARIABLES.join(", ")
                );
                let argument = format!("env.{}.{}", self.argument, variable.name);
                return Err(Error::argument(argument, problem));
            }
        }
        let mut env = given;
        if self.argument == "model" && !env.iter().any(|it| it.name == IGNORE_PATTERNS) {
            let value = Some(IGNORED.to_owned());
            env.push(EnvVar { name: IGNORE_PATTERNS.to_owned(), value, value_from: None });
        }
        env.sort_by_key(|it| VARIABLES.iter().position(|name| *name == it.name));
        let mut initializer = json!({"storageUri": self.address});
        if !env.is_empty() {
            initializer["env"] = json!(env);
        }
        Ok(initializer)
    }

    /// How TorchTune is told where the data are: as files, where the path ends in one.
    pub(super) fn data(&self) -> String {
        match self.path.as_str() {
            "" => format!("dataset.data_dir={DATASET}."),
            file if file.contains('.') => format!("dataset.data_files={DATASET}{file}"),
            folder => format!("dataset.data_dir={DATASET}{folder}"),
        }
    }

    /// The form of the data, as far as a file's name tells.
    pub(super) fn form(&self) -> Option<&'static str> {
        Some(match self.path.rsplit_once('.')?.1.to_lowercase().as_str() {
            "json" | "jsonl" => "json",
            "csv" => "csv",
            "parquet" => "parquet",
            "arrow" => "arrow",
            "txt" => "text",
            "xml" => "xml",
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fetched_is_where_torchtune_looks() {
        for (address, data) in [
            ("hf://tatsu-lab/alpaca", "dataset.data_dir=/workspace/dataset/."),
            ("hf://tatsu-lab/alpaca/data", "dataset.data_dir=/workspace/dataset/data"),
            ("hf://a/b/c/d.json", "dataset.data_files=/workspace/dataset/c/d.json"),
            ("s3://bucket/sets/alpaca", "dataset.data_dir=/workspace/dataset/."),
            ("s3://bucket", "dataset.data_dir=/workspace/dataset/."),
            ("s3://bucket/sets/alpaca.csv", "dataset.data_files=/workspace/dataset/alpaca.csv"),
        ] {
            assert_eq!(Source::dataset(address).unwrap().data(), data, "{address}");
        }
        assert_eq!(Source::dataset("hf://a/b/c.jsonl").unwrap().form(), Some("json"));
    }

    #[test]
    fn addresses_that_no_initializer_takes_are_refused() {
        for (address, told) in [
            ("tatsu-lab/alpaca", r#"did you mean "hf://tatsu-lab/alpaca"?"#),
            ("alpaca", "must be hf://ORG/NAME or s3://BUCKET/PATH"),
            ("hf://squad", "must have an organisation and a name"),
            ("gs://bucket/data", "must be hf://ORG/NAME or s3://BUCKET/PATH"),
            ("hf://a/b c", "has a part that no path has"),
        ] {
            let error = Source::dataset(address).expect_err(address).to_string();
            assert!(error.contains(told), "{error}");
        }
        Source::model("hf://a/b/c").expect_err("a part of a model");
    }
}

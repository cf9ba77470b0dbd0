//! Which code the trials run, and as what kind of workload.

use kube::ResourceExt as _;
use kubeflow_mcp_core::{Caller, Error, Result};
use local_kube::HOST_PYTHON;
use serde_json::Value;
use workloads::{
    code::Start,
    image,
    train_job::{
        TRAIN_JOBS, TrainJob,
        catalogue::Catalogue,
        choice::{self, Takes},
        options::Options,
        runtime::Runtime,
    },
};

use super::{
    Optimize,
    parameters::Parameters,
    program::{self, Program},
    trial::{Provision, Trial},
};

impl Optimize {
    /// The trial of the one kind of code that is given.
    pub(super) async fn trial(
        &self,
        caller: &Caller,
        name: &str,
        namespace: &str,
        parameters: &Parameters,
    ) -> Result<Trial> {
        match (&self.script, &self.command[..], &self.train_job) {
            (Some(script), [], None) => {
                self.script_trial(caller, name, namespace, script, parameters).await
            }
            (None, [_, ..], None) => self.command_trial(caller, name, namespace, parameters).await,
            (None, [], Some(job)) => {
                self.repeated_trial(caller, name, namespace, job, parameters).await
            }
            (None, [], None) => {
                let problem = match &self.image {
                    Some(_) => {
                        "must be given with image: what an image runs by itself, Katib would have to ask its registry"
                    }
                    None => "must be given, or script, or train_job",
                };
                Err(Error::argument("command", problem))
            }
            _ => {
                let problem = "cannot be given together: one of them says what trials run";
                Err(Error::argument("script, command, train_job", problem))
            }
        }
    }

    /// A TrainJob where the Trainer is served, else a Job.
    async fn script_trial(
        &self,
        caller: &Caller,
        name: &str,
        namespace: &str,
        script: &str,
        parameters: &Parameters,
    ) -> Result<Trial> {
        let env = program::variables(&self.env)?;
        let of_script = |start| Program::of_script(script, start, &self.packages, env, parameters);
        let provision = self.provision(Some(&self.packages))?;
        if self.runtime.is_some() || caller.version_of(TRAIN_JOBS).await.is_some() {
            let catalogue = Catalogue::of(caller, Some(namespace)).await?;
            // A Trainer without runtimes is no use, and an image is enough for a Job.
            if self.runtime.is_some() || self.image.is_none() || catalogue.names().next().is_some()
            {
                let chosen = choice::choose(&catalogue, self.runtime.as_deref(), Takes::Scripts)?;
                let program = of_script(choice::start(&chosen.runtime))?;
                return Trial::train_job(name, chosen, program, provision);
            }
        }
        let program = of_script(Start::Python)?;
        if provision.image.is_none() {
            let problem = format!(
                "must be given, as the Trainer is not served here, whose runtimes would name one; on a local cluster {HOST_PYTHON:?}"
            );
            return Err(Error::argument("image", problem));
        }
        Trial::job(name, program, provision)
    }

    /// A Job, unless a runtime is named.
    async fn command_trial(
        &self,
        caller: &Caller,
        name: &str,
        namespace: &str,
        parameters: &Parameters,
    ) -> Result<Trial> {
        if !self.packages.is_empty() {
            return Err(Error::argument("packages", "are for a script: an image has its own"));
        }
        let env = program::variables(&self.env)?;
        let program = Program::of_command(&self.command, env, parameters)?;
        let provision = self.provision(None)?;
        if self.runtime.is_some() {
            let catalogue = Catalogue::of(caller, Some(namespace)).await?;
            let chosen = choice::choose(&catalogue, self.runtime.as_deref(), Takes::Scripts)?;
            return Trial::train_job(name, chosen, program, provision);
        }
        if provision.image.is_none() {
            return Err(Error::argument("image", "must be given with command, or runtime"));
        }
        Trial::job(name, program, provision)
    }

    /// A TrainJob like another, whose values the searched ones replace.
    async fn repeated_trial(
        &self,
        caller: &Caller,
        name: &str,
        namespace: &str,
        job: &str,
        parameters: &Parameters,
    ) -> Result<Trial> {
        for (argument, given) in [
            ("runtime", self.runtime.is_some()),
            ("image", self.image.is_some()),
            ("packages", !self.packages.is_empty()),
            ("env", !self.env.is_empty()),
            ("resources_per_trial", !self.resources_per_trial.is_empty()),
            ("options", !self.options.is_empty()),
        ] {
            if given {
                let problem = "cannot be given with train_job, whose own is kept";
                return Err(Error::argument(argument, problem));
            }
        }
        let (job, catalogue) = futures::join!(
            TrainJob::find_as("train_job", caller, Some(namespace), job),
            Catalogue::of(caller, Some(namespace))
        );
        let (job, catalogue) = (job?, catalogue?);
        let runtime = &job.spec.runtime_ref.name;
        let known = catalogue.find(runtime).and_then(|it| it.runtime.as_ref().ok());
        let unknown = Runtime::default();
        repeated(name, &job, known.unwrap_or(&unknown), parameters)
    }

    fn provision<'a>(&'a self, packages: Option<&'a [String]>) -> Result<Provision<'a>> {
        if let Some(image) = &self.image {
            image::check("image", image)?;
        }
        Ok(Provision {
            image: self.image.as_deref(),
            resources: &self.resources_per_trial,
            options: Options::read(&self.options)?,
            packages,
        })
    }
}

fn repeated(
    name: &str,
    job: &TrainJob,
    runtime: &Runtime,
    parameters: &Parameters,
) -> Result<Trial> {
    let given = job.name_any();
    let refused = |why: &str| Err(Error::value("train_job", given.as_str(), why));
    if !job.spec.rest.get("initializer").unwrap_or(&Value::Null).is_null() {
        return refused("which has an initializer, whose Pods Katib refuses: start from a script");
    }
    if runtime.is_builtin() {
        return refused(
            "whose command the Trainer writes itself: start from a script or a command",
        );
    }
    let trainer = job.spec.trainer.clone().unwrap_or_default();
    let of_runtime = runtime.trainer().cloned().unwrap_or_default();
    let command = trainer.command.filter(|it| !it.is_empty()).or(of_runtime.command);
    let Some(mut command) = command.filter(|it| !it.is_empty()) else {
        return refused(
            "whose command is its image's own, which Katib would have to ask a registry",
        );
    };
    command.extend(trainer.args.or(of_runtime.args).unwrap_or_default());
    let program = Program::of_job(command, trainer.env.unwrap_or_default(), parameters)?;
    Trial::like(name, job.template(), runtime, program)
}

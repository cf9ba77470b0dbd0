//! What the local cluster does not do as a real one: each row is a conversation with both, and
//! `tests/differences.md` is written from the rows and what was answered.

use std::{fs, path::PathBuf};

use expect_test::expect_file;

use crate::conversation::hold;

struct Difference {
    /// The conversation's files, one for each side.
    name: &'static str,
    what: &'static str,
    real: &'static str,
    why: &'static str,
}

macro_rules! differences {
    ($($name:ident { what: $what:expr, real: $real:expr, why: $why:expr })+) => {
        const DIFFERENCES: &[Difference] = &[
            $(Difference { name: stringify!($name), what: $what, real: $real, why: $why }),+
        ];

        $(#[tokio::test]
        async fn $name() {
            let side = if kubeflow_mcp_tests::cluster::names_a_real_one() { "real" } else { "local" };
            hold(&format!("differences/{}.{side}.txt", stringify!($name))).await;
        })+
    };
}

differences! {
    deployments {
        what: "Deployments, StatefulSets and DaemonSets",
        real: "lists them",
        why: "nothing of Kubeflow Trainer makes one, and there would be no controller for it"
    }
    images {
        what: "TrainJobs that name a container image",
        real: "pulls and runs it",
        why: "there are no containers on one machine without root: a program runs in an environment made for it, and what names another image never starts, as with an image that is not there"
    }
    limit_ranges {
        what: "LimitRanges",
        real: "writes their defaults into Pods",
        why: "a quota limits a namespace here; defaults belong into the runtime"
    }
    mpi {
        what: "TrainJobs whose runtime has the policy `mpi` or `flux`",
        real: "takes them",
        why: "their ranks start each other over SSH or Flux, under addresses of their own that processes of one machine do not have"
    }
    pod_failure_policies {
        what: "`podFailurePolicy` of a Job",
        real: "carries it out",
        why: "the Job controller here does not judge Pods by exit codes, and says so before it starts"
    }
    service_addresses {
        what: "Services with an address of their own",
        real: "gives them an address",
        why: "nothing passes traffic on between the processes of one machine; headless Services, which training jobs use, are served"
    }
    watch_paths {
        what: "Watches under `/api/v1/watch`",
        real: "streams, though it calls the path deprecated",
        why: "clients of today use the parameter `watch`, which is served"
    }
    yaml_answers {
        what: "Answers in YAML",
        real: "answers in YAML where that is asked for",
        why: "kubectl and the Python client ask for JSON"
    }
}

#[test]
fn generated_differences_are_current() {
    let mut page = "\
# What the local cluster does not do as a real one

Written by `cargo xtask generate` from `tests/behaviour/differences.rs`. Each row is a test on both
clusters; what is listed here the local cluster refuses or warns of, and never imitates.

| what | a real cluster | the local cluster answers | why |
|---|---|---|---|
"
    .to_owned();
    for Difference { name, what, real, why } in DIFFERENCES {
        assert_eq!(asked(name, "real"), asked(name, "local"), "both are asked the same");
        let answer = answered(name);
        page += &format!("| {what} | {real} | {answer} | {why} |\n");
    }
    expect_file!["../differences.md"].assert_eq(&page);
}

fn asked(name: &str, side: &str) -> Vec<String> {
    let text = conversation(name, side);
    text.lines().filter(|it| !it.starts_with('<')).map(str::to_owned).collect()
}

/// The local cluster's last answer: its code, and its message or warning if it has one.
fn answered(name: &str) -> String {
    let text = conversation(name, "local");
    let answer = text.rsplit("\n\n").next().unwrap_or_default();
    let mut told = answer.lines().filter_map(|it| it.strip_prefix("< "));
    let code = told.next().unwrap_or_default();
    let saying = |it: &'static str| told.clone().find_map(|line| line.strip_prefix(it));
    match saying("/message: ").or_else(|| saying("warning: 299 - ")) {
        Some(message) if message != "null" => format!("{code}: {}", message.trim_matches('"')),
        _ => code.to_owned(),
    }
}

fn conversation(name: &str, side: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("behaviour/differences");
    fs::read_to_string(folder.join(format!("{name}.{side}.txt"))).expect("a conversation")
}

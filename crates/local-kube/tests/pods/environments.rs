//! The virtual environments of Pods.

use std::path::Path;

use local_kube::PYTHON_PACKAGES;
use serde_json::json;

use crate::cluster::{Cluster, phase, pod, state};

/// A wheel of one module, as small as wheels are.
const MAKE_WHEEL: &str = "
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    wheel.writestr('tiny.py', 'ANSWER = 42\\n')
    wheel.writestr('tiny-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n')
    wheel.writestr('tiny-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr('tiny-1.0.dist-info/entry_points.txt', '[console_scripts]\\ntiny = tiny:main\\n')
    wheel.writestr('tiny-1.0.dist-info/RECORD', '')
";

fn wheel(folder: &Path) -> String {
    let path = folder.join("tiny-1.0-py3-none-any.whl");
    let made = std::process::Command::new("python3").args(["-c", MAKE_WHEEL]).arg(&path).status();
    assert!(made.unwrap().success());
    format!("tiny @ file://{}", path.display())
}

#[tokio::test]
async fn packages_that_a_pod_names_are_there_and_stay_as_they_are() {
    let cluster = Cluster::bare().await;
    let requirement = wheel(&cluster.dir);
    let script = "
        python -c 'import sys, tiny; print(tiny.ANSWER, sys.prefix != sys.base_prefix)'
        head -1 $(which tiny) | grep -c $VIRTUAL_ENV
        python -m pip install --no-index tiny | head -1 | cut -d: -f1";
    let mut first = pod("first", script);
    first["metadata"]["annotations"] = json!({ PYTHON_PACKAGES: requirement });
    cluster.run(first.clone(), phase("Succeeded")).await;
    assert_eq!(
        cluster.log("first", &[]).await.unwrap(),
        "42 True\n1\nRequirement already satisfied\n"
    );
    cluster.wait_event("first", "CreatingEnvironment").await;

    // What a job adds is its own: the next one with the same packages does not see it.
    first["metadata"]["name"] = "second".into();
    first["spec"]["containers"][0]["command"][2] =
        "echo 'ANSWER = 0' > $(python -c 'import site; print(site.getsitepackages()[0])')/tiny.py; python -c 'import tiny; print(tiny.ANSWER)'"
            .into();
    cluster.run(first.clone(), phase("Succeeded")).await;
    assert_eq!(cluster.log("second", &[]).await.unwrap(), "0\n");
    first["metadata"]["name"] = "third".into();
    first["spec"]["containers"][0]["command"][2] =
        "python -c 'import tiny; print(tiny.ANSWER)'".into();
    cluster.run(first, phase("Succeeded")).await;
    assert_eq!(cluster.log("third", &[]).await.unwrap(), "42\n");
    assert!(
        !cluster.events("third").await.iter().any(|event| event.contains("CreatingEnvironment"))
    );
}

#[tokio::test]
async fn packages_that_cannot_be_installed_are_named() {
    let cluster = Cluster::bare().await;
    let mut failing = pod("failing", "true");
    failing["metadata"]["annotations"] =
        json!({ PYTHON_PACKAGES: "no-such @ file:///no/such-1.0-py3-none-any.whl" });
    let waiting =
        cluster.run(failing, |pod| state(pod)["waiting"]["reason"] == "CreateContainerError").await;
    let message = state(&waiting)["waiting"]["message"].as_str().unwrap();
    assert!(message.contains("no-such @") && message.contains("ERROR"), "{message}");
    assert_eq!(waiting["status"]["phase"], "Pending");
    cluster.wait_event("failing", "Warning Failed the virtual environment").await;
}

#[tokio::test]
async fn a_job_sees_nothing_of_its_user() {
    let cluster = Cluster::new().await;
    let script = "env | cut -d= -f1 | sort | tr '\\n' ' '; [ \"$HOME\" != \"$TMPDIR\" ] && touch $HOME/x $TMPDIR/x x";
    cluster.run(pod("clean", script), phase("Succeeded")).await;
    let shown = cluster.log("clean", &[]).await.unwrap();
    let known = [
        "HOME",
        "HOSTNAME",
        "LANG",
        "OLDPWD",
        "PATH",
        "PWD",
        "PYTHONUSERBASE",
        "SHLVL",
        "TMPDIR",
        "VIRTUAL_ENV",
        "_",
    ];
    for name in shown.split_whitespace() {
        assert!(known.contains(&name), "{name} reached the job");
    }
}

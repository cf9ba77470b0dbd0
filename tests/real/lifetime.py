"""No process of a real cluster is left when its terminal is closed, or when who holds it is killed."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

XTASK, CLUSTERS = sys.argv[1], Path(sys.argv[2])
PATIENCE = 300


def main():
    for check in (terminal_closed, keeper_killed, starter_killed):
        name = "lifetime-" + check.__name__.replace("_", "-")
        folder = CLUSTERS / name
        try:
            check(name, folder)
        finally:
            cluster(name, "down", check=False)
        print(f"{check.__name__.replace('_', ' ')}: nothing is left")


def terminal_closed(name, folder):
    """A shell in a terminal of its own brings a cluster up, which stays until the terminal is closed."""
    shell, terminal = pty.fork()
    if shell == 0:
        os.execvp("sh", ["sh", "-c", f"'{XTASK}' cluster up --name {name} && echo IS-UP && cat"])
    said = b""
    while b"IS-UP" not in said:
        try:
            said += os.read(terminal, 4096)
        except OSError:
            sys.exit(f"`up` failed in a terminal:\n{said.decode()}")
    started = processes(folder)
    assert all(alive(it) for it in started), "the cluster did not outlive `up`"
    started += pod(folder)
    os.close(terminal)
    os.waitpid(shell, 0)
    wait_for_end(started)


def keeper_killed(name, folder):
    """Who holds the processes is killed: they live on, and `down` finds each."""
    cluster(name, "up")
    keeper, *started = processes(folder)
    started += pod(folder)
    os.kill(keeper["pid"], signal.SIGKILL)
    wait_for_end([keeper])
    assert all(alive(it) for it in started), "the processes ended with their keeper"
    cluster(name, "down")
    assert not any(alive(it) for it in started), "`down` left a process"
    assert not folder.exists(), "`down` left the folder"


def starter_killed(name, folder):
    """`up` is killed while it starts the cluster: what has been started ends with it."""
    starter = subprocess.Popen([XTASK, "cluster", "up", "--name", name], stdout=subprocess.DEVNULL)
    until(lambda: len(processes(folder)) > 3)
    starter.kill()
    starter.wait()
    until(lambda: not alive(processes(folder)[0]))
    wait_for_end(processes(folder))


def pod(folder):
    """What runs of a Pod that would run for long."""
    record = json.loads((folder / "cluster.json").read_text())
    kubectl = [record["kubectl"], "--kubeconfig", record["kubeconfig"]]
    container = {"name": "main", "image": "localhost/host-python", "command": ["sleep", "600"]}
    sleeper = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "sleeper"},
        "spec": {"containers": [container]},
    }
    subprocess.run([*kubectl, "create", "-f", "-"], input=json.dumps(sleeper), text=True, check=True)
    runs = ["wait", "--for=jsonpath={.status.phase}=Running", "pod/sleeper", f"--timeout={PATIENCE}s"]
    subprocess.run([*kubectl, *runs], check=True)
    found = [json.loads(it.read_text()) for it in (folder / "kubelet").rglob("started.json")]
    assert found and all(alive(it) for it in found), "the Pod runs without a process"
    return found


def cluster(name, action, check=True):
    command = [XTASK, "cluster", action, "--name", name]
    done = subprocess.run(command, capture_output=True, text=True, start_new_session=True)
    if check and done.returncode:
        sys.exit(f"`{action}` failed:\n{done.stdout}{done.stderr}")


def processes(folder):
    """The keeper and all that was started so far."""
    try:
        record = json.loads((folder / "cluster.json").read_text())
    except FileNotFoundError:
        return []
    return [it for it in [record["keeper"], *record["processes"]] if it and "pid" in it]


def alive(process):
    """Whether it runs; one that has ended and that nobody has collected does not."""
    asked = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(process["pid"])], capture_output=True, text=True
    )
    return asked.stdout.strip()[:1] not in ("", "Z")


def wait_for_end(started):
    until(lambda: not any(alive(it) for it in started))


def until(condition):
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > PATIENCE:
            sys.exit(f"not within {PATIENCE} s: {condition.__name__}")
        time.sleep(0.05)


main()

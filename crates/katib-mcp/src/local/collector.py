"""Follows what a trial prints until the training has ended, and stops it early where it is told to."""
import os
import sys
import time

# How long a training may take to begin.
BEGINNING = 30.0
# How often it is looked for new lines: soon at first, then less often.
SOON, LATER = 0.01, 0.2
STOPPED = "early-stopped"


def say(text, severity="I", source="main.go:139"):
    now = time.time()
    day = time.strftime("%m%d %H:%M:%S", time.localtime(now))
    fraction = int(now % 1 * 1000000)
    line = "%s%s.%06d %7d %s] %s\n" % (severity, day, fraction, os.getpid(), source, text)
    sys.stdout.buffer.write(line.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()


def fail(text):
    say(text, "F", "main.go:427")
    sys.exit(255)


def processes():
    """All processes: their ids, with their parents' ids and their command lines."""
    found = {}
    if os.path.isdir("/proc/self"):
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                with open("/proc/%s/cmdline" % name, "rb") as file:
                    line = file.read().replace(b"\0", b" ").decode("utf-8", "replace")
                with open("/proc/%s/stat" % name, "rb") as file:
                    parent = int(file.read().rsplit(b")", 1)[1].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            found[int(name)] = (parent, line)
        return found
    import subprocess
    listed = subprocess.run(["ps", "-axww", "-o", "pid=,ppid=,command="], capture_output=True)
    for line in listed.stdout.decode("utf-8", "replace").splitlines():
        pid, parent, command = (line.split(None, 2) + [""])[:3]
        found[int(pid)] = (int(parent), command)
    return found


def training(folder):
    """The shell around the training; what it has started may have its command line, too."""
    mark = "echo completed > %s/" % folder
    marked = {pid: parent for pid, (parent, line) in processes().items() if mark in line}
    marked.pop(os.getpid(), None)
    outermost = [pid for pid, parent in marked.items() if parent not in marked]
    return outermost[0] if outermost else None


def mark_of(folder, pid):
    try:
        with open("%s/%s.pid" % (folder, pid)) as file:
            return file.read().strip()
    except OSError:
        return None


class Training:
    """The process that is waited for."""

    def __init__(self, folder, path):
        self.folder = folder
        deadline = time.monotonic() + BEGINNING
        while True:
            # In this order: what has begun and does not run any more has left its mark.
            begun = os.path.exists(path)
            self.pid = training(folder)
            marks = [name for name in os.listdir(folder) if name.endswith(".pid")]
            if self.pid is not None:
                break
            if marks:
                self.pid = int(marks[0].split(".")[0])
                break
            if begun or time.monotonic() > deadline:
                # What it has said tells why it was there so shortly.
                for line in Lines(path).last():
                    say(line)
                fail("Failed to wait for worker container: unable to find main pid from the process list")
            time.sleep(SOON)
        self.descriptor = None
        if hasattr(os, "pidfd_open"):
            try:
                self.descriptor = os.pidfd_open(self.pid)
            except OSError:
                pass

    def has_ended(self, seconds):
        """Whether it has, or does so within this time."""
        if self.descriptor is not None:
            import select
            return bool(select.select([self.descriptor], [], [], seconds)[0])
        try:
            os.kill(self.pid, 0)
        except OSError:
            return True
        time.sleep(seconds)
        return False

    def stop(self):
        say("Training container is early stopped")
        # Written whole: the shell reads it once the training is gone.
        with open("%s/%s.pid" % (self.folder, self.pid), "w") as file:
            file.write(STOPPED)
        children = [pid for pid, (parent, _) in processes().items() if parent == self.pid]
        if len(children) != 1:
            fail("Multiple children processes are not supported. Children processes: %s" % children)
        os.kill(children[0], 15)

    def judge(self):
        mark = mark_of(self.folder, self.pid)
        if mark is None:
            name = "%s/%s.pid" % (self.folder, self.pid)
            fail(
                "Failed to wait for worker container: training container is failed. "
                "Unable to read file %s for pid %s" % (name, self.pid)
            )


class Lines:
    """The whole lines of a file that grows."""

    def __init__(self, path):
        self.path = path
        self.file = None
        self.rest = b""

    def new(self):
        if self.file is None:
            try:
                self.file = open(self.path, "rb")
            except OSError:
                return []
        lines = (self.rest + self.file.read()).split(b"\n")
        self.rest = lines.pop()
        return [line.decode("utf-8", "replace") for line in lines]

    def last(self):
        return self.new() + ([self.rest.decode("utf-8", "replace")] if self.rest else [])


class Rules:
    """What stops a training: each rule that is met is dropped, and the last one stops it."""

    def __init__(self, options):
        self.objective = options["-m"].split(";")[0]
        self.maximizes = options["-o-type"] == "maximize"
        self.json = options["-format"] == "JSON"
        self.rules = []
        self.steps = {}
        self.best = None
        for rule in options["-stop-rule"]:
            name, value, comparison, start = rule.split(";")
            self.rules.append((name, float(value), comparison))
            if int(start) != 0:
                self.steps[name] = int(start)
        if self.rules and not self.json:
            import re
            default = r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)"
            formats = options["-f"].split(";") if options.get("-f") else [default]
            self.formats = [re.compile(format) for format in formats]

    def values(self, line):
        names = [name for name, _, _ in self.rules]
        if self.json:
            import json
            try:
                stated = json.loads(line)
            except ValueError as error:
                fail("Failed to unmarshal logs in JSON format, log: %s, error: %s" % (line, error))
            return [(name, stated[name]) for name in names if isinstance(stated.get(name), str)]
        if not any(name in line for name in names):
            return []
        found = []
        for format in self.formats:
            for match in format.finditer(line):
                found.append((match.group(1).strip(), (match.group(2) or "").strip()))
        return [(name, value) for name, value in found if name in names]

    def met_by(self, line):
        """Whether the last rule is met by this line."""
        if not self.rules:
            return False
        for name, text in self.values(line):
            try:
                value = float(text)
            except ValueError:
                fail("Unable to parse value %s to float for metric %s" % (text, name))
            for rule in [rule for rule in self.rules if rule[0] == name]:
                if self.is_met(rule, value):
                    self.rules.remove(rule)
        return not self.rules

    def is_met(self, rule, value):
        name, bound, comparison = rule
        if name == self.objective:
            if self.best is None:
                self.best = value
            self.best = max(self.best, value) if self.maximizes else min(self.best, value)
            value = self.best
        if name in self.steps:
            # As Katib counts: a rule is looked at once, at its step.
            self.steps[name] -= 1
            if self.steps[name] != 0:
                return False
        compared = {"equal": value == bound, "less": value < bound, "greater": value > bound}
        return compared.get(comparison, False)


def check(path, is_json):
    try:
        with open(path, "rb") as file:
            lines = file.read().decode("utf-8", "replace").split("\n") if is_json else []
    except OSError as error:
        fail("Failed to collect logs: failed to open the file: %s" % error)
    for line in lines:
        if line:
            import json
            try:
                json.loads(line)
            except ValueError as error:
                fail("Failed to collect logs: failed to parse the json object: %s" % error)


def main(arguments):
    options = {"-stop-rule": []}
    for option, value in zip(arguments[::2], arguments[1::2]):
        if option == "-stop-rule":
            options[option].append(value)
        else:
            options[option] = value
    say("Trial Name: " + options["-t"], source="main.go:396")
    path = options["-path"]
    lines, rules = Lines(path), Rules(options)
    trained = Training(os.path.dirname(path), path)
    stopped, wait, ended = False, SOON, False
    while not ended:
        ended = trained.has_ended(wait)
        new = lines.last() if ended else lines.new()
        for line in new:
            say(line)
            if not (stopped or ended) and rules.met_by(line):
                stopped = True
                trained.stop()
        wait = SOON if new else min(wait * 2, LATER)
    trained.judge()
    check(path, options["-format"] == "JSON")
    say("Metrics reported. :", source="main.go:465")
    if stopped:
        with open("/dev/termination-log", "w") as file:
            file.write(STOPPED)


if __name__ == "__main__":
    main(sys.argv[1:])

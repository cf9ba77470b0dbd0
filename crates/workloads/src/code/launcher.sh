set -eu
fail() { echo "ERROR: $1" >&2; exit "$2"; }
start=$1; shift
python=`command -v python || command -v python3` || fail "the image has no Python on its PATH" 127
folder=`mktemp -d` || fail "no writable folder for the code: set TMPDIR to one" 1
"$python" -c '
import base64, itertools, os, sys
names = ("KUBEFLOW_MCP_CODE_%d" % number for number in itertools.count())
pieces = "".join(itertools.takewhile(bool, map(os.environ.get, names)))
with open(sys.argv[1], "wb") as file:
    file.write(base64.b64decode(pieces))
' "$folder/train.py" || fail "the code could not be written to $folder" 1
unset KUBEFLOW_MCP_CODE_0 KUBEFLOW_MCP_CODE_1 KUBEFLOW_MCP_CODE_2 KUBEFLOW_MCP_CODE_3
unset KUBEFLOW_MCP_CODE_4 KUBEFLOW_MCP_CODE_5 KUBEFLOW_MCP_CODE_6 KUBEFLOW_MCP_CODE_7
if [ -n "${KUBEFLOW_MCP_PACKAGES:-}" ]; then
  printf '%s\n' "$KUBEFLOW_MCP_PACKAGES" >"$folder/requirements.txt"
  install() {
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_BREAK_SYSTEM_PACKAGES=1 "$python" -m pip install \
      --quiet --no-input --no-warn-script-location "$@" -r "$folder/requirements.txt" >>"$folder/pip.log" 2>&1
  }
  "$python" -m pip --version >/dev/null 2>&1 || "$python" -m ensurepip --user >/dev/null 2>&1 || :
  if install || install --user; then :
  elif install --target "$folder/packages"; then
    export PYTHONPATH="$folder/packages${PYTHONPATH:+:$PYTHONPATH}"
  else
    cat "$folder/pip.log" >&2
    packages=`tr '\n' ' ' <"$folder/requirements.txt"`
    fail "Failed to install Python packages: $packages" 1
  fi
fi
case "${MODEL_OUTPUT:-}" in /*) mkdir -p "$MODEL_OUTPUT" ;; esac
if [ "$start" = python ]; then exec "$python" "$folder/train.py" "$@"; fi
# The module rather than the command: it runs the Python that has just been given the packages.
if "$python" -c 'import importlib.util as it, sys; sys.exit(it.find_spec("torch") is None)'; then
  exec "$python" -m torch.distributed.run "$folder/train.py" "$@"
fi
if command -v torchrun >/dev/null; then exec torchrun "$folder/train.py" "$@"; fi
fail "the runtime starts code with torchrun, but this Python has no torch" 127

#!/usr/bin/env bash
# Makes .venv with everything in it; does nothing if it is there and up to date. It may be run, and interrupted, at will.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset PYTHONPATH PYTHONHOME # a sourced ROS would put its own packages before ours
export PIP_DISABLE_PIP_VERSION_CHECK=1
trap 'exit 130' INT # uv ends an interrupted run in good order, and we would go on with pip

UV_VERSION=0.13.9
STAMP=.venv/.installed # names the checkout that .venv was finished for, or says that it was not

say() { printf 'bootstrap: %s\n' "$*"; }

up_to_date() {
  [[ -x .venv/bin/python && -f $STAMP && "$(<"$STAMP")" == "$PWD" ]] &&
    [[ ! requirements.lock -nt $STAMP && ! pyproject.toml -nt $STAMP ]]
}

# Unfinished by an interrupted run, or moved here from elsewhere (its commands then point there), or without a
# working Python. An environment that somebody made by hand is kept.
unusable() {
  [[ -f $STAMP && "$(<"$STAMP")" != "$PWD" ]] || ! .venv/bin/python -m pip --version >/dev/null 2>&1 ||
    ! supported .venv/bin/python >/dev/null
}

# Prints the interpreter behind a command if it suits us. Only running it tells: a pyenv shim exists and fails.
supported() {
  "$1" -c 'import sys, ssl, venv, ensurepip
if not (3, 12) <= sys.version_info < (3, 14): sys.exit(1)
print(getattr(sys, "_base_executable", sys.executable))' 2>/dev/null </dev/null
}

candidates() {
  local python pyenv="${PYENV_ROOT:-$HOME/.pyenv}/versions"
  for python in "${PYTHON:-}" python3.12 python3.13 python3 "$pyenv"/3.12*/bin/python "$pyenv"/3.13*/bin/python; do
    [[ -z $python ]] || printf '%s\n' "$python"
  done
  UV_PYTHON_DOWNLOADS=never uv python find --system --no-project '>=3.12,<3.14' 2>/dev/null || true
}

find_python() {
  local candidate
  while IFS= read -r candidate; do
    supported "$candidate" && return
  done < <(candidates)
  cat >&2 <<'END'
bootstrap: no Python 3.12 or 3.13 (with its ssl, venv and ensurepip modules) was found. Install one, for example by
    apt-get install python3.12 python3.12-venv   or   brew install python@3.12
    uv python install 3.12                       or   pyenv install 3.12
or name the one to use:  PYTHON=/path/to/python3.12 make
END
  return 1
}

# On another disk than its cache uv can only copy. Telling it so keeps it from warning about it.
choose_link_mode() {
  local cache probe
  cache=$(.venv/bin/uv cache dir)
  probe=$cache/.bootstrap-$$
  mkdir -p "$cache"
  if ln .venv/pyvenv.cfg "$probe" 2>/dev/null; then rm -f "$probe"; else export UV_LINK_MODE=${UV_LINK_MODE:-copy}; fi
}

# With uv, which takes a tenth of the time, else with pip, which may know of package indexes that uv does not.
install() {
  if [[ -x .venv/bin/uv ]]; then
    .venv/bin/uv pip install --python .venv/bin/python "$@" && return
    say "uv did not manage; trying again with pip"
  fi
  .venv/bin/python -m pip install "$@"
}

if up_to_date; then exit 0; fi
if unusable; then
  python=$(find_python)
  say "making .venv with $("$python" --version) ($python)"
  "$python" -m venv --clear .venv
fi
echo unfinished >"$STAMP"
if .venv/bin/python -m pip install --quiet "uv==$UV_VERSION" >/dev/null 2>&1; then
  choose_link_mode
else
  say "uv cannot be installed here; going on with pip, which takes longer"
fi
say "installing the packages of requirements.lock (the first time some gigabytes are downloaded)"
install -r requirements.lock
say "installing dist2_robot itself"
install --no-deps -e .
if [[ -n ${PYTHONDONTWRITEBYTECODE:-} ]]; then # else every start would compile torch and its kin anew: 10 s and more
  say "compiling the packages, as Python may not do that by itself here"
  .venv/bin/python -m compileall -q -j 0 .venv/lib >/dev/null 2>&1 || true # some hold templates that are no Python
fi
printf '%s\n' "$PWD" >"$STAMP"
say "ready: .venv/bin holds python and the dist2-* commands"

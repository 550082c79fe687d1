#!/usr/bin/env bash
# Tries what pyproject.toml promises: runs the quick tests in a fresh clone of this commit, in an environment of its own.
#   [PYTHON=/path/to/python3.13] scripts/try_versions.sh locked|lowest|highest [arguments of pytest]
# `locked` takes the versions of requirements.lock, the others the oldest and the newest that pyproject.toml allows.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
checkout=$PWD clone=$(mktemp -d)
trap 'rm -rf "$clone"' EXIT
git clone --quiet "$checkout" "$clone"
cd "$clone"

resolve() { # with uv of the checkout, as the clone has none yet
  rm requirements.lock
  make --silent --assume-old=setup lock BIN="$checkout/.venv/bin" "$@"
}

case ${1:-} in
  locked) ;;
  lowest) resolve RESOLUTION=lowest-direct ;;
  highest) resolve LOCKED_EXTRAS="so101 pusht tensorboard dev" ;; # without Meta-World, which holds MuJoCo at 3.3.0
  *) sed -n '2,4s/^# //p' scripts/try_versions.sh >&2; exit 2 ;;
esac
make setup
.venv/bin/python -m pytest --verbosity=0 "${@:2}"

# check_package.sh PYTHON: builds the wheel with PYTHON, has its pip install it beside nothing but what it asks for, and runs
# its commands.
set -eu

python=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tree"
cp -R sjs setup.py setup.cfg pyproject.toml README.md LICENSE "$work/tree"  # a build leaves its scraps where it runs

"$python" -I -m build --wheel --outdir "$work" "$work/tree" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
"$python" -I -m venv --without-pip "$work/venv"
pip() { "$python" -I -m pip --python "$work/venv/bin/python" "$@"; }
pip --quiet --disable-pip-version-check install --no-compile "$work"/sjs-*.whl
pip check

cd /
"$work/venv/bin/submit" --version
"$work/venv/bin/sjs" --help >/dev/null
"$work/venv/bin/job_manager" --help >/dev/null
"$work/venv/bin/python" -I -c 'import os, sjs; sjs.connect({}).close(); open(os.path.join(os.path.dirname(sjs.__file__), "py.typed"))'
for page in submit sjs job_manager submit-job submit-check-running; do
    test -s "$work/venv/share/man/man1/$page.1" || { echo "no man page $page(1) was installed" >&2; exit 1; }
done
echo 'the installed submit, sjs and job_manager run'

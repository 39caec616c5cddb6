# check_package.sh PYTHON: builds the wheel with PYTHON, installs it beside nothing but what it asks for, runs its commands.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tree"
cp -R sjs setup.py setup.cfg pyproject.toml README.md LICENSE "$work/tree"  # a build leaves its scraps where it runs

"$1" -I -m build --wheel --outdir "$work" "$work/tree" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
"$1" -I -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install "$work"/sjs-*.whl
"$work/venv/bin/pip" check

cd /
"$work/venv/bin/submit" --version
"$work/venv/bin/sjs" --help >/dev/null
"$work/venv/bin/job_manager" --help >/dev/null
"$work/venv/bin/python" -I -c 'import os, sjs; sjs.connect({}).close(); open(os.path.join(os.path.dirname(sjs.__file__), "py.typed"))'
for page in submit sjs job_manager submit-job submit-check-running; do
    test -s "$work/venv/share/man/man1/$page.1" || { echo "no man page $page(1) was installed" >&2; exit 1; }
done
echo 'the installed submit, sjs and job_manager run'

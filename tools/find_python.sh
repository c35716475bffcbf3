#!/bin/sh
# Prints the path of a CPython 3.13 interpreter. Looked for in this order: $PYTHON, the PATH, pyenv's versions, uv's own.
# A name on the PATH is tried, not trusted: pyenv puts a python3.13 there that fails unless that version is selected.
is_313() { [ -x "$1" ] && [ "$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = 3.13 ]; }

for candidate in "${PYTHON:-}" "$(command -v python3.13 2>/dev/null)" "$(command -v python3 2>/dev/null)" \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python3.13 /opt/homebrew/bin/python3.13 /usr/local/bin/python3.13 \
    "$HOME"/.local/share/uv/python/cpython-3.13*/bin/python3.13; do
    if [ -n "$candidate" ] && is_313 "$candidate"; then
        # sys.executable, because the name found may be a shim.
        "$candidate" -c 'import sys; print(sys.executable)'
        exit 0
    fi
done
if command -v uv >/dev/null 2>&1 && uv python install -q 3.13 >/dev/null 2>&1; then exec uv python find --managed-python 3.13; fi
echo "InferGate needs CPython 3.13: install it (for example 'pyenv install 3.13' or 'uv python install 3.13')," >&2
echo "or name one: make PYTHON=/path/to/python3.13 …" >&2
exit 1

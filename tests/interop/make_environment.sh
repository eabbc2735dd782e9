#!/bin/sh
# Makes the environment in which the real MXNet judges our files: sh make_environment.sh FOLDER.
# Needs Python 3.8 to 3.11 (the last that NumPy 1.23 supports; PYTHON=… names one) and the system
# libraries libgomp and libquadmath (Debian: libgomp1, libquadmath0). Then run the tests with
# ARCFACE_PLUS_MXNET_PYTHON=FOLDER/bin/python.
set -eu
folder=$1

usable() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 8) <= sys.version_info < (3, 12))' \
        2>/dev/null
}

python=
for candidate in ${PYTHON:-python3.11 python3.10 python3.9 python3.8 python3}; do
    if usable "$candidate"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "make_environment.sh: no Python 3.8 to 3.11 with venv; name one with PYTHON=…" >&2
    exit 1
fi

"$python" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check mxnet==1.9.1 numpy==1.23.5
"$folder/bin/python" -c 'import mxnet, numpy; print("MXNet", mxnet.__version__, "NumPy", numpy.__version__)'

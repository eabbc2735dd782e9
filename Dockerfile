# ArcFace+ in one image: `docker build -t arcface-plus .`, then `docker run IMAGE eval verify --ckpt …`.
# docker/README.md shows how to run it; the CUDA libraries come with PyTorch's wheels, so the host needs
# the NVIDIA driver and container toolkit only. Any Debian or Ubuntu base with Python >= 3.11 will do.
ARG BASE_IMAGE=python:3.11-slim-bookworm
FROM ${BASE_IMAGE}

# g++ and the Python headers are for torch.compile, which builds its kernels' launchers when it runs.
# The python image brings venv and the headers; a plain Debian base gets them here.
# Versions are not pinned: Debian removes superseded ones, so a pinned build would break.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates g++ tini \
    && if ! python3 -c 'import ensurepip, venv'; then \
        apt-get install -y --no-install-recommends python3-dev python3-venv; \
    fi \
    && rm -rf /var/lib/apt/lists/*

RUN python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH

# From what changes least to what changes most: PyTorch with its CUDA libraries in its own layer, the
# other dependencies, the code. A code change rebuilds only the last of these.
WORKDIR /usr/src/arcface-plus
COPY constraints.txt .
RUN pip install --no-cache-dir --constraint constraints.txt torch torchvision
COPY pyproject.toml docker/list_requirements.py ./
RUN python list_requirements.py pyproject.toml onnx > /tmp/requirements.txt \
    && pip install --no-cache-dir --constraint constraints.txt --requirement /tmp/requirements.txt \
    && rm /tmp/requirements.txt
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation . \
    && rm -rf build ./*.egg-info

# This user is only a default: the image works with any `--user`, so a run's files can belong to you.
RUN groupadd --gid 1000 arcface \
    && useradd --uid 1000 --gid 1000 --home-dir /tmp --no-create-home arcface

# The shipped recipes, available as configs/NAME.yaml in the working directory.
WORKDIR /workspace
RUN cp -r /usr/src/arcface-plus/configs . && chmod -R a+rX /workspace /usr/src/arcface-plus

# With a read-only root the image needs to write only to /tmp and the mounted run directory, so all caches
# are in /tmp. getpass needs LOGNAME: it fails for a user id without an entry in /etc/passwd.
ENV HOME=/tmp \
    LOGNAME=arcface \
    XDG_CACHE_HOME=/tmp/cache \
    XDG_CONFIG_HOME=/tmp/config \
    MPLCONFIGDIR=/tmp/matplotlib \
    TORCHINDUCTOR_CACHE_DIR=/tmp/torchinductor \
    TRITON_CACHE_DIR=/tmp/triton \
    CUDA_CACHE_PATH=/tmp/cuda \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

ARG VERSION=0.1.0
ARG REVISION=unknown
ENV ARCFACE_PLUS_REVISION=${REVISION}
LABEL org.opencontainers.image.title="arcface-plus" \
      org.opencontainers.image.description="Train and honestly compare face-verification models: ArcFace and ArcFace+" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

USER 1000:1000
# Process 1 gets no default signal actions and must reap orphaned processes; tini handles both.
ENTRYPOINT ["tini", "--", "arcface-plus"]
CMD ["--help"]

# The four-GPU box: docker build -t explained-pairs . && docker run --gpus all --ipc=host -v "$PWD/data:/project/data" \
#   -v "$PWD/models:/project/models" -v "$PWD/runs:/project/runs" explained-pairs --recipe competition
FROM nvidia/cuda:13.0.2-devel-ubuntu24.04 AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /project
COPY requirements.txt .
RUN python3 -m venv .venv \
    && .venv/bin/pip install --no-cache-dir -r requirements.txt \
    && cp requirements.txt .venv/installed-requirements.txt

# DeepSpeed compiles a small communication op at first use, so the compiler stays.
FROM nvidia/cuda:13.0.2-devel-ubuntu24.04
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-dev g++ \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 project && mkdir -p /project/runs && chown -R project /project
WORKDIR /project
COPY --from=build --chown=project /project/.venv .venv
COPY --chown=project . .
USER 10001
ENTRYPOINT ["bash", "run.sh"]

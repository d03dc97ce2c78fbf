# Targets: cpu (the default, like `make setup` without a GPU) and cuda. docs/reference/containers.md says how they are used.
FROM python:3.11.14-slim-bookworm AS base
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# A compiler for the kernels that torch and vLLM make as they run, git for sources, libnuma for vLLM on CPUs.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends build-essential git libnuma1 \
 && rm -rf /var/lib/apt/lists/*
ARG UID=1000
RUN useradd --uid "$UID" --create-home callproof \
 && mkdir -p /app /opt/venv /home/callproof/.cache/huggingface \
 && chown -R callproof /app /opt/venv /home/callproof
USER callproof
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1
RUN python -m venv /opt/venv

FROM base AS cuda
COPY --chown=callproof . .
RUN pip install --no-cache-dir --constraint constraints.txt --editable '.[train,serve,service,dev]'
ENTRYPOINT ["callproof"]
CMD ["--help"]

FROM base AS cpu
COPY --chown=callproof constraints.txt ./
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu 'torch==2.13.0+cpu' \
 && pip install --no-cache-dir --no-deps --requirement constraints.txt
COPY --chown=callproof . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable .
ENTRYPOINT ["callproof"]
CMD ["--help"]

# The environment alone: the project is mounted at /work, so that results and experiments stay in it.
#   docker build --tag sparsejepa .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" sparsejepa
FROM python:3.11-slim-bookworm
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# Debian keeps only the newest version of a package, so a pinned one would soon be gone.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system --add safe.directory /work
COPY requirements.txt /tmp/requirements.txt
RUN pip install --no-cache-dir --require-hashes --requirement /tmp/requirements.txt
ENV HOME=/tmp PYTHONUNBUFFERED=1
WORKDIR /work
CMD ["dvc", "repro"]

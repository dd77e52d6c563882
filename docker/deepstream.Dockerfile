# NVIDIA's DeepStream with countline and Jupyter in it: where a DeepStream pipeline is written, tried and run (docs/deepstream.md).
# Nothing of NVIDIA's is rebuilt.
#
#     docker/build.sh deepstream:9.0-countline
#     docker run --gpus device=0 -p 127.0.0.1:8888:8888 --shm-size=1g -v "$PWD:/work" -w /work deepstream:9.0-countline
#
# BASE is any of NVIDIA's DeepStream images with Python 3.10 or newer, 6.4 and later, under the name that it was pulled by from NVIDIA's
# catalogue (docker/build.sh --base IMAGE), or tagged so.
ARG BASE=nvidia/deepstream:9.0-triton-multiarch
FROM ${BASE}

# See cpu.Dockerfile.
ARG CA_BUNDLE=/run/secrets/ca.pem
ARG EXTRAS=view,stabilize,avro,protobuf,registry,mqtt,amqp,redis,parquet,analysis,otel
ARG PACKAGES=
ARG JUPYTER="jupyterlab>=4.3,<5"
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_OPTIONS=
# NVIDIA's images run as root. This one does not: files that it writes into a mounted folder belong to the first user of the host.
USER 0
# python3-gi: GStreamer from Python, for scripts of your own; its typelibs are the image's.
# hadolint ignore=DL3008
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.pem \
    if [ -s "$CA_BUNDLE" ]; then set -- -o "Acquire::https::CAInfo=$CA_BUNDLE"; else set --; fi; \
    apt-get "$@" update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get "$@" install -y -qq --no-install-recommends \
      python3 python3-venv python3-gi python3-gst-1.0 \
    && rm -rf /var/lib/apt/lists/*
COPY . /tmp/src
# It sees the packages of the image's own Python: pyds, pyservicemaker and gi, where they are there.
# hadolint ignore=DL3013,DL3042,SC2086,DL3003
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.pem \
    if [ -s "$CA_BUNDLE" ]; then export PIP_CERT="$CA_BUNDLE"; fi; \
    export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1; \
    cd /tmp/src \
    && python3 -m venv --system-site-packages /opt/countline \
    && /opt/countline/bin/pip install -q $PIP_OPTIONS -c constraints.txt ".[$EXTRAS]" "$JUPYTER" $PACKAGES \
    && rm -rf /tmp/src
# Whoever it runs as (`--user`) may write there.
RUN getent group 1000 > /dev/null || groupadd --gid 1000 countline; \
    getent passwd 1000 > /dev/null || useradd --no-log-init --uid 1000 --gid 1000 --create-home countline; \
    install -d -o 1000 -g 1000 -m 1777 /home/countline /work
ENV PATH=/opt/countline/bin:$PATH HOME=/home/countline NVIDIA_DRIVER_CAPABILITIES=compute,utility,video
USER 1000:1000
WORKDIR /work
EXPOSE 8888
HEALTHCHECK --interval=30s --timeout=6s --start-period=60s --retries=3 \
    CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8888/api', timeout=5)"]
# Jupyter asks for a token: that of JUPYTER_TOKEN, else one of its own, which its log tells.
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--port=8888", "--no-browser"]

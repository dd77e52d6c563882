# countline with an NVIDIA GPU: decoding, detection and suppression stay on the card (docs/gpu.md).
#
#     docker/build.sh cuda
#     docker run --gpus all ... countline:cuda
#
# CUDA's libraries come as Python packages, so the smallest of NVIDIA's images will do: what it adds is what the container toolkit
# needs to see. Python 3.11 or newer; the driver is the host's, 580 or newer.
ARG BASE=nvidia/cuda:13.0.1-base-ubuntu24.04

FROM ${BASE} AS python
# See cpu.Dockerfile.
ARG CA_BUNDLE=/run/secrets/ca.pem
# hadolint ignore=DL3008
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.pem \
    command -v python3 > /dev/null || { \
      if [ -s "$CA_BUNDLE" ]; then set -- -o "Acquire::https::CAInfo=$CA_BUNDLE"; else set --; fi; \
      apt-get "$@" update -qq \
      && DEBIAN_FRONTEND=noninteractive apt-get "$@" install -y -qq --no-install-recommends python3 \
      && rm -rf /var/lib/apt/lists/*; }

FROM python AS build
ARG CA_BUNDLE=/run/secrets/ca.pem
ARG EXTRAS=cuda,view,stabilize,avro,protobuf,msgpack,registry,mqtt,amqp,redis,nats,webhook,object-store,postgres,otel,triton,web
ARG PACKAGES=
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_OPTIONS=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
# hadolint ignore=DL3008
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.pem \
    python3 -c 'import ensurepip' 2> /dev/null || { \
      if [ -s "$CA_BUNDLE" ]; then set -- -o "Acquire::https::CAInfo=$CA_BUNDLE"; else set --; fi; \
      apt-get "$@" update -qq \
      && DEBIAN_FRONTEND=noninteractive apt-get "$@" install -y -qq --no-install-recommends python3-venv \
      && rm -rf /var/lib/apt/lists/*; }
COPY . .
# onnxruntime and onnxruntime-gpu are two builds with the same files: the GPU's is put over the other.
# hadolint ignore=DL3013,SC2086
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.pem \
    if [ -s "$CA_BUNDLE" ]; then export PIP_CERT="$CA_BUNDLE"; fi; \
    python3 -m venv /opt/countline \
    && /opt/countline/bin/pip install -q $PIP_OPTIONS -c constraints.txt ".[$EXTRAS]" $PACKAGES \
    && /opt/countline/bin/pip install -q $PIP_OPTIONS -c constraints.txt --force-reinstall --no-deps onnxruntime-gpu \
    && for wheel in build/wheels/*.whl; do \
         if [ -e "$wheel" ]; then /opt/countline/bin/pip install -q --no-index --no-deps "$wheel" \
           || echo "without the compiled kernel: $wheel is not for this Python or system"; fi; \
       done \
    && /opt/countline/bin/pip uninstall -q -y pip setuptools

FROM python
LABEL org.opencontainers.image.title="countline (CUDA)" \
      org.opencontainers.image.description="Video streams in, line-crossing counts and custom messages out to Kafka; on NVIDIA GPUs" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 countline \
    && useradd --no-log-init --uid 10001 --gid 10001 --home-dir /var/lib/countline --shell /usr/sbin/nologin countline \
    && install -d -o countline -g countline -m 0700 /var/lib/countline \
    && install -d /etc/countline
COPY --from=build /opt/countline /opt/countline
# `video` is the decoder. Kernels that are compiled at the start are kept below HOME.
ENV PATH=/opt/countline/bin:$PATH HOME=/var/lib/countline PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility,video
USER 10001:10001
WORKDIR /var/lib/countline
VOLUME /var/lib/countline
EXPOSE 9464
HEALTHCHECK --interval=10s --timeout=6s --start-period=180s --retries=3 CMD ["countline", "health", "-q"]
ENTRYPOINT ["countline"]
CMD ["run", "/etc/countline/countline.yaml", "--device", "cuda", "--json", "--outbox", "/var/lib/countline/outbox", "--metrics", ":9464"]

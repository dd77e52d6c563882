# countline on the CPU: without root, on a read-only root file system, with a health check.
#
#     docker/build.sh cpu
#
# BASE may be any Debian or Ubuntu with Python 3.10 or newer; where it has no Python its own package is installed.
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS python
# Certificates to trust while the image is built, those of a company's proxy, say: a file that is mounted there (docker/build.sh --ca),
# and is in no layer. Nothing is done where it is absent.
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
# What of countline's extras is in it: `countline[...]`. Left out of the default are those of a desk rather than a server (demo,
# parquet, analysis, polars).
ARG EXTRAS=openvino,view,stabilize,avro,protobuf,msgpack,registry,mqtt,amqp,redis,nats,webhook,object-store,postgres,otel,triton,web
# Further packages by their names on PyPI: outputs, sources and rules of your own, for example.
ARG PACKAGES=
# Where pip looks; docker/build.sh passes on what the environment says.
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
# The compiled kernel is in it where `make kernels` has made its wheel; without it NumPy does its work.
# hadolint ignore=DL3013,SC2086
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.pem \
    if [ -s "$CA_BUNDLE" ]; then export PIP_CERT="$CA_BUNDLE"; fi; \
    python3 -m venv /opt/countline \
    && /opt/countline/bin/pip install -q $PIP_OPTIONS -c constraints.txt ".[$EXTRAS]" $PACKAGES \
    && for wheel in build/wheels/*.whl; do \
         if [ -e "$wheel" ]; then /opt/countline/bin/pip install -q --no-index --no-deps "$wheel" \
           || echo "without the compiled kernel: $wheel is not for this Python or system"; fi; \
       done \
    && /opt/countline/bin/pip uninstall -q -y pip setuptools

FROM python
LABEL org.opencontainers.image.title="countline" \
      org.opencontainers.image.description="Video streams in, line-crossing counts and custom messages out to Kafka" \
      org.opencontainers.image.licenses="Apache-2.0"
# The user has a number that nobody else has; Kubernetes' runAsNonRoot wants to see the number.
RUN groupadd --gid 10001 countline \
    && useradd --no-log-init --uid 10001 --gid 10001 --home-dir /var/lib/countline --shell /usr/sbin/nologin countline \
    && install -d -o countline -g countline -m 0700 /var/lib/countline \
    && install -d /etc/countline
COPY --from=build /opt/countline /opt/countline
ENV PATH=/opt/countline/bin:$PATH HOME=/var/lib/countline PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
# Outbox, counts and whatever a configuration writes under a relative name: the one folder that must be writable, and outlive the
# container.
WORKDIR /var/lib/countline
VOLUME /var/lib/countline
EXPOSE 9464
HEALTHCHECK --interval=10s --timeout=6s --start-period=120s --retries=3 CMD ["countline", "health", "-q"]
ENTRYPOINT ["countline"]
CMD ["run", "/etc/countline/countline.yaml", "--json", "--outbox", "/var/lib/countline/outbox", "--metrics", ":9464"]

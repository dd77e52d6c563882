#!/usr/bin/env bash
# Installs GStreamer with its Python bindings for the tests of the DeepStream probe, from Debian's packages: as root, or with
# sudo. Installs nothing that is there already, and never fails: those tests are skipped by name where it is absent.
set -uo pipefail
cd "$(dirname "$0")" || exit 0

packages=(libgstreamer1.0-0 gstreamer1.0-plugins-base python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0)
for attempt in 1 2 3; do
  # Another apt-get may be at work.
  if ./apt_install.sh "${packages[@]}"; then exit 0; fi
  [ "$attempt" = 3 ] || { command -v apt-get >/dev/null && sleep 10; } || break
done
echo "GStreamer for tests: not installed (${packages[*]}; the names are Debian's). The tests in tests/deepstream will be skipped." >&2
exit 0

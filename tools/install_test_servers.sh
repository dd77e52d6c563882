#!/usr/bin/env bash
# Installs the real servers that tests start, and the browser that they look at the page with, from Debian's packages: as
# root, or with sudo. Installs nothing that is there already, leaves no service running, and never fails: a test whose server is
# absent is skipped by name.
set -uo pipefail

packages=(mosquitto rabbitmq-server redis-server nats-server postgresql prometheus strace chromium)
services=(mosquitto rabbitmq-server redis-server nats-server postgresql prometheus)

missing=()
for package in "${packages[@]}"; do
  if ! dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$'; then
    # The meta-package is not needed where the server itself is there.
    if [ "$package" = postgresql ] && compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; then continue; fi
    missing+=("$package")
  fi
done
[ ${#missing[@]} -eq 0 ] && exit 0

say() { echo "servers for tests: $*" >&2; }

if ! command -v apt-get >/dev/null; then
  say "not installed: ${missing[*]} (no apt-get here; the names are Debian's). Their tests will be skipped."
  exit 0
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! sudo -n true 2>/dev/null; then
    say "not installed: ${missing[*]}. Their tests will be skipped. As root: apt-get install ${missing[*]}"
    exit 0
  fi
  as_root=(sudo -n)
fi

say "installing ${missing[*]}"
# Packages start their services when they are installed, unless this file forbids it.
policy=/usr/sbin/policy-rc.d
own_policy=no
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
  own_policy=yes
fi
trap '[ "$own_policy" = yes ] && "${as_root[@]}" rm -f "$policy"' EXIT

"${as_root[@]}" apt-get update -qq || say "the list of packages could not be refreshed"
for package in "${missing[@]}"; do
  # One by one, so that a package that this release does not have leaves the others alone.
  if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null; then
    say "$package could not be installed; its tests will be skipped"
  fi
done

# Nor shall they start with the machine, if they did not before.
if command -v systemctl >/dev/null && [ -d /run/systemd/system ]; then
  for service in "${services[@]}"; do
    case " ${missing[*]} " in
      *" $service "*) "${as_root[@]}" systemctl disable --now "$service" >/dev/null 2>&1 ;;
    esac
  done
fi
exit 0

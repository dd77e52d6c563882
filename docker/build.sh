#!/bin/sh
# Builds an image of countline with docker, podman or buildah, whichever is there.
set -eu

usage() {
  cat << 'END'
usage: docker/build.sh NAME [options] [-- options of the builder]

  NAME               cpu, cuda or deepstream: which image; it is called countline:NAME.
                     Any other name is that of a DeepStream image with countline and Jupyter in it, for example
                     docker/build.sh deepstream:9.0-countline
  --image KIND       cpu, cuda or deepstream, whatever NAME is
  --tag TAG          call it so; may be given more than once
  --base IMAGE       what it is built upon, in place of the one in the Dockerfile
  --extras LIST      what of countline's extras is in it, for example view,mqtt
  --packages LIST    further packages from PyPI, for example an output of your own
  --ca FILE          certificates to trust while it is built (of a proxy, say); they are in no layer
  --builder PROGRAM  docker, podman or buildah; the first of them that is there and can build unless given
  --print            print the command and build nothing

PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, HTTP_PROXY, HTTPS_PROXY and NO_PROXY are passed on where they are set.
END
}

fail() {
  echo "docker/build.sh: $1" >&2
  exit "${2:-2}"
}

value() { # OPTION, how many words are left
  [ "$2" -gt 1 ] || fail "$1 needs a value"
}

name='' image='' tags='' base='' extras='' packages='' ca='' builder='' print=no
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --image) value "$1" $#; image=$2; shift 2 ;;
    --tag | -t) value "$1" $#; tags="$tags $2"; shift 2 ;;
    --base) value "$1" $#; base=$2; shift 2 ;;
    --extras) value "$1" $#; extras=$2; shift 2 ;;
    --packages) value "$1" $#; packages=$2; shift 2 ;;
    --ca) value "$1" $#; ca=$2; shift 2 ;;
    --builder) value "$1" $#; builder=$2; shift 2 ;;
    --print) print=yes; shift ;;
    --) shift; break ;;
    -*) fail "there is no option $1; see docker/build.sh --help" ;;
    *) [ -z "$name" ] || fail "one NAME at a time: $name or $1?"; name=$1; shift ;;
  esac
done
[ -n "$name" ] || { usage >&2; exit 2; }

root=$(cd "$(dirname "$0")/.." && pwd)
case $name in
  cpu | cuda | deepstream) image=${image:-$name} tags=${tags:-countline:$name} ;;
  *) image=${image:-deepstream} tags="$name$tags" ;;
esac
[ -f "$root/docker/$image.Dockerfile" ] || fail "there is no image '$image': cpu, cuda or deepstream"
[ -z "$ca" ] || [ -r "$ca" ] || fail "$ca: no such file (--ca)"

# docker: the program alone builds nothing, its engine must answer.
able() {
  command -v "$1" > /dev/null 2>&1 && { [ "$1" != docker ] || docker info > /dev/null 2>&1; }
}
if [ -n "$builder" ]; then
  case $builder in docker | podman | buildah) ;; *) fail "--builder is docker, podman or buildah, not '$builder'" ;; esac
  [ "$print" = yes ] || able "$builder" || fail "$builder is not there, or its engine does not answer" 1
else
  for builder in docker podman buildah none; do
    if able "$builder"; then break; fi
  done
  [ "$builder" != none ] || fail "neither docker (with an engine that answers) nor podman nor buildah is there; install one of them" 1
fi

# The options of the builder are still in "$@".
set -- --file "$root/docker/$image.Dockerfile" "$@"
for tag in $tags; do set -- "$@" --tag "$tag"; done
[ -z "$base" ] || set -- "$@" --build-arg "BASE=$base"
[ -z "$extras" ] || set -- "$@" --build-arg "EXTRAS=$extras"
[ -z "$packages" ] || set -- "$@" --build-arg "PACKAGES=$packages"
[ -z "$ca" ] || set -- "$@" --secret "id=ca,src=$ca"
for variable in PIP_INDEX_URL PIP_EXTRA_INDEX_URL HTTP_PROXY HTTPS_PROXY NO_PROXY; do
  if eval "[ -n \"\${$variable:-}\" ]"; then set -- "$@" --build-arg "$variable"; fi
done
# Health checks are not in images of the OCI's format.
case $builder in
  podman) set -- build --format docker "$@" ;;
  buildah) set -- build --format docker --layers "$@" ;;
  *) set -- build "$@"; export DOCKER_BUILDKIT=1 ;;
esac
echo "image:$(for tag in $tags; do printf ' %s' "$tag"; done) from docker/$image.Dockerfile, with $builder" >&2
if [ "$print" = yes ]; then
  printf '%s' "$builder"
  for word in "$@" "$root"; do printf " '%s'" "$(printf '%s' "$word" | sed "s/'/'\\\\''/g")"; done
  echo
  exit 0
fi
exec "$builder" "$@" "$root"

#!/bin/sh
# Makes sure that Debian packages are there: packages.sh [command:]package...
# A package whose command is found counts as there, wherever the command comes from. Says what is missing; root
# installs it, others get the line to run.
set -eu

missing=
for wanted in "$@"; do
  package=${wanted#*:}
  command=${wanted%%:*}
  if [ "$command" != "$package" ] && command -v "$command" >/dev/null; then continue; fi
  if ! command -v dpkg-query >/dev/null; then
    missing="$missing $package"
  elif ! dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q 'ok installed'; then
    missing="$missing $package"
  fi
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "This is no Debian machine. Needed, by their names there:$missing" >&2
elif [ "$(id -u)" -eq 0 ]; then
  echo "Missing packages, to be installed now:$missing" >&2
  apt-get update -qq
  # shellcheck disable=SC2086  # one word a package
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
else
  echo "Missing packages. Run this line, then try again:" >&2
  echo "  sudo apt-get install -y$missing" >&2
  exit 1
fi

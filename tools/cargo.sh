#!/bin/sh
# Finds a cargo that can build Berth and runs it with our arguments.
#
# In this order: the one on PATH, Debian's own, and, when there is none and we are root, Debian's packages are installed.
# Nothing is installed when nothing is missing.
set -eu

# The oldest compiler that builds Berth is 1.85.
oldest=85

# Whether $1 is a cargo that runs here and is new enough. A rustup without the toolchain we ask for must not start a download
# here: the server may be out of reach.
works() {
    version=$(RUSTUP_AUTO_INSTALL=0 "$1" --version 2>/dev/null) || return 1
    version=${version#cargo }
    minor=${version#*.}
    [ "${version%%.*}" -gt 1 ] || [ "${minor%%.*}" -ge "$oldest" ]
}

# Debian's cargo starts the rustc on PATH, which can be another one's.
debian() {
    export RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc
    exec /usr/bin/cargo "$@"
}

if works cargo; then
    exec cargo "$@"
fi
if works /usr/bin/cargo; then
    debian "$@"
fi

packages="cargo-web rustc-web rust-web-src rust-web-clippy rustfmt-web gcc libc6-dev ca-certificates"
if [ ! -x /usr/bin/apt-get ]; then
    echo "berth: no cargo of version 1.$oldest or newer here; see https://rustup.rs" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    echo "berth: no cargo of version 1.$oldest or newer here. As root:" >&2
    echo "  apt-get install --no-install-recommends $packages" >&2
    exit 1
fi
echo "berth: no cargo of version 1.$oldest or newer here; installing: $packages" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >&2
# shellcheck disable=SC2086 # a list of words
apt-get install -q -y --no-install-recommends $packages >&2
works /usr/bin/cargo || {
    echo "berth: the cargo just installed is older than 1.$oldest; is bookworm-security among the package sources?" >&2
    exit 1
}
debian "$@"

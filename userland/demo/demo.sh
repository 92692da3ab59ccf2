#!/bin/sh
# What `make run` shows. Every command is printed before it runs.
set -eu
say() {
    echo
    echo "\$ $*"
    "$@"
}
title() {
    echo
    echo "== $*"
}
# Waits until the container has the status, ten seconds at most.
await() {
    turns=0
    until oci state "$1" | grep -q "\"status\": \"$2\""; do
        turns=$((turns + 1))
        [ "$turns" -le 100 ] || { echo "demo: $1 is not $2" >&2; exit 1; }
        sleep 0.1
    done
}

title "Outside: this is the kernel, with a shell as one of its processes"
say uname -srm
say hostname
say ls /
say ps -o pid,ppid,args

title "A container: its own processes, host name and files; a root it cannot write to"
say oci run --bundle /bundles/demo first
say hostname

title "One life, step by step; a hook is given the state"
say oci create --bundle /bundles/life second
say oci state second
say cat /run/life-prestart.json
echo
say oci start second
await second running
say oci list
say oci kill second TERM
await second stopped
say oci state second
say oci delete second
say cat /run/life-poststop.json
echo
echo
echo "\$ oci state second"
if oci state second; then
    echo "demo: second is still there" >&2
    exit 1
fi

title "A limit is felt: a shell that takes memory for ever, and may have eight MiB"
say grep limit /bundles/hungry/config.kv
echo
echo "\$ oci run --bundle /bundles/hungry third"
code=0
oci run --bundle /bundles/hungry third || code=$?
echo "exit code $code"
[ "$code" = 137 ] || { echo "demo: it was not killed" >&2; exit 1; }

title "What the kernel cannot enforce it refuses, by name"
mkdir -p /run/refused
sed 's/"cwd"/"apparmorProfile": "strict", "cwd"/' /bundles/demo/config.json > /run/refused/config.json
echo
echo "\$ oci create --bundle /run/refused fourth"
if oci create --bundle /run/refused fourth; then
    echo "demo: it was not refused" >&2
    exit 1
fi
rm -r /run/refused

title "Nothing is left behind: the kernel's counts before and after two hundred lives"
say probe cycle 200

#!/bin/sh
# What `make run` shows: one container, from create to delete.
set -eu
say() { echo; echo "\$ $*"; "$@"; }
say uname -srm
say oci create --bundle /bundles/demo demo
say oci state demo
say oci start demo
# The container sleeps for a second, so that it is seen running.
say oci state demo
sleep 2
say oci state demo
say oci delete demo
say oci list

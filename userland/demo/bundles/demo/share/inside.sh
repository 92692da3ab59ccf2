# What the container of the demo runs; bound into it read-only.
say() { echo "inside\$ $*"; "$@" || true; }
say hostname
say ps -o pid,ppid,args
say ls /
say touch /file
say touch /demo/file
say touch /tmp/file
say hostname changed

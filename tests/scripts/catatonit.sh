# needs: catatonit
# A first process that lives by signalfd and epoll.
# When the shell tells of killed jobs is a matter of time.
exec 2>/dev/null
catatonit -- sh -c 'exit 9'; echo $?; catatonit -- sh -c 'kill -TERM $$'; echo $?; catatonit none 2>/dev/null; echo $?; catatonit -- sh -c 'trap "echo term; exit 3" TERM; while :; do sleep 0.05; done' & sleep 0.5; kill -TERM $!; wait $!; echo $?
unshare -p -f catatonit -- sh -c 'echo $$ $PPID; (sleep 0.1; echo orphan) & exec sleep 0.4'; echo $?; unshare -p -f catatonit -- sh -c 'for i in 1 2 3 4 5; do (true &); done; sleep 0.3; ls /proc >/dev/null; exit 2'; echo $?; unshare -p -f catatonit -P & sleep 0.3; kill -TERM $!; wait $!; echo $?

# needs: tini-static sash
# Programs that are somebody's first process: exit codes, signals on their way, orphans.
# When the shell tells of killed jobs is a matter of time.
exec 2>/dev/null
tini-static -s -- sh -c 'exit 7'; echo $?; tini-static -s -- sh -c 'kill -TERM $$'; echo $?; tini-static -s -e 143 -- sh -c 'kill -TERM $$'; echo $?; tini-static -s none 2>/dev/null; echo $?; tini-static -s -- true; echo $?
tini-static -s -- sh -c 'trap "echo term; exit 3" TERM; while :; do sleep 0.05; done' & sleep 0.5; kill -TERM $!; wait $!; echo $?; tini-static -s -- sleep 10 & sleep 0.3; kill -HUP $!; wait $!; echo $?
tini-static -s -- sh -c '(sh -c "sleep 0.2; cut -d\" \" -f4 /proc/self/stat >ppid; mv ppid adopter" &); until [ -e adopter ]; do sleep 0.05; done; echo main'; echo $?; [ $(cat adopter) -gt 1 ] && echo adopted; tini-static -s -g -- sh -c 'trap "echo group" TERM; sh -c "trap \"exit\" TERM; while :; do sleep 0.05; done" & wait; wait' & sleep 0.5; kill $!; wait $!; echo $?
tini-static -s -- sh -c 'for i in 1 2 3 4 5; do (true &); done; sleep 0.3; ps | grep -c "Z.*[t]rue"'; unshare -p -f tini-static -- sh -c 'echo $$ $PPID; (sleep 0.1 & ); sleep 0.3; exit 4'; echo $?; unshare -p -f sh -c 'exec tini-static -- sh -c "kill -KILL \$\$"'; echo $?
sash -c 'echo from sash'; echo $?; printf '%s\n' 'cd /' '-pwd' '-mkdir /tmp/inits.sh/made' '-ls /tmp/inits.sh' 'exit' | sash 2>/dev/null | grep -v '^Stand' | sed 's/> //g'; ls

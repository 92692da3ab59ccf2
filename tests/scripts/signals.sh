# Signals: defaults, traps, masks of children, stopping.
# When the shell tells of killed jobs is a matter of time.
exec 2>/dev/null
for s in HUP ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT XCPU XFSZ VTALRM PROF IO PWR SYS; do sh -c "ulimit -c 0; kill -$s \$\$" 2>/dev/null; echo $s $?; done
for s in CHLD CONT URG WINCH; do sh -c "kill -$s \$\$; echo $s lives"; done; for s in 34 40 64; do sh -c "kill -$s \$\$" 2>/dev/null; echo $s $?; done
kill -l 9; kill -l TERM; kill -l 143; kill -99 $$; echo $?; kill -0 $$; echo $?; kill -TERM 0x; echo $?
trap 'echo caught TERM' TERM; kill -TERM $$; echo after; trap 'echo usr1; trap - USR1' USR1; kill -USR1 $$; trap; trap - TERM; trap '' INT; kill -INT $$; echo ignored; sh -c 'kill -INT $$; echo child ignores too'; trap - INT
(trap 'echo bye; exit 3' TERM; while :; do sleep 0.05; done) & sleep 0.2; kill $!; wait $!; echo $?; (trap 'echo hup' HUP; sleep 0.4; echo woke) & sleep 0.15; kill -HUP $!; wait $!; echo $?
trap 'echo interrupted' USR1; (sleep 0.2; kill -USR1 $$) & sleep 1 & wait $!; echo "wait $?"; kill %2 2>/dev/null; kill $! 2>/dev/null; wait; trap - USR1; (trap 'exit 5' USR2; kill -USR2 $(sh -c 'echo $PPID'); sleep 1); echo $?
sleep 5 & p=$!; state() { cut -d' ' -f3 /proc/$p/stat; }; sleep 0.1; state; kill -STOP $p; sleep 0.1; state; kill -TERM $p; sleep 0.1; state; kill -CONT $p; wait $p; echo $?
{ sleep 5 & p=$!; kill -STOP $p; sleep 0.1; kill -KILL $p; wait $p; echo $?; sleep 5 & p=$!; kill -TSTP $p; sleep 0.1; state; kill -CONT $p; sleep 0.1; state; kill $p; wait $p; } 2>/dev/null
(trap '' TERM; sleep 0.3; echo survived) & sleep 0.1; kill $!; wait $!; echo $?; (trap '' HUP; exec sh -c 'kill -HUP $$; echo still ignored'); trap 'echo handler' HUP; (kill -HUP $(sh -c 'echo $PPID'); echo not reached); echo $?; trap - HUP
setsid sh -c 'trap "echo group; exit" TERM; sh -c "sleep 5" & sleep 0.1; kill -TERM 0; wait'; echo $?; setsid sh -c 'sleep 5 & sleep 5 & sleep 0.1; trap "" TERM; kill -TERM 0; wait; echo all gone'
trap 'echo exiting' EXIT; (echo sub); sh -c 'trap "echo own" EXIT'; trap - EXIT; (trap 'echo one' EXIT; kill -KILL $(sh -c 'echo $PPID')); echo $?
low() { sed -n "s/^$1:.*\(....\)\$/$1 \1/p" ${2:-/proc/self/status}; }; low SigBlk; low SigIgn; (trap '' USR1; low SigIgn); (trap '' 1 2 3; sed -n 's/^SigIgn:.*\(....\)$/ignored \1/p' /proc/self/status); sh -c 'trap : 1 15; awk "/SigCgt/ && \$2 != 0 {print \"catches\"}" /proc/$$/status'
i=0; trap 'i=$((i + 1))' USR1; n=0; while [ $n -lt 20 ]; do kill -USR1 $$; n=$((n + 1)); done; echo $i; trap - USR1
sleep 3 & a=$!; sleep 3 & b=$!; kill $a $b; wait $a; echo $?; wait $b; echo $?; sh -c 'sleep 3 & kill $!; wait $!; exit $?'; echo $?; timeout -s INT 1 sleep 3; echo $?; sh -c 'exec sleep 3' & kill -ALRM $!; wait $!; echo $?

# Children, exit codes, programs, background.
true; echo $?; false; echo $?; sh -c 'exit 42'; echo $?; sh -c 'exit 256'; echo $?; sh -c 'exit -1'; echo $?; (exit 7); echo $?; none; echo $?; ./none; echo $?; touch plain; ./plain; echo $?; chmod +x plain; ./plain; echo $?; /; echo $?; /bin; echo $?
sleep 0.1 & wait $!; echo $?; (exit 5) & wait $!; echo $?; (exit 6) & a=$!; (exit 7) & b=$!; wait $b; echo $?; wait $a; echo $?; wait; echo $?; wait 99999; echo $?; wait $a; echo $?
{ sh -c 'kill -9 $$'; echo $?; sh -c 'kill -TERM $$'; echo $?; sleep 10 & kill $!; wait $!; echo $?; sleep 10 & kill -9 $!; wait $!; echo $?; kill $! 2>/dev/null; echo $?; kill -0 $$; echo $?; kill -0 99999; echo $?; } 2>/dev/null
printf '#!/bin/sh\necho "$0 $# $*"\n' >s; chmod +x s; ./s a 'b c'; printf '#!/bin/echo one two\n' >e; chmod +x e; ./e x y; printf '#! /bin/sh -e\nfalse\necho not reached\n' >f; chmod +x f; ./f; echo $?; printf 'echo plain $0\n' >g; chmod +x g; ./g; printf '#!/none\n' >h; chmod +x h; ./h; echo $?; printf '#!./s\n' >i; chmod +x i; ./i z; printf '\177ELF' >k; chmod +x k; ./k; echo $?
(exec echo replaced; echo never); exec 3>&1; (exec sh -c 'echo new >&3'); sh -c 'exec none'; echo $?; sh -c 'exec sh -c "exit 9"'; echo $?
echo $(sh -c 'echo $PPID') | grep -cx $$; (echo $$) | grep -cx $$; sh -c '[ $$ != $PPID ] && echo different'; cat /proc/self/stat | awk '{print $3, ($4 > 0)}'
for i in 1 2 3 4 5; do (sleep 0.0$((6 - i)); echo $i) & done | sort; wait; i=0; while [ $i -lt 60 ]; do (exit $i) & p="$p $!"; i=$((i + 1)); done; s=0; for q in $p; do wait $q; s=$((s + $?)); done; echo sum $s
i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i + 1)); done; echo $i; f() { [ $1 -le 0 ] && return; sh -c ':'; f $(($1 - 1)); }; f 20; echo done; sh -c 'sh -c "sh -c \"exit 3\""'; echo $?
(sleep 0.2; echo orphan >orphan) & sleep 0.4; cat orphan; sh -c '(sleep 0.1; echo late >late) &'; sleep 0.3; cat late; setsid sh -c 'echo session'; setsid sh -c '[ $(cut -d" " -f6 /proc/self/stat) = $$ ] && echo leader'
time -p true 2>&1 | awk '{print $1}'; timeout 1 sleep 5; echo $?; timeout 5 true; echo $?; timeout 1 sh -c 'exit 3'; echo $?; timeout -s KILL 1 sleep 5; echo $?
nice() { cut -d" " -f19 /proc/self/stat; }; nice; pidof none; echo $?; renice -n 3 -p $$ >/dev/null; nice; sh -c 'cut -d" " -f19 /proc/self/stat'; renice -n 25 -p $$ >/dev/null; nice
sh -c 'sleep 0.2 & echo $! >pid; exit'; kill -0 $(cat pid); echo $?; sleep 0.4; kill -0 $(cat pid) 2>/dev/null; echo $?; (trap 'echo exit trap' EXIT; true); (trap 'echo exit trap' EXIT; exit 3); echo $?
x=outer; (x=inner; echo $x); echo $x; (cd /; pwd); pwd; (umask 0; umask); umask; eval 'echo evaluated'; . ./g; command echo c; type cd | head -n 1; command -v sh; which sh
cat /proc/$$/comm; cat /proc/self/comm; tr '\0' ' ' </proc/$$/cmdline; echo; readlink /proc/self/exe; sh -c 'readlink /proc/$$/exe'; sleep 5 & tr '\0' ' ' </proc/$!/cmdline; echo; awk '/^State|^Threads/' /proc/$!/status; kill $!; wait

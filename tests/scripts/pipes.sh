# Pipelines and fifos.
echo a | cat | cat | tr a b; seq 100000 | wc -l; seq 100000 | tail -n 1; yes | head -n 3; seq 5 | while read n; do echo $((n * n)); done
true | false; echo $?; false | true; echo $?; ! true; echo $?; ! false | false; echo $?; (exit 3) | (exit 4); echo $?; set -o pipefail; false | true; echo $?; (exit 3) | true | (exit 4) | true; echo $?; yes | head -n 1; echo "sigpipe $?"; set +o pipefail
x=1; echo y | read x; echo $x; echo z | { read x; echo $x; }; { echo 1; echo 2; } | { read a; read b; echo $b $a; }
dd if=/dev/zero bs=1k count=300 2>/dev/null | dd bs=7 2>/dev/null | wc -c; dd if=/dev/zero bs=1M count=2 2>/dev/null | md5sum; cat /bin/busybox | cmp - /bin/busybox && echo same
mkfifo p; echo through >p & cat p; wait; (sleep 0.2; echo late >p) & read l <p; echo $l; wait; cat p >got & echo a >p; wait; cat got
(echo 1; sleep 0.1; echo 2) >p & while read l; do echo "got $l"; done <p; wait; for i in 1 2 3; do echo $i >p & cat p; done; wait
exec 3<>p; echo stored >&3; read l <&3; echo $l; echo one >&3; echo two >&3; read a <&3; read b <&3; echo $b $a; exec 3>&-
[ -p p ] && echo fifo; test -p /dev/stdin; echo x | test -p /dev/stdin; echo $?; ls p; rm p; ls p 2>&1 | wc -l
(trap '' PIPE; yes 2>/dev/null; echo "yes $?" >code) | head -n 1; sleep 0.2; cat code; (yes; echo "yes $?" >code) | true; sleep 0.2; cat code
sh -c 'kill -PIPE $$'; echo $?; echo lost | true; echo $?; seq 10 | sed 3q; seq 1000000 | sed 2q; { seq 3; cat; } </dev/null
echo a b c | xargs -n 1 echo; echo "x y" | xargs -I {} echo "[{}]"; seq 10 | xargs echo; seq 5 | xargs -n 2; printf 'a b\0c' | xargs -0 -n 1 echo; false | xargs; echo $?; echo x | xargs sh -c 'exit 3'; echo $?; echo x | xargs none; echo $?
a=$(echo sub | tr s S); echo $a; echo `echo back`; echo $(echo $(echo nested)); x=$(seq 20000 | wc -c); echo $x; x=$(false); echo $?; v=$(printf 'a\n\n\n'); echo "[$v]"
cat <<E | tr a-z A-Z | rev
here
E
seq 3 | paste -sd+ | bc; echo '2^64' | bc; echo '3 4 + p' | dc
(sleep 0.3; echo slow) | cat & echo fast; wait; { sleep 0.1; echo second; } & echo first; wait; (echo a; echo b) | (sleep 0.1; cat)
mkfifo q; (cat q; echo end) & exec 4>q; echo x >&4; echo y >&4; exec 4>&-; wait; timeout 1 cat q; echo "timeout $?"; timeout 1 sh -c 'echo x >q'; echo "timeout $?"; rm q

# Resource limits.
as() { q=; for w; do q="$q '$w'"; done; su -s /bin/sh nobody -c "$q"; }
ulimit -n; (ulimit -n 20; ulimit -n; for i in 3 4 5 6 7 8 9; do eval "exec $i</dev/null"; done; echo opened); sh -c 'ulimit -n 4; cat /dev/null 4>/dev/null; ls /; echo $?' 2>/dev/null; (ulimit -Hn 50; ulimit -Sn 60) 2>/dev/null; echo $?; (ulimit -Hn 50; ulimit -Hn; ulimit -Sn 40; ulimit -Sn; ulimit -Sn 50; ulimit -n)
(ulimit -f 2; dd if=/dev/zero of=f bs=512 count=2 2>/dev/null; echo $?; dd if=/dev/zero of=f bs=512 count=4; echo $?; wc -c <f) 2>/dev/null; (ulimit -f 1; trap '' XFSZ; dd if=/dev/zero of=g bs=512 count=4 2>&1 | grep -o 'File too large'; wc -c <g; truncate -s 10000 h 2>/dev/null; echo $?); (ulimit -f 0; echo x >empty; echo $?) 2>/dev/null; wc -c <empty; (ulimit -f 0; echo x | cat; echo $?)
(ulimit -c 0; ulimit -c); (ulimit -s 1024; ulimit -s; sh -c 'ulimit -s'); ulimit -v; ulimit -d; ulimit -u >/dev/null; echo $?; ulimit -l >/dev/null; echo $?
as sh -c 'ulimit -Hn 30; ulimit -Hn 40' 2>/dev/null; echo $?; (ulimit -n 64; sh -c 'ulimit -n; sh -c "ulimit -n"'); ulimit -x 1 2>/dev/null; echo $?; (ulimit -Sf 100; ulimit -Hf)

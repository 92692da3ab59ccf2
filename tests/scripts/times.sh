# Times of files, and time that passes.
export TZ=UTC
touch -d '2001-02-03 04:05:06' f; stat -c '%Y %X' f; date -r f; touch -r f g; stat -c %Y g; touch -t 203801190314.08 h; stat -c '%Y %y' h | cut -d. -f1; touch -d @0 z; stat -c %Y z; touch -d @4294967296 far; stat -c %Y far
[ f -nt z ] && echo newer; [ z -ot f ] && echo older; [ f -nt none ] && echo 'newer than none'; [ f -nt g ] || echo 'same age'
touch -d @1000 d; mkdir dir; touch -d @1000 dir; echo x >dir/new; [ $(stat -c %Y dir) -gt 1000 ] && echo 'directory changed'; touch -d @1000 dir; echo y >dir/new; stat -c %Y dir; touch -d @1000 dir; rm dir/new; [ $(stat -c %Y dir) -gt 1000 ] && echo 'directory changed'; touch -d @1000 dir; chmod 700 dir; stat -c %Y dir
touch -d @1000 d; echo x >>d; [ $(stat -c %Y d) -gt 1000 ] && echo written; touch -d @1000 d; chmod 600 d; stat -c %Y d; [ $(stat -c %Z d) -gt 1000 ] && echo 'status changed'; touch -d @1000 d; mv d e; stat -c %Y e; touch -d @1000 e; ln e e2; stat -c '%Y %h' e; touch -d @1000 e; : >e; [ $(stat -c %Y e) -gt 1000 ] && echo truncated
touch -d @1000 e; cat e >/dev/null; stat -c %Y e; touch -a -d @2000 e; stat -c '%X %Y' e; touch -m -d @3000 e; stat -c '%X %Y' e; touch -c nothing; ls nothing 2>/dev/null || echo 'not made'; touch none/x; echo $?
cp e c1; cp -p e c2; [ $(stat -c %Y c1) -gt 3000 ] && echo 'new time'; stat -c %Y c2; touch -d @5 -h link 2>/dev/null; ln -s e link; touch -h -d @5 link; stat -c %Y link e; touch -d @6 link; stat -c %Y link e
date -d @0; date -d @86399 +%H:%M:%S; date -d @1000000000 '+%Y-%m-%d %H:%M:%S %j %a %b %U'; date -u -d '2024-02-29 12:00:00' +%s; date -d '2024-02-30' 2>&1 | head -n 1; TZ=CET-1 date -d @0 +%H; date +%Z
a=$(date +%s); sleep 1.1; b=$(date +%s); [ $((b - a)) -ge 1 ] && echo passed; usleep 1000; echo $?; sleep 0; echo $?; sleep x; echo $?
[ $(cut -d. -f1 /proc/uptime) -ge 0 ] && echo up; [ $(date +%Y) -ge 2020 ] && echo 'this century'; find . -newer c2 -name c1; find . -mtime +1000 | sort | head -n 3; ls -t f z h | head -n 1; ls -tr f z h | head -n 1; ls --full-time f 2>/dev/null | awk '{print $6, $7}'

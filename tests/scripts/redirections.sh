# Where output goes and input comes from.
echo out >f; echo err >&2 2>/dev/null; ls none 2>e; cat e; ls none >both 2>&1; cat both; ls none 2>&1 >/dev/null | wc -l; { echo a; echo b >&2; } 2>&1 | sort
echo one >f; echo two >>f; cat <f; cat <none; echo "no $?"; echo x >none/f; echo "no $?"; echo x >.; echo "no $?"
exec 3>three; echo to three >&3; exec 3>>three; echo again >&3; exec 3>&-; cat three; (echo x >&3) 2>/dev/null; echo "closed $?"
exec 4<three; read line <&4; echo "$line"; read line <&4; echo "$line"; read line <&4; echo "end $?"; exec 4<&-
exec 5<>rw; echo written >&5; cat <&5; echo "nothing left"; cat rw; exec 5>&-
printf '0123456789' >o; exec 6<>o; dd bs=3 count=1 <&6 2>/dev/null; printf XX >&6; cat <&6; echo; exec 6>&-; cat o; echo
set -C; echo x >o; echo "noclobber $?"; echo y >|o; cat o; set +C
(echo sub; echo suberr >&2) >so 2>se; cat so se; { read a; read b; } <three; echo "$a/$b"; while read l; do echo "[$l]"; done <three; if read l; then echo "if $l"; fi <three
{ echo devfd >/dev/fd/1; echo stdout >/dev/stdout; echo stderr >/dev/stderr; } 2>&1 | cat; cat /dev/stdin <three; cat /dev/fd/7 7<three; cat - <three | head -n 1
echo x >/dev/full; echo "full $?"; dd if=/dev/zero of=/dev/full bs=1 count=1 2>/dev/null; echo "full $?"; echo gone >/dev/null; cat /dev/null | wc -c; head -c 5 /dev/zero | od -An -tx1
f() { echo in f; echo f err >&2; return 4; }; f >ff 2>&1; echo "$?"; cat ff; x=$(f 2>/dev/null); echo "$x"; x=$(f 2>&1 >/dev/null); echo "$x"
echo a >x1 >x2; wc -c x1 x2; >empty; ls -1 empty; cat <three >copy; cmp three copy && echo copied; sort <three >three; wc -c three
cat <<A; cat <<'B'
first $((1 + 1)) $(echo command)
A
second $HOME `no`
B
exec 8>many; i=0; while [ $i -lt 100 ]; do echo line $i >&8; i=$((i + 1)); done; exec 8>&-; wc -l many; tail -n 1 many
exec 9<many; head -n 1 <&9 >/dev/null; exec 9<&-; (exec 9<many; read a <&9; (read b <&9; echo "$b"); read c <&9; echo "$c")
sh -c 'echo x >&7' 2>/dev/null; echo "inherited $?"; sh -c 'echo x >&7' 7>seven; cat seven; sh -c 'cat <&8' 8<seven
echo append >>seven; { echo 1; } >>seven; cat seven; tee t1 t2 <seven >/dev/null; cat t1 t2 | wc -l; echo more | tee -a t1 | wc -c; wc -l <t1
: <&-; echo $?; (echo x >&-) 2>/dev/null; echo "closed $?"; (cat <&-); echo "closed $?"; (read x <&-) 2>/dev/null; echo "closed $?"

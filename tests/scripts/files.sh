# Regular files: contents, sizes, offsets, holes.
echo one >a; echo two >>a; cat a
printf 'no newline' >b; wc -c b; cat a b >c; wc c; cmp a c; cmp a a && echo same
cp a d; cp a e; echo changed >d; cat a d; cp -p a f; mv d g; ls
: >a; wc -c <a; [ -s a ] || echo empty; [ -e none ] || echo none
printf abcdefghij >h
dd if=h of=i bs=1 skip=3 count=4 2>/dev/null; cat i; echo
printf XYZ | dd of=h bs=1 seek=2 conv=notrunc 2>/dev/null; cat h; echo
dd if=h bs=4 count=1 2>/dev/null | od -c
dd if=/dev/zero of=sparse bs=1 count=1 seek=1048575 2>/dev/null; stat -c '%s' sparse
od -An -tx1 sparse | head -2; tail -c 1 sparse | od -An -tx1
truncate -s 5 h; cat h; echo; truncate -s 8 h; od -An -c h; truncate -s +2 h; stat -c %s h
head -c 3 h; echo; seq 20 | head -n 3; seq 20 | tail -n 2; seq 20 | sed -n '5,7p'
seq 1000 >lines; head -n 400 lines >part.1; tail -n +401 lines >part.2; wc -l part.*; cat part.* | cmp - lines && echo joined
tail -n +998 lines; tac lines | head -n 2; wc -L lines
echo x >'a b'; echo y >'*'; ls -1; cat '*' 'a b'; rm '*'; ls -1 | wc -l
rm none; echo "rm $?"; rm -f none; echo "rm -f $?"
cat none; echo "cat $?"; cp none x; echo "cp $?"; cat .; echo "cat $?"; cp . x; echo "cp $?"
echo data >.hidden; ls; ls -A
stat -c '%n %s %F %h %a' a lines .hidden
mkfifo p; mknod n c 1 3; ln -s a l; stat -c '%n %F' p n l; test -p p && test -c n && test -L l && echo kinds
echo text >n; cat n | wc -c
yes | head -c 100000 >big; wc -c big; md5sum big; dd if=big bs=64k 2>/dev/null | cksum
for i in $(seq 300); do echo $i >many.$i; done; ls many.* | wc -l; cat many.* | awk '{s+=$1} END {print s}'; rm many.*; ls many.* 2>/dev/null | wc -l
long=$(printf '%0255d' 1); echo l >"$long"; cat "$long"; echo l >"${long}2"; echo $?

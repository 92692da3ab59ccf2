# rename(2): over files, directories, itself, and what cannot be.
as() { q=; for w; do q="$q '$w'"; done; su -s /bin/sh nobody -c "$q"; }
echo a >a; echo b >b; mv a b; cat b; ls; mv b b; echo "mv $?"; mv none x; echo "mv $?"
mkdir d e; mv d e; ls e; mkdir d; mv e/d .; echo "mv $?"; rmdir d; mv e/d d; ls
touch d/f; mv b d; ls d; mv d/b d/f; cat d/f; mkdir -p d/x/y; mv d d/x; echo "mv $?"; mv d/x/y d; ls d
mkdir full; touch full/f; mkdir other; mkdir other/full; touch other/full/g; mv -T full other/full; echo "mv $?"; rm other/full/g; mv -T full other/full; echo "mv $?"; ls other/full
touch file; mv -T file d; echo "mv $?"; mv -T d file; echo "mv $?"; ls
ln file same; mv file same; ls file same; stat -c %h same
ln -s same link; mv link moved; readlink moved; echo t >t; mv t moved; [ -L moved ] || cat moved
mv -n same moved; ls same; cat moved; mv -f same moved; ls
mkdir -p p/q; cd p/q; mv ../../p ../../r; pwd; cd ..; pwd; cd /tmp/renames.sh; ls r
touch 'a b' 'c'; for f in 'a b' c; do mv "$f" "$f.x"; done; ls *.x; for f in *.x; do mv "$f" "${f%.x}"; done; ls c 'a b'
mkdir -p dd; touch x1 x2 x3; mv x1 x2 x3 dd; ls dd; mv x1 x2 nodir; echo "mv $?"
exec 3<dd/x1; mv dd/x1 dd/z; stat -L -c %h /proc/self/fd/3; readlink /proc/self/fd/3; exec 3<&-
mkdir s; touch s/f; chmod 500 s; as mv s/f s/g; echo "mv $?"; chmod 1777 s; as mv s/f s/g; echo "mv $?"; chmod 777 s; as mv s/f s/g; echo "mv $?"; ls s
mv . x; echo "mv $?"; mv d/. x; echo "mv $?"; mv s/.. x; echo "mv $?"

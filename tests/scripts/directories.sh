# Directories: making, listing, walking, removing.
mkdir a; mkdir a; echo "mkdir $?"; mkdir -p a/b/c d; mkdir x/y; echo "mkdir $?"; mkdir -m 700 m; stat -c '%a %h %F' m a
touch a/1 a/b/2 a/b/c/3; ls -R; find . | sort
rmdir a; echo "rmdir $?"; rmdir d; echo "rmdir $?"; rmdir none; echo "rmdir $?"; rmdir a/1; echo "rmdir $?"
cd a/b; pwd; cd ..; pwd; cd ../a/./b//c; pwd; cd -; cd /; pwd; cd ..; pwd; cd "$OLDPWD"; cd none; echo "cd $?"; cd 1; echo "cd $?"
cd /tmp/directories.sh
cp -r a copy; find copy -type f | sort; diff -r a copy && echo equal; echo more >copy/b/2; diff -rq a copy
ln -s a/b link; cd link; pwd; pwd -P; cd ..; pwd; cd -P ./link; pwd; cd /tmp/directories.sh
ls -ld link | cut -c1; ls -d a/; ls link
mv a/b moved; ls a moved; mv moved a; ls a/moved; stat -c '%h' a a/moved
rm a; echo "rm $?"; rm -r a; ls; rm -rf copy none; ls
mkdir gone; cd gone; rmdir ../gone; ls; echo x >f; echo "create $?"; pwd; mkdir y; echo "mkdir $?"; cd ..; echo "cd .. $?"; cd /tmp/directories.sh
for i in $(seq 200); do mkdir d$i; done; ls | wc -l; stat -c '%h' .; rmdir d*; ls
mkdir -p deep; p=deep; for i in $(seq 50); do p=$p/x; mkdir $p; done; find deep | wc -l; echo bottom >$p/f; cat $p/f; rm -r deep; ls
mkdir s; touch s/b s/a s/C s/10 s/9; ls s; ls -r s; ls -1 s | sort -n; echo s/*; echo s/[ab] s/? s/none*
du -a s | wc -l; basename a/b/c.txt .txt; dirname a/b/c.txt; dirname a; realpath s/../s/./a; realpath none/x; echo $?
cd s; mkdir ../t; mv * ../t; ls; ls ../t; cd ..; rmdir s
mkdir -p tree/{a,b}; ls tree; mkdir -p tree/a tree/b; cp -a tree/. tree2; ls tree2
[ -d tree ] && echo d; [ -d tree/none ] || echo no; [ -x tree ] && echo x
rmdir tree/a/..; echo "rmdir $?"; rmdir tree/a/.; echo "rmdir $?"; rm -r .; echo "rm $?"; rm -r ..; echo "rm $?"
touch file; mkdir file/x; echo $?; cd file; echo $?; ls file/; echo $?; cat file/; echo $?; echo x >tree; echo $?

# Modes, owners, umask, and what others may not.
as() { q=; for w; do q="$q '$w'"; done; su -s /bin/sh nobody -c "$q"; }
touch f; stat -c '%a %u %g' f; chmod 4751 f; stat -c '%a %A' f; chmod u-s,g+w,o= f; stat -c %A f; chmod a=r f; chmod +x f; stat -c %a f; chmod 0 f; stat -c %A f
chmod 999 f; echo "chmod $?"; chmod 644 none; echo "chmod $?"; chown 65534:5 f; stat -c '%u %g %U %G' f; chown root f; chgrp root f; stat -c '%U %G' f
for m in 000 022 027 077 777; do umask $m; touch u$m; mkdir d$m; stat -c '%a' u$m d$m; done; umask 022; umask; umask -S; umask u=rwx,g=,o=; umask; umask 022
echo secret >s; chmod 600 s; as cat s; echo "cat $?"; chmod 604 s; as cat s; chmod 602 s; as sh -c 'echo x >>s'; echo $?; as cat s; cat s
chmod 640 s; chown 0:65534 s; as cat s; chown 65534:0 s; chmod 077 s; as cat s; echo "cat $?"; as chmod 400 s; as cat s; as chown 0 s; echo "chown $?"; as chgrp 0 s; echo "chgrp $?"
chmod 644 f; chown 0:0 f; as chmod 777 f; echo "chmod $?"; as touch f; echo "touch $?"; as touch -d 2020-01-01 f; echo "touch $?"; chmod 666 f; as touch f; echo "touch $?"; as touch -d 2020-01-01 f; echo "touch $?"
mkdir -m 700 private; echo x >private/x; as cat private/x; echo "cat $?"; as ls private; echo "ls $?"; as cd private; chmod 711 private; as cat private/x; as ls private; echo "ls $?"; chmod 744 private; as ls private; as cat private/x; echo "cat $?"
mkdir -m 755 root; as touch root/x; echo "touch $?"; touch root/y; as rm -f root/y; echo "rm $?"; as mkdir root/d; echo "mkdir $?"; as ln -s x root/l; echo "ln $?"
mkdir -m 1777 sticky; touch sticky/mine; as touch sticky/theirs; as rm -f sticky/mine; echo "rm $?"; as mv sticky/mine sticky/z; echo "mv $?"; as rm sticky/theirs; echo "rm $?"; chmod 777 sticky; as rm -f sticky/mine; echo "rm $?"
mkdir g; chown 0:5 g; chmod 2775 g; touch g/f; mkdir g/d; stat -c '%a %g' g/f g/d; as touch g/x; echo "touch $?"
printf '#!/bin/sh\necho ran\n' >script; ./script; echo "run $?"; chmod 711 script; ./script; as ./script; echo "run $?"; chmod 755 script; as ./script; chmod 644 script; as ./script; echo "run $?"; sh script
chmod 0 f; cat f; echo "root cat $?"; [ -r f ] && echo readable; as test -r f; echo "test $?"; [ -x f ] || echo 'not executable'; chmod 1 f; [ -x f ] && echo executable
cp /bin/busybox id; chmod 4755 id; as ./id id -u; as ./id sh -p -c 'id -u' ; chmod 755 id; as ./id id -u; as id
echo x >w; chmod 4777 w; as sh -c 'echo y >>w'; stat -c %a w; chmod 6777 w; chown 0:0 w; stat -c %a w; chmod 2767 w; chown 0:0 w; stat -c %a w
as sh -c 'umask 0; touch /tmp/permissions.sh/none'; echo $?; as sh -c 'kill -0 1'; echo "kill $?"; as hostname x; echo "hostname $?"; as mknod n c 1 3; echo "mknod $?"; as chroot / true; echo "chroot $?"; as mount -t tmpfs x /mnt; echo "mount $?"
as renice -n -5 -p 1 2>/dev/null; echo "renice $?"; as sh -c 'ulimit -n 5000'; echo "ulimit $?"

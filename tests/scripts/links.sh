# Hard and symbolic links, and files without a name.
echo text >f; ln f g; stat -c '%n %h' f g; [ f -ef g ] && echo one; echo more >>g; cat f; rm f; cat g; stat -c %h g
ln g g; echo "ln $?"; ln none x; echo "ln $?"; mkdir d; ln d e; echo "ln $?"; ln g d/g; stat -c %h g
ln -s g s; readlink s; cat s; ls -l s | awk '{print $1, $NF}'; ln -s none broken; cat broken; echo "cat $?"; [ -L broken ] && echo link; [ -e broken ] || echo broken
ln -s s2 s1; ln -s s1 s2; cat s1; echo "cat $?"; ln -s . dot; cat dot/dot/dot/dot/g; readlink -f dot/dot/s
ln -s g s; echo "ln $?"; ln -sf d s; readlink s; ls s; ln -sfn g s; readlink s; echo through >s; cat g
echo made >broken; cat none; rm none; ls broken
x=1; ln -s g c1; while [ $x -lt 45 ]; do ln -s c$x c$((x + 1)); x=$((x + 1)); done; cat c40; cat c41; echo "cat $?"; rm c*
ln -s /tmp/links.sh/d absolute; ls absolute; cd absolute; pwd -P; cd /tmp/links.sh
ln -s ../links.sh/g d/up; cat d/up; ln -s d/../d/./up long; cat long; realpath long
cp s copy; ls -l copy | cut -c1; cp -d s link; ls -l link | cut -c1; cp -r d dd; ls -l dd/up | cut -c1; mv s moved; readlink moved
rm moved; cat g; rm -r absolute; ls d | wc -l
exec 3<g; rm g d/g; cat <&3; exec 3<&-; ls g 2>/dev/null || echo gone
exec 4>w; echo before >&4; rm w; echo after >&4; ls w 2>/dev/null || echo gone; stat -L -c '%h %s' /proc/self/fd/4; exec 4>&-
echo new >v; exec 5<>v; rm v; echo other >v; cat <&5; cat v; exec 5>&-
readlink none; echo $?; readlink v; echo $?; readlink -f none/x; echo $?; readlink -f none
ln -s "$(printf '%04000d' 0)" far; readlink far | wc -c; cat far; echo $?; ln -s "$(printf '%05000d' 0)" further; echo $?; ln -s '' empty; echo $?
mkdir p; ln -s p q; touch q/f; ls p; rmdir q; echo $?; rm q; rmdir p; echo $?; rm p/f; rmdir p; echo $?
rm dot far empty; find . -type l | sort; find -L . -type f 2>/dev/null | sort; find . -links +1 -type f | wc -l

# The shell's own language: control, quoting, patterns, functions.
if true; then echo yes; elif false; then echo no; else echo else; fi; for i in 1 2 3; do [ $i = 2 ] && continue; echo $i; done; while :; do break; done; until true; do :; done; for i in 1 2; do for j in a b; do [ $j = b ] && continue 2; echo $i$j; done; done
case abc in a*) echo a;; *) echo other;; esac; case x in [a-c]) echo no;; [!a-c]) echo yes;; esac; case 'a b' in 'a b') echo quoted;; esac; case z in x|y|z) echo one of;; esac; case '' in '') echo empty;; esac; case '*' in \*) echo star;; esac
echo 'single $x' "double $((1 + 1))" back\ slash "a\"b" 'it'\''s' $'tab\there' "`echo tick`" "$(echo "nested $(echo "deep")")"; x='a   b'; echo $x; echo "$x"; y='*'; echo "$y"; set -f; echo $y; set +f; echo "a
b"; echo a\
b
touch a1 a2 b1 .h; echo * ; echo a?; echo [ab]1; echo [!a]*; echo .*h; echo a{1,2,3}; echo none*; echo "a*"; echo */; mkdir d; touch d/x; echo */*; echo d/*; for f in a*; do echo "$f"; done
f() { echo "f $1"; return 3; }; f x; echo $?; g() { f inner && echo no || echo "or $?"; }; g; h() { if [ $1 -gt 0 ]; then echo $1; h $(($1 - 1)); fi; }; h 3; f() (exit 4); f; echo $?; unset -f f; f 2>/dev/null; echo $?
true && echo and; false || echo or; true && false || echo both; ! false && echo not; { echo group; }; (echo sub); echo a; echo b & wait; : ; [ -z "" ] && [ -n x ] && echo tests; [ a = a ] && [ a != b ] && echo strings; [[ abc == a* ]] && echo pattern; [[ a < b ]] && echo less
read a b c <<E
one two three four
E
echo "$a|$b|$c"; read -r r <<'E'
back\slash
E
echo "$r"; read x <<'E'
joined \
line
E
echo "$x"; IFS=, read p q <<E
1,2,3
E
echo "$p|$q"; echo 'a:b' | { IFS=: read k v; echo $v; }; printf 'no newline' | { read l; echo "$l $?"; }; echo abc | { read -n 2 t; echo $t; }; while read -r a b; do echo "$b $a"; done <<E
1 x
2 y
E
eval "v=3; echo \$v"; v='echo indirect'; $v; n=v; eval "echo \$$n"; alias; echo ${v%direct}; set -- 1 2 3; for i; do echo -n "$i "; done; echo; while [ $# -gt 0 ]; do shift; done; echo $#; shift 2>/dev/null; echo $?; echo -e 'a\nb'; echo -n no; echo; echo -- -x
(exit 3) || echo $?; (set -e; false; echo no); echo $?; (set -e; if false; then :; fi; echo yes); x=$(exit 5); echo $?; if ! x=$(false); then echo failed; fi; false; x=$?; echo $x; sh -c 'syntax (' 2>/dev/null; echo $?; sh -n -c 'echo x'; echo $?; echo 'echo from stdin; exit 6' | sh; echo $?; echo 'echo $1' | sh -s arg
w=; for i in 1 2 3 4 5 6 7 8 9 10; do w=$w$i,; done; echo ${w%,}; i=0; s=; while [ $i -lt 500 ]; do s=${s}x; i=$((i + 1)); done; echo ${#s}; cat <<E
$(for i in 1 2; do echo "line $i"; done)
${w:-x} \$escaped `echo tick` "quotes"
E
trap 'echo "line err"' ERR 2>/dev/null; times | wc -l; hash -r; ulimit -c 0; ulimit -c; umask 022; type f 2>&1 | wc -l; jobs; sleep 1 & jobs | wc -l; kill $!; wait 2>/dev/null; exit 3

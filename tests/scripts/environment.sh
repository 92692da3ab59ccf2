# Variables, the environment of programs, arguments, options.
env | sort; A=1; sh -c 'echo "[$A]"'; export A; sh -c 'echo "[$A]"'; B=2 sh -c 'echo "[$B]"'; echo "[$B]"; unset A; sh -c 'echo "[${A-unset}]"'; env -i X=y env; env -u HOME sh -c 'echo "[$HOME]"'; env A=b B=c sh -c 'echo $A$B'
E='a b'; export E; sh -c 'echo "$E"'; export F="multi
line"; sh -c 'echo "$F"'; tr '\0' '\n' </proc/self/environ | grep -c .; env -i P=q cat /proc/self/environ | tr '\0' '\n'; env -i sh -c 'echo $PATH' | wc -w
readonly R=1; (R=2) 2>/dev/null; echo $?; (unset R) 2>/dev/null; echo $?; set -- a 'b c' d; echo $# "$2" "$*"; shift; echo "$1"; for w in "$@"; do echo "<$w>"; done; IFS=:; set -- $(echo 1:2:3); echo "$2 $#"; echo "$*"; unset IFS; set --; echo $#
PATH=/none; ls 2>/dev/null; echo $?; PATH=/bin; mkdir bin; printf '#!/bin/sh\necho mine\n' >bin/ls; chmod +x bin/ls; PATH=$PWD/bin:$PATH; ls; PATH=/bin; command -v ls; PATH=:/bin; cp bin/ls lss; lss; PATH=/bin
echo ${X:-default} ${X-default}; X=; echo "[${X:-default}]" "[${X-default}]"; echo ${Y:=assigned} $Y; echo ${Z:+alternative}.; (echo ${Q:?message}) 2>&1 | sed 's/.*: //'; echo $?; X=path/to/file.tar.gz; echo ${X#*/} ${X##*/} ${X%.*} ${X%%.*} ${#X}; echo ${X/file/other} ${X//t/T} ${X:5:2}
opts() { OPTIND=1; while getopts ab:c o; do case $o in a) echo a;; b) echo "b=$OPTARG";; \?) echo bad;; *) echo "other $o";; esac; done; shift $((OPTIND - 1)); echo "rest $*"; }; opts -a -b value x y; opts -ab v -- -c; opts -z 2>/dev/null; opts -b 2>/dev/null
f() { local v=inner; echo $v $1; g; }; g() { echo "g sees $v"; }; v=outer; f arg; echo $v; f() { echo $#; set -- 1 2 3; echo $#; }; f a; echo $#; set -u; (echo $undefined) 2>/dev/null; echo $?; set +u; (set -e; false; echo no); echo $?
set -x; echo traced; set +x; set -f; echo *; set +f; set -n 2>/dev/null; echo nothing is run
set +n

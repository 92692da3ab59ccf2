# Tools for text.
printf 'pear 3\napple 10\nfig 2\napple 10\n' >t; sort t; sort -u t; sort -k2n t; sort -rk1 t; sort -t' ' -k2,2nr -k1 t; uniq t; sort t | uniq -c; sort t | uniq -d; sort -c t; echo $?; sort -n <<E
10
9
-1
E
cut -d' ' -f2 t; cut -c1-3 t; cut -c2- t | head -n 1; tr a-z A-Z <t | head -n 1; tr -d aeiou <t | head -n 1; tr -s p <t | sed -n 2p; echo hello | tr -c 'l\n' .; rev t | head -n 1; tac t | head -n 1; nl t; nl -ba t | tail -n 1; wc t; wc -w t; fold -w 4 t | head -n 3; printf '\tx\n' | expand | cat -A
paste t t | head -n 1; paste -d, - - <t; paste -s -d: t; printf 'a\nb\n' >c1; printf 'b\nc\n' >c2; diff c1 c2; echo $?; diff -u c1 c2 | tail -n +3; cmp c1 c2; diff -q c1 c2; diff c1 c1; echo $?
grep apple t; grep -c apple t; grep -v apple t; grep -n fig t; grep -i FIG t; grep -E '^(pear|fig)' t; grep -o '[0-9]*' t; grep -w 1 t; echo $?; grep -l fig t c1; grep -q none t; echo $?; grep x none; echo $?; grep -r b c1 c2; grep -A1 -B1 fig t; grep -F . t; echo $?; grep -x 'fig 2' t; grep -e a -e f t | wc -l; printf 'a.b\naxb\n' | grep -F a.b; egrep -c 'p{2}' t
sed 's/p/P/' t; sed 's/p/P/g; s/ .*//' t | head -n 2; sed -n '2p;$p' t; sed 1d t | head -n 1; sed '/fig/d' t | wc -l; sed -E 's/(.*) (.*)/\2 \1/' t | head -n 1; sed '2i\inserted' t | sed -n 2p; sed '$a\last' t | tail -n 1; sed 'y/abc/xyz/' t | head -n 1; sed -n '/pear/,/fig/p' t; sed = c1; sed -e 'N;s/\n/+/' c1; sed 's/a/&&/' c1 | head -n 1; sed ':a;N;$!ba;s/\n/,/g' t; sed -i 's/pear/plum/' t; head -n 1 t; sed '2q' t; sed -n '$=' t; echo a.b | sed 's/\./\//'; sed 's/x/y/w out' <<E
x
E
cat out; sed '1~2d' t; sed --posix 's/a/b/' c1 2>/dev/null | head -n 1; printf 'tab\tend\n' | sed -n l
awk '{print $2, $1}' t; awk '/apple/ {n++} END {print n}' t; awk -F: '{print $1 $3}' /etc/passwd; awk '{s += $2} END {print s, NR}' t; awk 'NR==2' t; awk '{a[$1] += $2} END {for (k in a) print k, a[k]}' t | sort; awk 'BEGIN {printf "%s %d\n", "x", 3; print length("abc"), substr("hello", 2, 3), index("hello", "l"), toupper("x"), split("a,b,c", p, ","), p[2]}'; awk -v v=5 'BEGIN {print v * 2; while (i < 3) i++; print i; if (match("foobar", "o+")) print RSTART, RLENGTH; gsub("a", "b", s); x = "aaa"; print gsub("a", "b", x), x}'; awk 'function f(n) {return n <= 1 ? 1 : n * f(n - 1)} BEGIN {print f(10)}'; awk 'BEGIN {while (("echo cmd" | getline l) > 0) print l; system("echo sys"); print "piped" | "cat"; close("cat"); "date +%s" | getline d; print (d > 0)}'; awk '{ $2 = "x"; print; NF = 1; print }' OFS=- t | head -n 2; awk 'BEGIN {print substr("x", 0), -3 % 2, "a" < "b", 10 < 9, "10" < "9"; print > "awkout"}' && cat awkout; awk 'END {exit 3}' t; echo $?
head -n 2 t; head -n -1 t | wc -l; tail -n 1 t; tail -n +2 t | head -n 1; head -c 4 t; echo; tail -c 3 t; strings -n 4 /bin/busybox | head -n 1 | wc -l; od -An -tx1 -N 4 t; od -c c1; hexdump -C c1; xxd c1; xxd -p c1; base64 c1; base64 -d <<E
aGVsbG8=
E
echo; cksum c1; md5sum c1; sha1sum c1; sha256sum c1 | cut -c1-16; sha512sum c1 | cut -c1-16; crc32 c1 2>/dev/null; printf 'a\r\nb\r\n' | dos2unix | od -An -c; unix2dos <c1 | od -An -c; cat -n c1; cat -e c1; cat -v <<E
E
printf '\001\377' | cat -v; echo; echo "a  b" | tr -s ' '; shuf -e x 2>/dev/null; printf 'x\ny\n' | shuf | sort; ed -s c1 <<E
1p
a
added
.
w
q
E
cat c1; printf -- '--- c2\n+++ c2\n@@ -1,2 +1,2 @@\n b\n-c\n+d\n' | patch c2; cat c2; echo "$(printf 'u\303\274')" | wc -m

# needs: c-glibc-static c-glibc-static-pie c-musl-static
# A program in C with three libraries.
c-glibc-static; echo $?; c-glibc-static-pie; echo $?; c-musl-static; echo $?; c-glibc-static abort 2>/dev/null; echo $?; c-musl-static abort 2>/dev/null; echo $?

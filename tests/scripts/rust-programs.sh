# needs: rust-glibc-static-pie rust-musl-static-pie
# A program in Rust with its standard library: threads, channels, processes, files, time.
rust-glibc-static-pie; echo $?; rust-musl-static-pie; echo $?; rust-glibc-static-pie abort 2>/dev/null; echo $?; rust-musl-static-pie panic 2>/dev/null; echo $?

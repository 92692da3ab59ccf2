# What the probe sees of its surroundings, where both sides must agree.
probe facts args cwd uid gid groups umask hostname env root-readonly; probe facts pgid sid | cut -d, -f1; probe exit 7; echo $?; probe kill 15; echo $?; probe fault read-null; echo $?; probe none 2>/dev/null; echo $?

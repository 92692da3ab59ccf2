//! Help and version.

const OVERVIEW: &str = "\
usage: oci [options] command [options] [arguments]

Runs OCI bundles as containers of the kernel, with the command line of runc.

commands:
   create ID           build a container from a bundle
   start ID            run the program of a created container
   run ID              create, start, wait, delete
   state ID            print the container's state as JSON
   kill ID [SIGNAL]    send a signal to the container's init (default TERM)
   delete ID           remove a container
   list                print the containers
   pause ID            freeze everything in a container
   resume ID           let a paused container go on
   update ID           change a container's limits
   ps ID               print the processes of a container
   events ID           print what a container uses
   plan [BUNDLE]       print what create, start and delete would do
   spec                write a config.json
   help [COMMAND]      print this, or the options of a command

options:
   --log FILE          append log lines to FILE (default: standard error)
   --log-format FORM   text or json (default: text)
   --debug             log what is done
   --root DIR          accepted; the kernel keeps the state, ids are unique in it
   --version, -v       print the version
   --help, -h          print this

A bundle holds config.json, or config.kv: the configuration in the kernel's own key=value
language, which is used as it is and takes precedence.
";

/// Options by command.
const COMMANDS: &[(&str, &str)] = &[
    ("create", CREATE),
    (
        "run",
        "\
usage: oci run [options] ID

   --bundle, -b DIR    the bundle (default: the current directory)
   --detach, -d        return as soon as the program runs
   --keep              do not delete the container when it has stopped
   --pid-file FILE     write the pid of the container's init to FILE

In the foreground signals are handed on to the container; the exit code is that of its program,
or 128 and the number of the signal that ended it.
",
    ),
    ("start", "usage: oci start ID\n"),
    ("state", "usage: oci state ID\n"),
    (
        "kill",
        "\
usage: oci kill [--all] ID [SIGNAL]

SIGNAL is a number or a name in any case, with or without SIG (default: TERM).

   --all, -a           a stopped container is not an error
",
    ),
    (
        "delete",
        "\
usage: oci delete [--force] ID

   --force, -f         kill the container first; a missing one is not an error

A created container is killed and deleted, unless the environment has BERTH_STRICT=1.
",
    ),
    (
        "list",
        "\
usage: oci list [options]

   --format, -f FORM   table or json (default: table)
   --quiet, -q         print only ids
",
    ),
    (
        "pause",
        "\
usage: oci pause ID

Nothing in the container runs until it is resumed, but it can be killed. Its status is \"paused\".
",
    ),
    ("resume", "usage: oci resume ID\n"),
    (
        "update",
        "\
usage: oci update [options] ID

   --resources, -r FILE      take the changes from FILE (- is the standard input): JSON as in
                             linux.resources of config.json; other options do not count then
   --memory SIZE             most memory; as in 64M, -1 for no limit
   --memory-reservation SIZE memory that is kept for it
   --memory-swap SIZE        memory and swap together; there is no swap, so it is that of --memory
   --cpu-quota TIME          microseconds of CPU time a period; -1 for no limit
   --cpu-period TIME         length of a period in microseconds
   --cpu-burst TIME          microseconds of unused quota that may be used later
   --cpu-share NUMBER        weight, 2 to 262144; also --cpu-shares
   --cpu-idle NUMBER         1: run only when nothing else wants to
   --cpuset-cpus LIST        CPUs; there is only 0
   --cpuset-mems LIST        memory nodes; there is only 0
   --pids-limit NUMBER       most tasks; -1 for no limit, 0 counts as 1

All of them are set, or none. With BERTH_STRICT=1 in the environment a limit of 0 tasks is one.
",
    ),
    (
        "ps",
        "\
usage: oci ps [--format FORM] ID [OPTIONS OF PS]

   --format, -f FORM   table or json (default: table)

Runs ps(1), with -ef unless options are given, and prints the lines about the container's
processes; or their numbers as JSON.
",
    ),
    (
        "events",
        "\
usage: oci events [options] ID

   --interval TIME     how long from one time to the next, as in 500ms (default: 5s)
   --stats             print once, and end

Each line is JSON as runc prints it: type \"stats\", or \"oom\" for each process that was killed
because the container's memory ran out. Ends when the container has stopped.
",
    ),
    (
        "plan",
        "\
usage: oci plan [options] [BUNDLE]

   --explain           with the requirements that each step fulfils, and what undoes it
   --format, -f FORM   text or json (default: text)

BUNDLE is a directory (default: the current one). Nothing is done. At the end comes every value
that would be refused; the exit code is 0 if there is none, else 1.
",
    ),
    (
        "spec",
        "\
usage: oci spec [--bundle DIR]

   --bundle, -b DIR    where to write config.json (default: the current directory)
",
    ),
];

const CREATE: &str = "\
usage: oci create [options] ID

   --bundle, -b DIR    the bundle (default: the current directory)
   --pid-file FILE     write the pid of the container's init to FILE

The standard streams of this program become those of the container.
";

/// Help in general, or for one command.
///
/// # Errors
/// There is no such command.
pub fn text(topic: Option<&str>) -> Result<String, String> {
    let Some(topic) = topic else {
        return Ok(OVERVIEW.to_owned());
    };
    let found = COMMANDS.iter().find(|(name, _)| *name == topic);
    found
        .map(|(_, text)| (*text).to_owned())
        .ok_or_else(|| format!("no help topic for {topic:?}"))
}

/// The version of the program and of the specification.
#[must_use]
pub fn version() -> String {
    format!("oci version {}\nspec: 1.3.0\n", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_help() {
        for (name, text) in COMMANDS {
            assert!(OVERVIEW.contains(&format!("\n   {name} ")), "{name}");
            assert!(text.starts_with(&format!("usage: oci {name}")), "{name}");
        }
        assert!(text(Some("frob")).is_err());
        assert!(version().starts_with("oci version 0."));
    }
}

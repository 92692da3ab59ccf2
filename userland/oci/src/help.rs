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
        "events",
        "\
usage: oci events [options] ID

   --interval TIME     how long from one time to the next, as in 500ms (default: 5s)
   --stats             print once, and end

Each line is JSON as runc prints it: type \"stats\", or \"oom\" when processes were killed because
the container's memory ran out. Ends when the container has stopped.
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

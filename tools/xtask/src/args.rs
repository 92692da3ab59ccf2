//! The command line of `cargo xtask`.

use lexopt::prelude::*;
use std::ffi::OsString;
use std::path::PathBuf;

/// What `cargo xtask help` prints.
pub const USAGE: &str = "\
usage: cargo xtask COMMAND

  setup                    find or install what a build and a boot need
  build                    build the kernel, the programs and the initramfs
  test                     test-host, then test-qemu
  test-host                the tests that need no emulator
  test-qemu [FILTER]       the tests that boot the kernel; FILTER is part of a name
  test-oracle [--bless]    compare scripts and cases with this machine's Linux, as root; --bless writes down what it says
  check                    what CI runs: formatting, lints, tidy, documentation, all tests
  payload NAME             fetch or build a program of others for the guest, and print its path
  tidy [--bless]           check layers, lints, texts and generated documents; --bless rewrites the latter
  run [OPTION]... [-- CMD [ARG]...]
                           boot in QEMU; without CMD, show the demo and then, at a terminal, a
                           shell (Ctrl-] ends the machine); with CMD, run it in the guest and exit with its code
                           (128 + n: killed by signal n; 125: the machine failed)

options of run:
  -t, --tty                CMD talks to the person at this terminal, as the demo and the shell do
  --bundle NAME=DIR        put the host directory DIR at /bundles/NAME
  --bundle demo            put the demo bundle at /bundles/demo
  --rootfs NAME            give the bundle NAME a root file system with busybox and probe
  --file GUEST=HOST        put the host file HOST at the guest path GUEST
  --env NAME=VALUE         environment of CMD
  --mem SIZE               memory, such as 256M (default)
  --append WORDS           kernel parameters, such as loglevel=debug
  --icount                 count instructions: the same figures in every run
  --timeout SECONDS        give up after that (default 120; at a terminal never)
  --log-dir DIR            where logs go (default: a new directory in target/qemu)
  --no-build               boot what the last build left";

/// A parsed command line.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Print the usage.
    Help,
    /// Install what is missing.
    Setup,
    /// Build everything that boots.
    Build,
    /// Run all tests.
    Test,
    /// Run the tests that need no emulator.
    TestHost,
    /// Run the tests that boot, those whose name contains the filter.
    TestQemu(Option<String>),
    /// Compare with Linux; with `true`, write down what it says.
    TestOracle(bool),
    /// Run all checks.
    Check,
    /// Check the sources; with `true`, write the generated documents first.
    Tidy(bool),
    /// Have a program of others for the guest.
    Payload(String),
    /// Boot.
    Run(RunOptions),
}

/// The options of `run`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOptions {
    /// Bundles: (name, host directory); `None` stands for the built-in demo bundle.
    pub bundles: Vec<(String, Option<PathBuf>)>,
    /// Bundles that get the built-in root file system.
    pub rootfs: Vec<String>,
    /// Files: (guest path, host path).
    pub files: Vec<(String, PathBuf)>,
    /// Environment of the command, `NAME=VALUE`.
    pub env: Vec<OsString>,
    /// Memory size as QEMU takes it.
    pub memory: String,
    /// Kernel parameters.
    pub append: Vec<String>,
    /// Whether guest time counts instructions.
    pub icount: bool,
    /// Seconds until we give up, if the caller says.
    pub timeout: Option<u64>,
    /// Where logs go.
    pub log_dir: Option<PathBuf>,
    /// Whether to build first.
    pub build: bool,
    /// Whether the command shall talk to the person at our terminal.
    pub tty: bool,
    /// The command and its arguments; empty for the demo.
    pub command: Vec<OsString>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            bundles: Vec::new(),
            rootfs: Vec::new(),
            files: Vec::new(),
            env: Vec::new(),
            memory: String::from("256M"),
            append: Vec::new(),
            icount: false,
            timeout: None,
            log_dir: None,
            build: true,
            tty: false,
            command: Vec::new(),
        }
    }
}

/// Parses the arguments after the program's name.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(args);
    let command = match parser.next()? {
        None | Some(Long("help") | Short('h')) => return Ok(Command::Help),
        Some(Value(word)) => word.string()?,
        Some(other) => return Err(other.unexpected()),
    };
    match command.as_str() {
        "help" => Ok(Command::Help),
        "setup" => alone(parser, Command::Setup),
        "build" => alone(parser, Command::Build),
        "test" => alone(parser, Command::Test),
        "test-host" => alone(parser, Command::TestHost),
        "test-qemu" => parse_filter(parser),
        "check" => alone(parser, Command::Check),
        "test-oracle" => parse_bless(parser).map(Command::TestOracle),
        "tidy" => parse_bless(parser).map(Command::Tidy),
        "payload" => parse_payload(parser),
        "run" => parse_run(parser).map(Command::Run),
        _ => Err(format!("unknown command {command:?}").into()),
    }
}

/// A command that takes nothing.
fn alone(mut parser: lexopt::Parser, command: Command) -> Result<Command, lexopt::Error> {
    match parser.next()? {
        None => Ok(command),
        Some(other) => Err(other.unexpected()),
    }
}

fn parse_filter(mut parser: lexopt::Parser) -> Result<Command, lexopt::Error> {
    match parser.next()? {
        None => Ok(Command::TestQemu(None)),
        Some(Value(filter)) => alone(parser, Command::TestQemu(Some(filter.string()?))),
        Some(other) => Err(other.unexpected()),
    }
}

fn parse_payload(mut parser: lexopt::Parser) -> Result<Command, lexopt::Error> {
    match parser.next()? {
        Some(Value(name)) => alone(parser, Command::Payload(name.string()?)),
        Some(other) => Err(other.unexpected()),
        None => Err("which payload?".into()),
    }
}

fn parse_bless(mut parser: lexopt::Parser) -> Result<bool, lexopt::Error> {
    match parser.next()? {
        None => Ok(false),
        Some(Long("bless")) => match parser.next()? {
            None => Ok(true),
            Some(other) => Err(other.unexpected()),
        },
        Some(other) => Err(other.unexpected()),
    }
}

fn parse_run(mut parser: lexopt::Parser) -> Result<RunOptions, lexopt::Error> {
    let mut options = RunOptions::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("bundle") => options.bundles.push(bundle(&parser.value()?.string()?)?),
            Long("rootfs") => options.rootfs.push(bundle_name(parser.value()?.string()?)?),
            Long("file") => {
                let (guest, host) = pair(&parser.value()?.string()?, "GUEST=HOST")?;
                options.files.push((guest, PathBuf::from(host)));
            }
            Long("env") => {
                let text = parser.value()?.string()?;
                pair(&text, "NAME=VALUE")?;
                options.env.push(OsString::from(text));
            }
            Long("mem") => options.memory = memory(parser.value()?.string()?)?,
            Long("append") => options.append.push(parser.value()?.string()?),
            Long("icount") => options.icount = true,
            Long("timeout") => options.timeout = Some(parser.value()?.parse()?),
            Long("log-dir") => options.log_dir = Some(PathBuf::from(parser.value()?)),
            Long("no-build") => options.build = false,
            Long("tty") | Short('t') => options.tty = true,
            Value(program) => {
                options.command.push(program);
                // All that follows is the command's, dashes or not.
                options.command.extend(parser.raw_args()?);
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(options)
}

fn bundle(text: &str) -> Result<(String, Option<PathBuf>), lexopt::Error> {
    if text == "demo" {
        return Ok((text.to_owned(), None));
    }
    let (name, dir) = pair(text, "NAME=DIR")?;
    Ok((bundle_name(name)?, Some(PathBuf::from(dir))))
}

fn bundle_name(name: String) -> Result<String, lexopt::Error> {
    if name.is_empty() || name.contains('/') {
        return Err(format!("not the name of a bundle: {name:?}").into());
    }
    Ok(name)
}

/// Splits at the first `=`; neither half may be empty, except the value of a variable.
fn pair(text: &str, form: &str) -> Result<(String, String), lexopt::Error> {
    match text.split_once('=') {
        Some((left, right)) if !left.is_empty() && (!right.is_empty() || form == "NAME=VALUE") => {
            Ok((left.to_owned(), right.to_owned()))
        }
        _ => Err(format!("{text:?} is not {form}").into()),
    }
}

/// A size such as `256M`: digits and one unit, so that a bare number is never taken as MiB by accident.
fn memory(text: String) -> Result<String, lexopt::Error> {
    let digits = text.strip_suffix(['K', 'M', 'G']).unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{text:?} is not a size such as 256M").into());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, lexopt::Error> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn run(line: &str) -> RunOptions {
        match parsed(line).unwrap() {
            Command::Run(options) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn everything_after_the_command_belongs_to_it() {
        let options = run("run --mem 64M -- sh -c x --mem -- y");
        assert_eq!(options.memory, "64M");
        assert_eq!(options.command, ["sh", "-c", "x", "--mem", "--", "y"]);
        assert_eq!(run("run true --help").command, ["true", "--help"]);
        let options = run("run -t vi -t");
        assert!(options.tty && options.command == ["vi", "-t"]);
    }

    #[test]
    fn lists_repeat_and_keep_their_order() {
        let options =
            run("run --bundle a=/x --bundle demo --file /f=h=1 --env A= --append b=2 --append c");
        let bundles = [
            ("a".to_owned(), Some(PathBuf::from("/x"))),
            ("demo".to_owned(), None),
        ];
        assert_eq!(options.bundles, bundles);
        assert_eq!(options.files, [("/f".to_owned(), PathBuf::from("h=1"))]);
        assert_eq!(options.env, ["A="]);
        assert_eq!(options.append, ["b=2", "c"]);
        assert!(options.build && options.command.is_empty());
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for line in [
            "nonsense",
            "build x",
            "run --nonsense",
            "run --mem 64",
            "run --mem M",
            "run --mem 1xG",
            "run --bundle x",
            "run --bundle a/b=c",
            "run --file =x",
            "run --rootfs a/b",
            "test-host x",
            "test-qemu a b",
            "payload",
            "payload a b",
            "tidy --nonsense",
            "test-oracle --bless x",
            "run --env =x",
            "run --timeout soon",
            "--quiet",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
        assert_eq!(parsed("").unwrap(), Command::Help);
    }
}

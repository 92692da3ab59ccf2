//! Facts about the world a program sees, and programs that test it from inside. Runs on Linux, too,
//! so that its expectations can be compared.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod abi;
mod audit;
mod confined;
mod cycle;
mod eat;
mod elf;
mod facts;
mod fault;
mod ipc;
mod pages;
mod small;
mod tap;
mod wild;

use std::process::ExitCode;

const USAGE: &str = "\
usage: probe COMMAND

  facts [NAME]...        what is seen from here, one JSON object a line
  exit CODE              exit with CODE
  kill SIGNAL            send the signal with that number to itself
  hold [CODE]            wait for SIGTERM or SIGINT, then exit with CODE (default 0)
  fault KIND             do what no program may do; the kernel ends it with a signal
  fault all              every kind in a child, as TAP
  eat KIND               take KIND for ever: memory, page-tables, areas, bytes, inodes, pipes,
                         sockets, events or tasks; exits with 3 once the kernel says no
  pages GROUP COUNT      takes COUNT pages of each kind in its control group, whose directory is
                         GROUP, and prints what memory.stat tells of them
  abi NAME|all           behaviour of the kernel's calls, as TAP
  abi list               the names
  confined PID...        what a program in a container can do to the outside, where those processes
                         are, one way to try a line
  ipc make|find|drop|hold KEY
                         makes shared memory and a message queue, tells whether it finds them, removes
                         them; or makes them and waits for SIGTERM
  wild --seed N --count M
                         so many system calls with wild arguments, as TAP
  cycle N                a container's life N times: nothing may be left over, as TAP
  icount-cycle           what one such life costs, on the control channel
  audit                  the kernel's counts of its objects, as JSON
  audit -- CMD [ARG]...  runs CMD twice; fails when the second run leaves anything behind
  make-true FILE         writes the smallest program that exits with 0
";

/// A command that failed: its exit code, and what to say.
struct Failure(u8, String);

type Done = Result<(), Failure>;

/// Failed for this reason.
fn failed(text: impl Into<String>) -> Failure {
    Failure(1, text.into())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(code, text)) => {
            if !text.is_empty() {
                eprintln!("probe: {text}");
            }
            ExitCode::from(code)
        }
    }
}

fn run(words: &[&str]) -> Done {
    match words {
        ["facts", names @ ..] => facts::print(names),
        ["exit", code] => Err(Failure(number(code)?, String::new())),
        ["kill", signal] => small::kill(number(signal)?),
        ["hold"] => small::hold(0),
        ["hold", code] => small::hold(number(code)?),
        ["fault", "all"] => fault::all(),
        ["fault", kind] => fault::one(kind),
        ["eat", kind] => eat::forever(kind),
        ["pages", group, count] => pages::counted(group, usize::from(number::<u16>(count)?)),
        ["abi", name] => abi::run(name),
        // For cases of abi that run another program.
        ["after-exec"] => Err(Failure(abi::after_exec() as u8, String::new())),
        ["exit-by-tid", number] => {
            let code = abi::exit_by_tid(number.parse().unwrap_or(0));
            Err(Failure(code as u8, String::new()))
        }
        ["ipc", verb, key] => ipc::run(verb, number(key)?),
        ["wild", "--seed", seed, "--count", count] => wild::run(number(seed)?, number(count)?),
        ["cycle", count] => cycle::repeat(number(count)?),
        ["icount-cycle"] => cycle::measure(),
        ["confined", pids @ ..] => confined::print(pids),
        ["audit"] => audit::print(),
        ["audit", "--", command @ ..] if !command.is_empty() => audit::command(command),
        ["make-true", path] => small::make_true(path),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(Failure(2, format!("not understood\n{USAGE}"))),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, Failure> {
    text.parse()
        .map_err(|_| Failure(2, format!("{text:?} is not a number that fits")))
}

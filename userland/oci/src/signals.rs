//! Signals by name.

/// The names of signals 1 to 31 on x86-64, without SIG (signal(7)).
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// Second names.
const ALIASES: [(&str, u32); 4] = [("IOT", 6), ("CLD", 17), ("POLL", 29), ("UNUSED", 31)];

/// The last signal, SIGRTMAX.
const LAST: u32 = 64;

/// SIGTERM, the signal of a `kill` that names none.
pub const TERM: u32 = 15;

/// What `oci run` hands on to the container: everything that a user or a supervisor sends to stop,
/// continue or inform a program.
pub const FORWARDED: [i32; 9] = [1, 2, 3, 10, 12, 14, 15, 18, 28];

/// The signal named `text`: a number, or a name in any case, with or without `SIG`.
///
/// # Errors
/// Says what is not a signal.
pub fn parse(text: &str) -> Result<u32, String> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let number = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        by_name(name)
    };
    // 0 only asks whether there is a process, which `state` answers.
    let known = number.filter(|number| (1..=LAST).contains(number));
    known.ok_or_else(|| format!("unknown signal {text:?}"))
}

fn by_name(name: &str) -> Option<u32> {
    if let Some(number) = (1u32..).zip(NAMES).find(|(_, known)| *known == name) {
        return Some(number.0);
    }
    ALIASES
        .iter()
        .find(|(alias, _)| *alias == name)
        .map(|(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for (text, number) in [
            ("TERM", 15),
            ("SIGTERM", 15),
            ("sigkill", 9),
            ("Kill", 9),
            ("9", 9),
            ("64", 64),
            ("hup", 1),
            ("SYS", 31),
            ("iot", 6),
            ("winch", 28),
            ("chld", 17),
            ("cont", 18),
        ] {
            assert_eq!(parse(text), Ok(number), "{text}");
        }
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for text in [
            "",
            "0",
            "65",
            "-9",
            "+9",
            "SIG",
            "SIGSIGTERM",
            "foo",
            "99999999999",
            "9x",
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error, format!("unknown signal {text:?}"));
        }
    }
}

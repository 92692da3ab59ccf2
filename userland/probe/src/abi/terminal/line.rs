//! The line: editing, echo, modes, output.

use rustix::event::PollFlags;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::{Errno, ioctl_fionread, read, write};
use rustix::termios::{
    Action, InputModes, LocalModes, OptionalActions, OutputModes, QueueSelector, SpecialCodeIndex,
    Termios, tcflow, tcflush, tcgetattr, tcsetattr,
};

use super::super::fails;
use super::{Case, Pair, Told, Verdict, check, readiness, ready, same, text};

/// Tabs become spaces; not every C library names it.
const TAB3: u32 = 0x1800;

pub const CASES: &[Case] = &[
    ("terminal/talks", talks),
    ("terminal/line-is-edited", || {
        edits(|_| {}, b"abx\x7fc\n", b"abc\n", b"abx\x08 \x08c\r\n")
    }),
    ("terminal/echo-off", || {
        edits(
            |t| t.local_modes.remove(LocalModes::ECHO),
            b"ab\x7fc\n",
            b"ac\n",
            b"",
        )
    }),
    ("terminal/newline-alone-is-shown", || {
        let only = |t: &mut Termios| {
            t.local_modes.remove(LocalModes::ECHO);
            t.local_modes.insert(LocalModes::ECHONL);
        };
        edits(only, b"ab\n", b"ab\n", b"\r\n")
    }),
    ("terminal/kill-a-line", || {
        edits(
            |_| {},
            b"ab\x15cd\n",
            b"cd\n",
            b"ab\x08 \x08\x08 \x08cd\r\n",
        )
    }),
    ("terminal/kill-without-wiping", || {
        let plain = |t: &mut Termios| t.local_modes.remove(LocalModes::ECHOKE);
        edits(plain, b"ab\x15c\n", b"c\n", b"ab^U\r\nc\r\n")
    }),
    ("terminal/erase-a-word", || {
        edits(
            |_| {},
            b"a bc\x17d\n",
            b"a d\n",
            b"a bc\x08 \x08\x08 \x08d\r\n",
        )
    }),
    ("terminal/erase-a-tab", || {
        edits(
            |_| {},
            b"ab\t\x7fc\n",
            b"abc\n",
            b"ab\t\x08\x08\x08\x08\x08\x08c\r\n",
        )
    }),
    ("terminal/erase-a-wide-character", || {
        let wide = |t: &mut Termios| t.input_modes.insert(InputModes::IUTF8);
        edits(
            wide,
            b"a\xc3\xb6\x7fb\n",
            b"ab\n",
            b"a\xc3\xb6\x08 \x08b\r\n",
        )
    }),
    ("terminal/control-characters-show", || {
        edits(
            |_| {},
            b"\x01\x7f\x02\n",
            b"\x02\n",
            b"^A\x08 \x08\x08 \x08^B\r\n",
        )
    }),
    ("terminal/literal-next", || {
        edits(|_| {}, b"a\x16\x04\n", b"a\x04\n", b"a^\x08^D\r\n")
    }),
    ("terminal/reprint", || {
        edits(|_| {}, b"ab\x12c\n", b"abc\n", b"ab^R\r\nabc\r\n")
    }),
    ("terminal/carriage-returns", || {
        edits(|_| {}, b"a\r", b"a\n", b"a\r\n")?;
        let none = |t: &mut Termios| t.input_modes.insert(InputModes::IGNCR);
        edits(none, b"a\rb\n", b"ab\n", b"ab\r\n")
    }),
    ("terminal/other-ends-of-lines", || {
        let ends = |t: &mut Termios| {
            t.special_codes[SpecialCodeIndex::VEOL] = b';';
            t.special_codes[SpecialCodeIndex::VEOL2] = b'/';
        };
        edits(ends, b"a;", b"a;", b"a;")?;
        edits(ends, b"b/", b"b/", b"b/")
    }),
    ("terminal/end-of-file", end_of_file),
    ("terminal/one-line-a-read", one_line_a_read),
    ("terminal/long-lines-are-cut", long_lines_are_cut),
    ("terminal/raw-bytes", raw_bytes),
    ("terminal/least-and-time", least_and_time),
    ("terminal/not-blocking", not_blocking),
    (
        "terminal/modes-change-under-input",
        modes_change_under_input,
    ),
    ("terminal/output-is-processed", output_is_processed),
    ("terminal/stop-and-start", stop_and_start),
    ("terminal/flow", flow),
    ("terminal/flush", flush),
    ("terminal/waiting-bytes", waiting_bytes),
];

fn talks() -> Verdict {
    let pair = Pair::new()?;
    super::put(&pair.line, b"a\nb")?;
    pair.shows(b"a\r\nb")?;
    pair.types(b"c\n")?;
    pair.shows(b"c\r\n")?;
    pair.reads(b"c\n")
}

/// With changed settings, typing `keys` shows `shown` and is read as `line`.
fn edits(change: impl FnOnce(&mut Termios), keys: &[u8], line: &[u8], shown: &[u8]) -> Verdict {
    let pair = Pair::with(change)?;
    pair.types(keys)?;
    pair.shows(shown)?;
    pair.reads(line)
}

fn end_of_file() -> Verdict {
    let pair = Pair::quiet()?;
    pair.types(b"\x04")?;
    pair.reads(b"")?;
    pair.types(b"ab\x04")?;
    pair.reads(b"ab")?;
    pair.types(b"c\n")?;
    pair.reads(b"c\n")
}

fn one_line_a_read() -> Verdict {
    let pair = Pair::quiet()?;
    pair.types(b"abc\nd\n")?;
    ready(&pair.line)?;
    let mut two = [0; 2];
    same("bytes", read(&pair.line, &mut two).told("read")?, 2)?;
    text("piece", &two, b"ab")?;
    pair.reads(b"c\n")?;
    pair.reads(b"d\n")
}

fn long_lines_are_cut() -> Verdict {
    let pair = Pair::quiet()?;
    for _ in 0..50 {
        pair.types(&[b'x'; 100])?;
    }
    pair.types(b"\n")?;
    let mut wanted = [b'x'; 4096];
    wanted[4095] = b'\n';
    pair.reads(&wanted)
}

fn raw_bytes() -> Verdict {
    let pair = Pair::raw()?;
    pair.types(b"a\r\n\x03\x04\x7f")?;
    let mut found = Vec::new();
    while found.len() < 6 {
        ready(&pair.line)?;
        let mut buffer = [0; 16];
        let count = read(&pair.line, &mut buffer).told("read")?;
        found.extend_from_slice(&buffer[..count]);
    }
    text("read", &found, b"a\r\n\x03\x04\x7f")?;
    super::put(&pair.line, b"b\n")?;
    pair.shows(b"b\n")
}

fn least_and_time() -> Verdict {
    let pair = Pair::raw()?;
    let set = |least, time| {
        pair.change(|t| {
            t.special_codes[SpecialCodeIndex::VMIN] = least;
            t.special_codes[SpecialCodeIndex::VTIME] = time;
        })
    };
    set(0, 0)?;
    pair.reads_now(b"")?;
    set(0, 1)?;
    pair.reads_now(b"")?;
    set(3, 0)?;
    pair.types(b"ab")?;
    let two = || ioctl_fionread(&pair.line).told("FIONREAD");
    wait_for(|| Ok(two()? == 2))?;
    check(!readiness(&pair.line)?.contains(PollFlags::IN), || {
        "two of three are enough".to_owned()
    })?;
    pair.types(b"c")?;
    pair.reads(b"abc")?;
    // The time begins with the first byte.
    set(9, 1)?;
    pair.types(b"de")?;
    pair.reads_now(b"de")
}

impl Pair {
    /// A read from the line gives this, ready or not.
    fn reads_now(&self, wanted: &[u8]) -> Verdict {
        let mut buffer = [0; 64];
        let count = read(&self.line, &mut buffer).told("read")?;
        text("read", &buffer[..count], wanted)
    }
}

/// Looks again and again until something is so.
pub(super) fn wait_for(mut is_so: impl FnMut() -> Result<bool, String>) -> Verdict {
    for _ in 0..4000 {
        if is_so()? {
            return Ok(());
        }
        berth_sys::audit::pause_ms(5);
    }
    Err("it never happens".to_owned())
}

fn not_blocking() -> Verdict {
    let pair = Pair::new()?;
    fcntl_setfl(&pair.line, OFlags::NONBLOCK).told("fcntl")?;
    fcntl_setfl(&pair.master, OFlags::NONBLOCK).told("fcntl")?;
    fails("read", read(&pair.line, &mut [0; 4]), Errno::AGAIN)?;
    fails(
        "master's read",
        read(&pair.master, &mut [0; 4]),
        Errno::AGAIN,
    )?;
    let out = readiness(&pair.line)?;
    check(
        out.contains(PollFlags::OUT) && !out.contains(PollFlags::IN),
        || format!("{out:?}"),
    )
}

fn modes_change_under_input() -> Verdict {
    let pair = Pair::quiet()?;
    pair.types(b"ab")?;
    pair.change(Termios::make_raw)?;
    pair.reads(b"ab")
}

fn output_is_processed() -> Verdict {
    let pair = Pair::new()?;
    let show = |change: fn(&mut Termios), what: &[u8], wanted: &[u8]| {
        pair.change(change)?;
        super::put(&pair.line, what)?;
        pair.shows(wanted)
    };
    show(|_| {}, b"a\n", b"a\r\n")?;
    show(
        |t| t.output_modes.insert(OutputModes::from_bits_retain(TAB3)),
        b"ab\tc\n",
        b"ab      c\r\n",
    )?;
    show(
        |t| t.output_modes = OutputModes::OPOST | OutputModes::OCRNL,
        b"a\rb\n",
        b"a\nb\n",
    )?;
    show(
        |t| t.output_modes = OutputModes::OPOST | OutputModes::ONOCR | OutputModes::ONLCR,
        b"\n\ra\r",
        b"\r\na\r",
    )?;
    show(
        |t| t.output_modes = OutputModes::empty(),
        b"a\tb\n",
        b"a\tb\n",
    )
}

fn stop_and_start() -> Verdict {
    let pair = Pair::new()?;
    pair.types(b"\x13")?;
    wait_for(|| Ok(!readiness(&pair.line)?.contains(PollFlags::OUT)))?;
    fcntl_setfl(&pair.line, OFlags::NONBLOCK).told("fcntl")?;
    fails("write", write(&pair.line, b"x"), Errno::AGAIN)?;
    pair.types(b"\x11")?;
    wait_for(|| Ok(readiness(&pair.line)?.contains(PollFlags::OUT)))?;
    super::put(&pair.line, b"y")?;
    pair.shows(b"y")
}

fn flow() -> Verdict {
    let pair = Pair::quiet()?;
    tcflow(&pair.line, Action::OOff).told("tcflow")?;
    let out = readiness(&pair.line)?;
    check(!out.contains(PollFlags::OUT), || {
        "output goes on".to_owned()
    })?;
    tcflow(&pair.line, Action::OOn).told("tcflow")?;
    super::put(&pair.line, b"a")?;
    pair.shows(b"a")?;
    // The terminal is asked to stop typing.
    tcflow(&pair.line, Action::IOff).told("tcflow")?;
    pair.shows(b"\x13")
}

fn flush() -> Verdict {
    let pair = Pair::quiet()?;
    pair.types(b"ab\n")?;
    ready(&pair.line)?;
    tcflush(&pair.line, QueueSelector::IFlush).told("tcflush")?;
    same("bytes", ioctl_fionread(&pair.line).told("FIONREAD")?, 0)?;
    pair.types(b"c\n")?;
    ready(&pair.line)?;
    // The same happens when settings change with TCSAFLUSH.
    let settings = tcgetattr(&pair.line).told("tcgetattr")?;
    tcsetattr(&pair.line, OptionalActions::Flush, &settings).told("tcsetattr")?;
    pair.types(b"d\n")?;
    pair.reads(b"d\n")
}

fn waiting_bytes() -> Verdict {
    let pair = Pair::quiet()?;
    pair.types(b"abc\nd")?;
    ready(&pair.line)?;
    same("bytes", ioctl_fionread(&pair.line).told("FIONREAD")?, 4)?;
    super::put(&pair.line, b"12")?;
    ready(&pair.master)?;
    same("shown", ioctl_fionread(&pair.master).told("FIONREAD")?, 2)
}

//! Tables of what is typed, what readers get and what is shown.

use super::*;
use linux::{ECHO, ECHOCTL, ECHOE, ECHOK, ECHOKE, ECHONL, ICANON, ICRNL, IEXTEN, ISIG, IXON};

/// A line with these input and local flags changed.
fn line(change: fn(&mut Termios)) -> Line {
    let mut t = Termios::new(0);
    change(&mut t);
    Line::new(t, true).unwrap()
}

/// Types into a line; returns what was shown and the signals made.
fn type_in(line: &mut Line, typed: &[u8]) -> (Vec<u8>, Vec<u32>) {
    let signals = typed.iter().filter_map(|b| line.receive(*b)).collect();
    let (a, b) = line.output.parts();
    let shown = [a, b].concat();
    line.output.consume(shown.len());
    (shown, signals)
}

/// Everything that readers get, line by line.
fn reads(line: &mut Line) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while line.is_readable(1) {
        all.push(line.take(KEPT).bytes);
    }
    all
}

type Change = fn(&mut Termios);
const AS_IT_IS: Change = |_| {};
const QUIET: Change = |t| t.local &= !ECHO;
const RAW: Change = |t| {
    t.input = 0;
    t.local = 0;
};

#[test]
fn editing_and_echo() {
    type Row = (
        Change,
        &'static [u8],
        &'static [&'static [u8]],
        &'static [u8],
    );
    let rows: &[Row] = &[
        (AS_IT_IS, b"ab\n", &[b"ab\n"], b"ab\r\n"),
        (AS_IT_IS, b"ab\r", &[b"ab\n"], b"ab\r\n"),
        (AS_IT_IS, b"ab", &[], b"ab"),
        (AS_IT_IS, b"a\nb\n", &[b"a\n", b"b\n"], b"a\r\nb\r\n"),
        (AS_IT_IS, b"ax\x7fb\n", &[b"ab\n"], b"ax\x08 \x08b\r\n"),
        (AS_IT_IS, b"\x7f\n", &[b"\n"], b"\r\n"),
        (
            AS_IT_IS,
            b"a\x01\x7f\n",
            &[b"a\n"],
            b"a^A\x08 \x08\x08 \x08\r\n",
        ),
        (
            AS_IT_IS,
            b"\t\x7f\n",
            &[b"\n"],
            b"\t\x08\x08\x08\x08\x08\x08\x08\x08\r\n",
        ),
        (
            AS_IT_IS,
            b"abc\t\x7f\n",
            &[b"abc\n"],
            b"abc\t\x08\x08\x08\x08\x08\r\n",
        ),
        (
            AS_IT_IS,
            b"a bc\x17d\n",
            &[b"a d\n"],
            b"a bc\x08 \x08\x08 \x08d\r\n",
        ),
        (
            AS_IT_IS,
            b"ab \x17c\n",
            &[b"c\n"],
            b"ab \x08 \x08\x08 \x08\x08 \x08c\r\n",
        ),
        (
            AS_IT_IS,
            b"ab\x15c\n",
            &[b"c\n"],
            b"ab\x08 \x08\x08 \x08c\r\n",
        ),
        (AS_IT_IS, b"a\x16\x03\n", &[b"a\x03\n"], b"a^\x08^C\r\n"),
        (AS_IT_IS, b"ab\x12c\n", &[b"abc\n"], b"ab^R\r\nabc\r\n"),
        (AS_IT_IS, b"ab\x04", &[b"ab"], b"ab"),
        (AS_IT_IS, b"\x04", &[b""], b""),
        (AS_IT_IS, b"a\x04\x04", &[b"a", b""], b"a"),
        (QUIET, b"ab\x7f\n", &[b"a\n"], b""),
        (QUIET, b"ab\x15c\n", &[b"c\n"], b""),
        (|t| t.local = ICANON | ECHONL, b"ab\n", &[b"ab\n"], b"\r\n"),
        (|t| t.local &= !ECHOE, b"ab\x7f\n", &[b"a\n"], b"ab^?\r\n"),
        (
            |t| t.local &= !ECHOKE,
            b"ab\x15c\n",
            &[b"c\n"],
            b"ab^U\r\nc\r\n",
        ),
        (
            |t| t.local &= !(ECHOKE | ECHOK),
            b"ab\x15c\n",
            &[b"c\n"],
            b"ab^Uc\r\n",
        ),
        (
            |t| t.local &= !ECHOCTL,
            b"\x01\x7f\n",
            &[b"\n"],
            b"\x01\r\n",
        ),
        (
            |t| t.local &= !IEXTEN,
            b"a\x17\n",
            &[b"a\x17\n"],
            b"a^W\r\n",
        ),
        (
            |t| t.input |= linux::IGNCR,
            b"a\rb\n",
            &[b"ab\n"],
            b"ab\r\n",
        ),
        (
            |t| t.input |= linux::INLCR,
            b"a\nb\x04",
            &[b"a\rb"],
            b"a^Mb",
        ),
        (|t| t.input |= linux::ISTRIP, b"\xe1\n", &[b"a\n"], b"a\r\n"),
        (|t| t.input |= linux::IUCLC, b"AB\n", &[b"ab\n"], b"ab\r\n"),
        (
            |t| t.chars[11] = b';',
            b"a;b\n",
            &[b"a;", b"b\n"],
            b"a;b\r\n",
        ),
        (
            |t| t.chars[16] = b'/',
            b"a/b\n",
            &[b"a/", b"b\n"],
            b"a/b\r\n",
        ),
        (
            |t| t.input |= linux::IUTF8,
            "aö\x7fb\n".as_bytes(),
            &[b"ab\n"],
            b"a\xc3\xb6\x08 \x08b\r\n",
        ),
        (|t| t.chars[2] = 0, b"a\0b\n", &[b"a\0b\n"], b"a^@b\r\n"),
        (RAW, b"a\r\n\x03", &[b"a\r\n\x03"], b""),
        (
            |t| t.local = ECHO | ECHOCTL,
            b"a\r\n",
            &[b"a\n\n"],
            b"a\r\n^J",
        ),
    ];
    for (change, typed, wanted, shown) in rows {
        let mut line = line(*change);
        let what = typed.escape_ascii();
        let (echo, signals) = type_in(&mut line, typed);
        assert!(signals.is_empty(), "{what}");
        assert_eq!(echo, *shown, "{what}: {}", echo.escape_ascii());
        assert_eq!(reads(&mut line), *wanted, "{what}");
    }
}

#[test]
fn signals_empty_the_queues_unless_told_not_to() {
    for (byte, signal, shown) in [(3, 2, b"^C"), (28, 3, b"^\\"), (26, 20, b"^Z")] {
        let mut line = line(AS_IT_IS);
        line.output.write(&Termios::new(0), b"text");
        type_in(&mut line, b"");
        assert_eq!(type_in(&mut line, b"x\nab").1, []);
        assert_eq!(
            type_in(&mut line, &[byte]),
            (shown.to_vec(), alloc::vec![signal])
        );
        assert_eq!(reads(&mut line), [b""; 0]);
        assert_ne!(line.news & linux::TIOCPKT_FLUSHREAD, 0);
    }
    let mut line = line(|t| t.local |= linux::NOFLSH);
    assert_eq!(type_in(&mut line, b"a\x03b\n").1, [2]);
    assert_eq!(reads(&mut line), [b"ab\n"]);
    let mut line = self::line(|t| t.local &= !ISIG);
    assert_eq!(type_in(&mut line, b"\x03\n").1, []);
    assert_eq!(reads(&mut line), [b"\x03\n"]);
}

#[test]
fn output_stops_and_goes_on() {
    let mut line = line(AS_IT_IS);
    assert_eq!(type_in(&mut line, b"\x13ab").0, b"");
    assert!(line.is_stopped());
    assert_eq!(type_in(&mut line, b"\x11").0, b"ab");
    // VSTART does not undo tcflow(3), and what it undoes is all.
    line.hold(true);
    assert_eq!(type_in(&mut line, b"\x11c").0, b"");
    line.hold(false);
    assert_eq!(type_in(&mut line, b"").0, b"c");
    line.set(Termios {
        input: IXON | linux::IXANY | ICRNL,
        ..*line.settings()
    });
    assert_eq!(type_in(&mut line, b"\x13").0, b"");
    assert_eq!(type_in(&mut line, b"d").0, b"d");
}

#[test]
fn a_line_is_cut_to_4095_bytes_and_its_end() {
    let mut line = line(QUIET);
    for byte in (0..5000).map(|n| b'a' + (n % 26) as u8) {
        assert!(line.has_room());
        line.receive(byte);
    }
    line.receive(b'\n');
    assert!(!line.has_room(), "no more before it is read");
    let taken = line.take(9999);
    assert_eq!((taken.bytes.len(), taken.ended), (KEPT, true));
    assert_eq!(taken.bytes.last(), Some(&b'\n'));
    assert!(line.has_room());
}

#[test]
fn a_line_comes_in_pieces_that_fit() {
    let mut line = line(AS_IT_IS);
    type_in(&mut line, b"abc\nd\x04ef\n");
    let piece = |bytes: &[u8], ended| Taken {
        bytes: bytes.to_vec(),
        ended,
    };
    assert_eq!(line.readable(), 8);
    assert_eq!(line.take(2), piece(b"ab", false));
    assert_eq!(line.take(2), piece(b"c\n", true));
    // The end of file that a full read meets is gone with it.
    assert_eq!(line.take(1), piece(b"d", true));
    assert_eq!(line.take(9), piece(b"ef\n", true));
    assert!(!line.is_readable(1));
}

#[test]
fn modes_change_under_waiting_input() {
    let mut line = line(QUIET);
    type_in(&mut line, b"a\nbc");
    let mut raw = *line.settings();
    RAW(&mut raw);
    line.set(raw);
    assert_eq!(line.readable(), 4);
    assert_eq!(line.take(1).bytes, b"a");
    assert!(line.is_readable(3) && !line.is_readable(4));
    line.set(Termios {
        local: ICANON,
        ..raw
    });
    type_in(&mut line, b"d\n");
    assert_eq!(reads(&mut line), [&b"\nbc"[..], b"d\n"]);
}

#[test]
fn raw_input_is_kept_back_when_nobody_reads() {
    let mut line = line(RAW);
    let mut count = 0;
    while line.has_room() {
        line.receive(0xff);
        count += 1;
    }
    assert_eq!(count, KEPT - 1);
}

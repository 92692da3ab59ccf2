//! Many messages in one call, and options that mean nothing to sockets of AF_UNIX or little.

use std::os::fd::{AsFd, OwnedFd};

use berth_sys::audit::pause_ms;
use berth_sys::handler::{self, Manner};
use berth_sys::messages::{option, receive_many, send_many, set_option};
use rustix::io::{Errno, write};
use rustix::net::SocketType;
use rustix::process::{Signal, getpid, kill_process};

use super::sockets::{next, pair};
use super::{Case, Told, Verdict, check, child, ended, fails, same};

pub const CASES: &[Case] = &[
    ("sockets/many-messages", many_messages),
    ("sockets/many-hundreds", many_hundreds),
    ("sockets/many-with-errors", many_with_errors),
    ("sockets/many-in-part", many_in_part),
    ("sockets/many-wait-for-one", many_wait_for_one),
    ("sockets/many-with-a-time", many_with_a_time),
    ("sockets/many-interrupted", many_interrupted),
    ("sockets/options-without-meaning", options_without_meaning),
    ("sockets/low-water", low_water),
];

const DONT_WAIT: i32 = 0x40;
const WAIT_FOR_ONE: i32 = 0x10000;

fn receive(socket: &OwnedFd, most: usize, flags: i32) -> Result<Vec<Vec<u8>>, Errno> {
    Ok(receive_many(socket.as_fd(), most, flags, None)?.0)
}

fn many_messages() -> Verdict {
    let (one, other) = pair(SocketType::DGRAM)?;
    let all: [&[u8]; 3] = [b"first", b"", b"the third"];
    same("sent", send_many(one.as_fd(), &all, 0), Ok(vec![5, 0, 9]))?;
    let wanted = Ok(all.iter().map(|bytes| bytes.to_vec()).collect());
    same("received", receive(&other, 8, DONT_WAIT), wanted)?;
    fails("no more", receive(&other, 8, DONT_WAIT), Errno::AGAIN)?;
    same("nothing asked", receive(&other, 0, DONT_WAIT), Ok(vec![]))?;
    same(
        "nothing to send",
        send_many(one.as_fd(), &[], 0),
        Ok(vec![]),
    )?;
    // A stream has no messages: each buffer is one call.
    let (one, other) = pair(SocketType::STREAM)?;
    same("sent", send_many(one.as_fd(), &all, 0), Ok(vec![5, 0, 9]))?;
    same("a stream", next(&other, 64)?, b"firstthe third".to_vec())
}

fn many_hundreds() -> Verdict {
    let (one, other) = pair(SocketType::SEQPACKET)?;
    let texts: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let all: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
    let sent = send_many(one.as_fd(), &all, 0).told("sendmmsg")?;
    same("sent", sent.len(), 100)?;
    let got = receive(&other, 100, 0).told("recvmmsg")?;
    check(got == all, || format!("{got:?}"))
}

fn many_with_errors() -> Verdict {
    let (one, other) = pair(SocketType::DGRAM)?;
    let long = vec![7u8; 300_000];
    let all: [&[u8]; 3] = [b"short", &long, b"never"];
    same(
        "until one fails",
        send_many(one.as_fd(), &all, 0),
        Ok(vec![5]),
    )?;
    let failing: [&[u8]; 1] = [&long];
    let failed = send_many(one.as_fd(), &failing, 0);
    fails("the first fails", failed, Errno::MSGSIZE)?;
    same(
        "one came",
        receive(&other, 8, DONT_WAIT).map(|m| m.len()),
        Ok(1),
    )?;
    let file = std::fs::File::open("/dev/null").told("open")?;
    fails(
        "no socket",
        send_many(file.as_fd(), &[b"x"], 0),
        Errno::NOTSOCK,
    )?;
    let bad = receive_many(other.as_fd(), 1, DONT_WAIT, Some([-1, 0]));
    fails("bad time", bad, Errno::INVAL)
}

/// What a full stream takes of a message is the last that it takes, though another message has
/// nothing in it.
fn many_in_part() -> Verdict {
    let (one, _other) = pair(SocketType::STREAM)?;
    let long = vec![7u8; 4 << 20];
    let all: [&[u8]; 4] = [b"short", b"", &long, b""];
    let sent = send_many(one.as_fd(), &all, DONT_WAIT).told("sendmmsg")?;
    same("messages", sent.len(), 3)?;
    check(sent[2] > 0 && (sent[2] as usize) < long.len(), || {
        format!("{} bytes", sent[2])
    })
}

fn many_wait_for_one() -> Verdict {
    let (one, other) = pair(SocketType::DGRAM)?;
    let pid = child(|| {
        pause_ms(30);
        i32::from(write(&one, b"late").is_err())
    })?;
    let got = receive(&other, 8, WAIT_FOR_ONE);
    same("one", got, Ok(vec![b"late".to_vec()]))?;
    same("sender", ended(pid)?.exit_status(), Some(0))
}

fn many_with_a_time() -> Verdict {
    let (one, other) = pair(SocketType::DGRAM)?;
    for text in [b"a", b"b"] {
        write(&one, text).told("write")?;
    }
    // The time is looked at behind each message.
    let (got, left) = receive_many(other.as_fd(), 8, 0, Some([0, 0])).told("recvmmsg")?;
    same("over at once", got, vec![b"a".to_vec()])?;
    same("none left", left, Some([0, 0]))?;
    let (got, left) = receive_many(other.as_fd(), 1, 0, Some([50, 0])).told("recvmmsg")?;
    same("enough", got, vec![b"b".to_vec()])?;
    let left = left.map_or(0, |time| time[0]);
    check((1..=50).contains(&left), || format!("{left} s left"))
}

/// What came before a signal is the result.
fn many_interrupted() -> Verdict {
    let (one, other) = pair(SocketType::DGRAM)?;
    handler::count(Signal::USR1.as_raw(), Manner::Interrupt).told("sigaction")?;
    write(&one, b"first").told("write")?;
    let own = getpid();
    let pid = child(|| {
        pause_ms(50);
        i32::from(kill_process(own, Signal::USR1).is_err())
    })?;
    let got = receive(&other, 8, 0);
    same("one", got, Ok(vec![b"first".to_vec()]))?;
    same("killer", ended(pid)?.exit_status(), Some(0))
}

const BROADCAST: i32 = 6;
const KEEP_ALIVE: i32 = 9;
const LINGER: i32 = 13;
const RECEIVE_LEAST: i32 = 18;
const PEER_LABEL: i32 = 31;

fn number(value: i32) -> Vec<u8> {
    value.to_ne_bytes().to_vec()
}

fn options_without_meaning() -> Verdict {
    let (one, _other) = pair(SocketType::STREAM)?;
    let one = one.as_fd();
    for what in [BROADCAST, KEEP_ALIVE] {
        same("off", option(one, what), Ok(number(0)))?;
        same("set", set_option(one, what, &number(7)), Ok(()))?;
        same("on", option(one, what), Ok(number(1)))?;
    }
    let both = |a: i32, b: i32| [number(a), number(b)].concat();
    same("no linger", option(one, LINGER), Ok(both(0, 0)))?;
    fails("short", set_option(one, LINGER, &number(1)), Errno::INVAL)?;
    same("set", set_option(one, LINGER, &both(5, 30)), Ok(()))?;
    same("linger", option(one, LINGER), Ok(both(1, 30)))?;
    same("off", set_option(one, LINGER, &both(0, 99)), Ok(()))?;
    same("time stays", option(one, LINGER), Ok(both(0, 30)))?;
    fails("no label", option(one, PEER_LABEL), Errno::NOPROTOOPT)
}

fn low_water() -> Verdict {
    let (one, other) = pair(SocketType::STREAM)?;
    let fd = other.as_fd();
    same("one", option(fd, RECEIVE_LEAST), Ok(number(1)))?;
    same("set", set_option(fd, RECEIVE_LEAST, &number(0)), Ok(()))?;
    same("one", option(fd, RECEIVE_LEAST), Ok(number(1)))?;
    same("set", set_option(fd, RECEIVE_LEAST, &number(-1)), Ok(()))?;
    same("most", option(fd, RECEIVE_LEAST), Ok(number(i32::MAX)))?;
    same("set", set_option(fd, RECEIVE_LEAST, &number(6)), Ok(()))?;
    let pid = child(|| {
        for part in [b"abc", b"def"] {
            pause_ms(20);
            if write(&one, part).is_err() {
                return 1;
            }
        }
        0
    })?;
    same("waits for six", next(&other, 64)?, b"abcdef".to_vec())?;
    same("writer", ended(pid)?.exit_status(), Some(0))?;
    write(&one, b"xy").told("write")?;
    rustix::io::ioctl_fionbio(&other, true).told("ioctl")?;
    same("what is there", next(&other, 64)?, b"xy".to_vec())
}

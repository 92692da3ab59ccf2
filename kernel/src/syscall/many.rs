//! Many messages in one call (sendmmsg(2), recvmmsg(2)).

use super::messages::{recvmsg, sendmsg};
use super::poll::time_arg;
use super::{Handler, Line};
use crate::error::{Call, Errno, Stop};
use crate::mm::user;
use crate::net::SocketId;
use crate::wait::{Restart, Resume};
use crate::wire::get_u64;
use crate::{Cx, Kernel, io};
use linux_raw_sys::{general as linux, net as sock};

pub(super) const CALLS: &[Line] = &[
    (linux::__NR_sendmmsg, "sendmmsg", sendmmsg),
    (linux::__NR_recvmmsg, "recvmmsg", recvmmsg),
];

/// Bytes of struct mmsghdr, and where in it the vector and the result are.
const RECORD: u64 = 64;
const VECTOR: u64 = 16;
const RESULT: u64 = 56;
/// MSG_WAITFORONE: only the first message is waited for.
const WAIT_FOR_ONE: u32 = 0x1_0000;
/// Messages that one trap moves.
const TURN: u64 = 8;

/// How messages are moved, and when that ends.
struct Many {
    one: Handler,
    most: u64,
    /// When to end, at least one message being there: monotonic nanoseconds, 0 for never.
    end: u64,
    /// An error behind the first message is kept for the next call on the socket.
    keeps_error: bool,
    /// MSG_DONTWAIT from the second message on.
    wait_for_one: bool,
    /// A message that was moved in part is the last.
    whole: bool,
}

fn sendmmsg(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let many = Many {
        one: sendmsg,
        most: (a[2] as u32 as u64).min(user::IOV_MAX),
        end: 0,
        keeps_error: false,
        wait_for_one: false,
        whole: true,
    };
    run(k, cx, a, &many)
}

fn recvmmsg(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (id, _) = super::sockets::find(k, cx, a[0])?;
    let mut end = cx.resume.map_or(0, |resume| resume.word);
    if cx.resume.is_none() {
        let nanos = time_arg(k, cx, a[4], 1)?;
        end = nanos.map_or(0, |nanos| cx.now.saturating_add(nanos).max(1));
        if let Some(error) = k.net.socket_mut(id)?.error.take() {
            return Err(error.into());
        }
    }
    let many = Many {
        one: recvmsg,
        most: u64::from(a[2] as u32),
        end,
        keeps_error: true,
        wait_for_one: a[3] as u32 & WAIT_FOR_ONE != 0,
        whole: false,
    };
    let call = run(k, cx, a, &many);
    if let Ok(count) = call {
        tell_rest(k, cx, a[4], end, count);
    }
    call
}

/// Tells the time that was left when messages had come.
fn tell_rest(k: &mut Kernel, cx: &mut Cx, addr: u64, end: u64, count: u64) {
    if addr == 0 || count == 0 {
        return;
    }
    let left = end.saturating_sub(cx.now);
    let (seconds, nanos) = (left / 1_000_000_000, left % 1_000_000_000);
    let record = [seconds.to_le_bytes(), nanos.to_le_bytes()].concat();
    // The messages are there whether or not that can be told.
    if let Ok(out) = user::prepare(k, cx, addr, 16) {
        user::put(k, cx, &out, 0, &record);
    }
}

/// Makes the call for one message after the other. Between two runs `done` is the number of
/// messages that were moved, and `events` the bytes that were moved of the next one.
fn run(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6], many: &Many) -> Call {
    let (id, _) = super::sockets::find(k, cx, a[0])?;
    // What the first message of this run goes on with.
    let mut left = cx.resume;
    let mut count = left.map_or(0, |resume| resume.done);
    let turn = count.saturating_add(TURN);
    while count < many.most {
        if count >= turn {
            cx.resume = Some(between(many, count, 0, None));
            return Err(io::take_turns(cx, count));
        }
        let at = a[1].saturating_add(count.saturating_mul(RECORD));
        let mut args = [a[0], at, a[3], 0, 0, 0];
        if many.wait_for_one && count > 0 {
            args[2] |= u64::from(sock::MSG_DONTWAIT);
        }
        cx.resume = left.take().map(|left| Resume {
            done: left.events,
            deadline: left.deadline,
            ..Resume::default()
        });
        let len = match one(k, cx, many, &args) {
            Ok(len) => len,
            Err(stop) => return interrupted(k, cx, (id, many, count), stop),
        };
        count += 1;
        let in_part = many.whole && len < wanted(k, cx, at);
        if in_part || many.end != 0 && many.end <= cx.now {
            break;
        }
    }
    Ok(count)
}

/// Moves one message and tells its length, which it returns.
fn one(k: &mut Kernel, cx: &mut Cx, many: &Many, args: &[u64; 6]) -> Call {
    let out = user::prepare(k, cx, args[1].saturating_add(RESULT), 4)?;
    let len = (many.one)(k, cx, args)?;
    user::put(k, cx, &out, 0, &(len as u32).to_le_bytes());
    Ok(len)
}

/// How many bytes the message at `at`, which was sent, asked for. Its header and vector were read
/// a moment ago; who takes them away from under the call has asked for nothing.
fn wanted(k: &mut Kernel, cx: &mut Cx, at: u64) -> u64 {
    let mut vector = [0; 16];
    let read = user::copy_in(k, cx, at.saturating_add(VECTOR), &mut vector);
    let (addr, count) = (get_u64(&vector, 0), get_u64(&vector, 8));
    match read.and_then(|()| user::iovecs(k, cx, addr, count)) {
        Ok(segments) => segments.iter().map(|segment| segment.1).sum(),
        Err(_) => 0,
    }
}

/// What the call remembers between two runs.
fn between(many: &Many, count: u64, bytes: u64, deadline: Option<u64>) -> Resume {
    Resume {
        done: count,
        events: bytes,
        word: many.end,
        deadline,
        ..Resume::default()
    }
}

/// A message was not moved, or not yet: those before it are the result, unless it goes on.
fn interrupted(
    k: &mut Kernel,
    cx: &mut Cx,
    (id, many, count): (SocketId, &Many, u64),
    stop: Stop,
) -> Call {
    match stop {
        Stop::Errno(_) if count == 0 => Err(stop),
        Stop::Errno(errno) => {
            // recvmmsg(2), "Bugs".
            if many.keeps_error && errno != Errno::EAGAIN {
                k.net.socket_mut(id)?.error = Some(errno);
            }
            Ok(count)
        }
        Stop::Wait(mut pending) => {
            let bytes = pending.resume.done;
            pending.resume = between(many, count, bytes, pending.resume.deadline);
            // A message that was moved in part is not left so.
            if bytes > 0 {
                pending.restart = Restart::Killable;
            }
            Err(Stop::Wait(pending))
        }
        Stop::NoMem(_) => {
            let inner = cx.resume.unwrap_or_default();
            cx.resume = Some(between(many, count, inner.done, inner.deadline));
            Err(stop)
        }
        Stop::Gone => Err(stop),
    }
}

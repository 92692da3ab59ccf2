//! Timers and clocks as the kernel has them.

use rustix::io::Errno;

use crate::raw::last_errno;

fn call(number: i64, args: [u64; 4]) -> Result<u64, Errno> {
    let [a, b, c, d] = args;
    // SAFETY: this module passes addresses of its own records of the right size only, or numbers.
    match unsafe { libc::syscall(number, a, b, c, d) } {
        -1 => Err(last_errno()),
        value => Ok(value as u64),
    }
}

/// An interval and the time until a timer goes off, each as seconds and a fraction.
pub type Spec = [i64; 4];

/// Sets an interval timer; returns what it was. Fractions are microseconds.
///
/// # Errors
/// See setitimer(2).
pub fn set_interval(which: i32, new: Spec) -> Result<Spec, Errno> {
    let mut old = [0; 4];
    let args = [
        which as u64,
        new.as_ptr() as u64,
        old.as_mut_ptr() as u64,
        0,
    ];
    call(libc::SYS_setitimer, args)?;
    Ok(old)
}

/// What an interval timer is set to.
///
/// # Errors
/// See getitimer(2).
pub fn interval(which: i32) -> Result<Spec, Errno> {
    let mut now = [0; 4];
    call(
        libc::SYS_getitimer,
        [which as u64, now.as_mut_ptr() as u64, 0, 0],
    )?;
    Ok(now)
}

/// Sends SIGALRM in so many seconds; returns what was left of an earlier such wish.
#[must_use]
pub fn alarm(seconds: u32) -> u64 {
    call(libc::SYS_alarm, [u64::from(seconds), 0, 0, 0]).unwrap_or(u64::MAX)
}

/// struct sigevent: value, signal, how, thread.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Event {
    /// si_value.
    pub value: u64,
    /// The signal.
    pub signal: i32,
    /// SIGEV_*.
    pub how: i32,
    /// For SIGEV_THREAD_ID.
    pub thread: i32,
    rest: [i32; 11],
}

/// SIGEV_SIGNAL.
pub const SIGNAL: i32 = 0;
/// SIGEV_NONE.
pub const NONE: i32 = 1;
/// SIGEV_THREAD_ID.
const THREAD_ID: i32 = 4;

impl Event {
    /// A signal with a value, sent as `how` says.
    #[must_use]
    pub fn new(how: i32, signal: i32, value: u64) -> Self {
        Self {
            value,
            signal,
            how,
            thread: 0,
            rest: [0; 11],
        }
    }

    /// A signal with a value to one thread.
    #[must_use]
    pub fn to_thread(thread: i32, signal: i32, value: u64) -> Self {
        Self {
            thread,
            ..Self::new(THREAD_ID, signal, value)
        }
    }
}

/// Makes a timer; returns its number.
///
/// # Errors
/// See timer_create(2).
pub fn create(clock: i32, event: Option<Event>) -> Result<i32, Errno> {
    let mut number = -1i32;
    let event = event.as_ref().map_or(0, |event| &raw const *event as u64);
    let args = [clock as u64, event, &raw mut number as u64, 0];
    call(libc::SYS_timer_create, args)?;
    Ok(number)
}

/// Sets a timer; returns what it was. Fractions are nanoseconds.
///
/// # Errors
/// See timer_settime(2).
pub fn set(number: i32, absolute: bool, new: Spec) -> Result<Spec, Errno> {
    let mut old = [0; 4];
    let (new, to) = (new.as_ptr() as u64, old.as_mut_ptr() as u64);
    let args = [number as u64, u64::from(absolute), new, to];
    call(libc::SYS_timer_settime, args)?;
    Ok(old)
}

/// What a timer is set to.
///
/// # Errors
/// See timer_gettime(2).
pub fn get(number: i32) -> Result<Spec, Errno> {
    let mut now = [0; 4];
    let args = [number as u64, now.as_mut_ptr() as u64, 0, 0];
    call(libc::SYS_timer_gettime, args)?;
    Ok(now)
}

/// How often a timer went off besides, when its last signal came.
///
/// # Errors
/// See timer_getoverrun(2).
pub fn overrun(number: i32) -> Result<u64, Errno> {
    call(libc::SYS_timer_getoverrun, [number as u64, 0, 0, 0])
}

/// Deletes a timer.
///
/// # Errors
/// See timer_delete(2).
pub fn delete(number: i32) -> Result<(), Errno> {
    call(libc::SYS_timer_delete, [number as u64, 0, 0, 0]).map(drop)
}

/// The time of a clock in nanoseconds.
///
/// # Errors
/// See clock_gettime(2).
pub fn time(clock: i32) -> Result<i64, Errno> {
    timespec(libc::SYS_clock_gettime, clock)
}

/// The resolution of a clock in nanoseconds.
///
/// # Errors
/// See clock_getres(2).
pub fn resolution(clock: i32) -> Result<i64, Errno> {
    timespec(libc::SYS_clock_getres, clock)
}

fn timespec(number: i64, clock: i32) -> Result<i64, Errno> {
    let mut time = [0i64; 2];
    call(number, [clock as u64, time.as_mut_ptr() as u64, 0, 0])?;
    Ok(time[0].wrapping_mul(1_000_000_000).wrapping_add(time[1]))
}

/// Sleeps by a clock, for so long or until then; what is left goes to the second result.
///
/// # Errors
/// See clock_nanosleep(2).
pub fn sleep(clock: i32, absolute: bool, time: [i64; 2]) -> (Result<(), Errno>, [i64; 2]) {
    let mut left = [0i64; 2];
    let (time, to) = (time.as_ptr() as u64, left.as_mut_ptr() as u64);
    let args = [clock as u64, u64::from(absolute), time, to];
    (call(libc::SYS_clock_nanosleep, args).map(drop), left)
}

/// Sets a clock.
///
/// # Errors
/// See clock_settime(2).
pub fn set_time(clock: i32, time: [i64; 2]) -> Result<(), Errno> {
    let args = [clock as u64, time.as_ptr() as u64, 0, 0];
    call(libc::SYS_clock_settime, args).map(drop)
}

/// The CPU clock of a process or thread (clock_getcpuclockid(3)).
#[must_use]
pub fn cpu_clock(number: i32, thread: bool) -> i32 {
    (!number) << 3 | if thread { 4 } else { 0 } | 2
}

/// CPU times of this process and of its waited-for children, in ticks (times(2)).
///
/// # Errors
/// See times(2).
pub fn times() -> Result<[i64; 4], Errno> {
    let mut times = [0i64; 4];
    call(libc::SYS_times, [times.as_mut_ptr() as u64, 0, 0, 0])?;
    Ok(times)
}

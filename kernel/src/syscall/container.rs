//! The container calls: one record in, one result out. Only for who runs containers.

use super::Line;
use crate::container::{self, Create, Text, Trouble};
use crate::error::{Call, Errno, Stop};
use crate::mm::user::{self, UserOut};
use crate::{Cx, Kernel};
use alloc::string::String;
use alloc::vec::Vec;
use berth_abi::{self as abi, AuditRecord, ContainerCall, EventsRecord, ExitRecord};
use zerocopy::{FromBytes, IntoBytes};

/// Handlers by call number, from [`abi::FIRST`].
pub const CALLS: &[Line] = &[
    (abi::CONTAINER_CREATE as u32, "container_create", create),
    (abi::CONTAINER_START as u32, "container_start", start),
    (abi::CONTAINER_STATE as u32, "container_state", state),
    (abi::CONTAINER_KILL as u32, "container_kill", kill),
    (abi::CONTAINER_DELETE as u32, "container_delete", delete),
    (abi::CONTAINER_LIST as u32, "container_list", list),
    (abi::CONTAINER_WAIT as u32, "container_wait", wait),
    (abi::CONTAINER_AUDIT as u32, "container_audit", audit),
    (abi::CONTAINER_STATS as u32, "container_stats", stats),
    (abi::CONTAINER_PLAN as u32, "container_plan", plan),
    (abi::CONTAINER_PAUSE as u32, "container_pause", pause),
    (abi::CONTAINER_RESUME as u32, "container_resume", resume),
    (abi::CONTAINER_UPDATE as u32, "container_update", update),
    (
        abi::CONTAINER_PROCESSES as u32,
        "container_processes",
        processes,
    ),
    (abi::CONTAINER_EVENTS as u32, "container_events", events),
];

/// A call as decoded: its record, the id, and where the reason of a failure goes.
struct Request {
    record: ContainerCall,
    id: String,
    error: UserOut,
    error_used: UserOut,
}

fn create(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (request, config) = request_with_text(k, cx, a)?;
    let create = Create {
        id: &request.id,
        bundle_fd: request.record.bundle_fd,
        config,
    };
    let result = container::create(k, cx, create);
    answer(k, cx, &request, result)
}

fn plan(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (request, config) = request_with_text(k, cx, a)?;
    let out = (request.record.out, request.record.out_len);
    let result = container::explain(k, cx, &config, out);
    answer(k, cx, &request, result)
}

fn start(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let request = request(k, cx, a, 0)?;
    let result = match cx.resume {
        Some(resume) => container::start_go_on(k, cx, resume),
        None => container::start(k, cx, &request.id),
    };
    answer(k, cx, &request, result.map(|()| 0))
}

fn state(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let request = request(k, cx, a, 0)?;
    let result = container::state_bytes(k, cx, &request.id);
    give(k, cx, &request, result)
}

fn stats(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let request = request(k, cx, a, 0)?;
    let result = container::stats_bytes(k, &request.id);
    give(k, cx, &request, result)
}

fn kill(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let request = request(k, cx, a, 0)?;
    let result = container::kill(k, &request.id, request.record.arg).map(|()| 0);
    answer(k, cx, &request, result)
}

fn pause(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let request = request(k, cx, a, 0)?;
    let result = container::pause(k, &request.id).map(|()| 0);
    answer(k, cx, &request, result)
}

fn resume(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let request = request(k, cx, a, 0)?;
    let result = container::resume(k, &request.id).map(|()| 0);
    answer(k, cx, &request, result)
}

fn update(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let (request, limits) = request_with_text(k, cx, a)?;
    let result = container::update(k, cx, &request.id, &limits).map(|()| 0);
    answer(k, cx, &request, result)
}

fn processes(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let request = request(k, cx, a, 0)?;
    let room = usize::try_from(request.record.out_len).map_err(|_| Errno::EINVAL)?;
    if room < size_of::<u32>() {
        return Err(Errno::ERANGE.into());
    }
    let after = request.record.arg;
    let result = container::processes_bytes(k, cx, &request.id, after, room);
    give(k, cx, &request, result)
}

fn events(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let request = request(k, cx, a, abi::WAIT_NOHANG)?;
    if request.record.out_len < size_of::<EventsRecord>() as u64 {
        return Err(Errno::ERANGE.into());
    }
    let nohang = request.record.flags & abi::WAIT_NOHANG != 0;
    let seen = request.record.arg;
    let result = container::events_bytes(k, &request.id, seen, nohang);
    give(k, cx, &request, result)
}

fn delete(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let request = request(k, cx, a, abi::DELETE_FORCE)?;
    let force = request.record.flags & abi::DELETE_FORCE != 0;
    let result = match cx.resume {
        Some(resume) => container::delete_go_on(k, cx, resume, force),
        None => container::delete(k, cx, &request.id, force),
    };
    match result {
        // The hooks' warnings come with success.
        Ok(warnings) => {
            say(k, cx, &request, &warnings);
            Ok(0)
        }
        Err(trouble) => answer(k, cx, &request, Err(trouble)),
    }
}

fn list(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let request = request(k, cx, a, 0)?;
    let room = usize::try_from(request.record.out_len).map_err(|_| Errno::EINVAL)?;
    let bytes = container::list_bytes(k, &request.id, room.min(1 << 16));
    give(k, cx, &request, Ok(bytes))
}

fn wait(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let request = request(k, cx, a, abi::WAIT_NOHANG)?;
    let nohang = request.record.flags & abi::WAIT_NOHANG != 0;
    if request.record.out_len < size_of::<ExitRecord>() as u64 {
        return Err(Errno::ERANGE.into());
    }
    let result = container::wait(k, &request.id, nohang);
    give(
        k,
        cx,
        &request,
        result.map(|record| record.as_bytes().to_vec()),
    )
}

fn audit(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let request = request(k, cx, a, 0)?;
    if request.record.out_len < size_of::<AuditRecord>() as u64 {
        return Err(Errno::ERANGE.into());
    }
    let out = user::prepare(k, cx, request.record.out, size_of::<AuditRecord>() as u64)?;
    let record = crate::audit::count(k, cx.m);
    user::put(k, cx, &out, 0, record.as_bytes());
    Ok(size_of::<AuditRecord>() as u64)
}

/// Reads the record and the id, and makes the place for the reason ready.
fn request(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6], flags: u64) -> Result<Request, Stop> {
    if !container::may_run(k, cx.task) {
        return Err(Errno::ENOSYS.into());
    }
    if a[1] != size_of::<ContainerCall>() as u64 {
        return Err(Errno::EINVAL.into());
    }
    let mut bytes = [0; size_of::<ContainerCall>()];
    user::copy_in(k, cx, a[0], &mut bytes)?;
    let record = ContainerCall::read_from_bytes(&bytes).map_err(|_| Errno::EINVAL)?;
    if record.flags & !flags != 0 || record.reserved != 0 || record.id_len > abi::ID_MAX as u64 + 1
    {
        return Err(Errno::EINVAL.into());
    }
    let mut id = alloc::vec![0; record.id_len as usize];
    user::copy_in(k, cx, record.id, &mut id)?;
    let id = String::from_utf8(id).map_err(|_| Errno::EINVAL)?;
    let error = user::prepare(k, cx, record.error, record.error_len.min(4096))?;
    let used_at = a[0].saturating_add(core::mem::offset_of!(ContainerCall, error_used) as u64);
    let error_used = user::prepare(k, cx, used_at, 8)?;
    Ok(Request {
        record,
        id,
        error,
        error_used,
    })
}

/// The request of a call that reads a configuration in turns: a record that has become bad
/// between two of them ends it.
fn request_with_text(
    k: &mut Kernel,
    cx: &mut Cx,
    a: &[u64; 6],
) -> Result<(Request, Text<'static>), Stop> {
    let request = request(k, cx, a, 0);
    let both = request.and_then(|request| Ok((text(&request.record)?, request)));
    if let Err(Stop::Errno(_)) = both {
        container::abandon(k, cx.task);
    }
    both.map(|(text, request)| (request, text))
}

/// Where the configuration text is.
fn text(record: &ContainerCall) -> Result<Text<'static>, Errno> {
    if record.config_len > berth_oci::config::TEXT_MAX as u64 {
        return Err(Errno::E2BIG);
    }
    Ok(Text::Of {
        addr: record.config,
        len: record.config_len,
    })
}

/// Turns trouble into an errno, and its text into the caller's buffer.
fn answer(k: &mut Kernel, cx: &mut Cx, request: &Request, result: Result<u64, Trouble>) -> Call {
    match result {
        Ok(value) => Ok(value),
        Err(Trouble::Stop(stop)) => Err(stop),
        Err(Trouble::Refused { errno, text }) => {
            say(k, cx, request, &text);
            Err(errno.into())
        }
    }
}

/// Writes a result of some bytes: the length when no room was offered, ERANGE when too little.
fn give(k: &mut Kernel, cx: &mut Cx, request: &Request, result: Result<Vec<u8>, Trouble>) -> Call {
    let bytes = match result {
        Ok(bytes) => bytes,
        Err(trouble) => return answer(k, cx, request, Err(trouble)),
    };
    let len = bytes.len() as u64;
    if request.record.out_len == 0 {
        return Ok(len);
    }
    if request.record.out_len < len {
        return Err(Errno::ERANGE.into());
    }
    user::copy_out(k, cx, request.record.out, &bytes, len)
}

/// Writes a sentence to the caller's buffer, cut at a character.
fn say(k: &mut Kernel, cx: &mut Cx, request: &Request, text: &str) {
    let mut end = text.len().min(request.error.len() as usize);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    user::put(k, cx, &request.error, 0, &text.as_bytes()[..end]);
    user::put(k, cx, &request.error_used, 0, &(end as u64).to_le_bytes());
}

//! Who logged in: loginuid and sessionid (pam_loginuid(8)), inherited by all that a login starts.

use super::subject::Subject;
use crate::error::{Errno, Stop};
use crate::fs::ViewNode;
use crate::machine::Machine;
use crate::task::cred::capable;
use crate::views::Source;
use crate::views::text::number_written;
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

type Content = Result<Vec<u8>, Stop>;

/// Told where nobody logged in.
const UNSET: u32 = u32::MAX;

/// /proc/PID/loginuid.
pub(super) fn uid(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    let s = Source::of(k);
    let login = Subject::of(&s, node)?.process(&s)?.login;
    Ok(alloc::format!("{}", login.map_or(UNSET, |l| l.uid)).into_bytes())
}

/// /proc/PID/sessionid.
pub(super) fn session(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    let s = Source::of(k);
    let login = Subject::of(&s, node)?.process(&s)?.login;
    Ok(alloc::format!("{}", login.map_or(UNSET, |l| l.session)).into_bytes())
}

/// A process says once for whom it works; again, or not at all any more, needs CAP_AUDIT_CONTROL.
pub(super) fn set_uid(
    k: &mut Kernel,
    cx: &mut Cx,
    node: ViewNode,
    bytes: &[u8],
) -> Result<usize, Stop> {
    let uid = u32::try_from(number_written(bytes)?).map_err(|_| Errno::EINVAL)?;
    let subject = Subject::of(&Source::of(k), node)?;
    let own = k.tasks.process_of(cx.task)?.0;
    if own != subject.process {
        return Err(Errno::EPERM.into());
    }
    let may = capable(k, cx.task, linux::CAP_AUDIT_CONTROL);
    let again = k.tasks.process_of(cx.task)?.1.login.is_some();
    if again && !may {
        return Err(Errno::EPERM.into());
    }
    let login = (uid != UNSET).then(|| k.tasks.new_login(uid));
    k.tasks.process_of_mut(cx.task)?.login = login;
    Ok(bytes.len())
}

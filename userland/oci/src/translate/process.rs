//! The process: who it is, what it runs, what it may.

use rustix::thread::CapabilitySet;

use super::Done;
use super::text::{Text, quote};
use crate::capabilities;
use crate::document::{At, Refusal};

/// The process but for its capabilities.
pub fn attributes(process: &At<'_>, text: &mut Text) -> Done {
    text.scalar("process_cwd", &process.need("cwd")?)?;
    if let Some(user) = process.get("user")? {
        text.line("process_uid", &user.need("uid")?.number()?.to_string());
        text.line("process_gid", &user.need("gid")?.number()?.to_string());
        for gid in user.list("additionalGids")? {
            text.line("process_additional_gid", &gid.number()?.to_string());
        }
        if let Some(umask) = user.get("umask")? {
            text.line("process_umask", &format!("0{:o}", umask.number()?));
        }
    }
    text.many("process_arg", &process.list("args")?)?;
    text.many("process_env", &process.list("env")?)?;
    let bit = process.get("noNewPrivileges")?;
    if bit.map_or(Ok(false), |bit| bit.flag())? {
        text.line("process_no_new_privs", "true");
    }
    for limit in process.list("rlimits")? {
        let kind = quote(limit.need("type")?.text()?);
        let [soft, hard] = [limit.need("soft")?.long()?, limit.need("hard")?.long()?];
        text.line("process_rlimit", &format!("{kind}:{soft}:{hard}"));
    }
    if let Some(adjustment) = process.get("oomScoreAdj")? {
        text.line("process_oom_score_adj", &adjustment.integer()?.to_string());
    }
    Ok(())
}

/// The capabilities there are; a warning of the others.
pub fn capabilities_of(
    sets: &At<'_>,
    available: CapabilitySet,
    text: &mut Text,
) -> Result<Option<String>, Refusal> {
    let (sets, others) = capabilities::sort(sets, available)?;
    for (set, names) in sets {
        text.line("process_capability", &format!("{set}:{}", names.join(",")));
    }
    Ok((!others.is_empty()).then(|| capabilities::warning(&others)))
}

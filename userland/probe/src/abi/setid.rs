//! What execve makes of privileges: set-id programs, file capabilities, root's programs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use berth_sys::own::{self, CAP_VERSIONS, Numbers};
use rustix::fs::{StatVfsMountFlags, XattrFlags};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde_json::json;

use super::credentials::{
    GROUP, KEEP_CAPS, KILL, NET_RAW, NO_ROOT, PR_CAPBSET_DROP, PR_SET_KEEPCAPS,
    PR_SET_NO_NEW_PRIVS, PR_SET_SECUREBITS, RAISE, USER, ambient, bounding, one, set,
};
use super::{Case, Told, Verdict, as_user, check, isolated, same};

pub const CASES: &[Case] = &[
    ("setid/set-user-id", set_user_id),
    ("setid/set-group-id", set_group_id),
    ("setid/set-id-is-withheld", set_id_is_withheld),
    ("setid/mounts-without", mounts_without),
    ("setid/scripts-are-not-set-id", scripts_are_not_set_id),
    ("setid/root-runs-programs", root_runs_programs),
    ("setid/users-run-programs", users_run_programs),
    ("setid/file-capabilities", file_capabilities),
    ("setid/unreadable-programs", unreadable_programs),
];

/// What a program that is run says about its privileges; an error number if it does not run.
fn run(program: &Path) -> Result<Result<serde_json::Value, i32>, String> {
    let output = match Command::new(program).args(["facts", "privileges"]).output() {
        Ok(output) => output,
        Err(error) => return Ok(Err(error.raw_os_error().unwrap_or(0))),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut line: serde_json::Value = serde_json::from_str(text.trim()).told(&text)?;
    Ok(Ok(line
        .get_mut("value")
        .map_or_else(Default::default, serde_json::Value::take)))
}

/// Whether the facts of a program have these values.
fn has(facts: &serde_json::Value, wanted: serde_json::Value) -> Verdict {
    for (name, value) in wanted.as_object().into_iter().flatten() {
        same(name, facts.get(name), Some(value))?;
    }
    Ok(())
}

/// Runs `work` in a directory whose file system lets programs change who runs them.
fn in_trusted_directory(work: impl FnOnce(&Path) -> Verdict) -> Verdict {
    let place = ["/dev/shm", "/run", "/"].into_iter().find(|place| {
        let found = rustix::fs::statvfs(*place);
        found.is_ok_and(|found| !found.f_flag.contains(StatVfsMountFlags::NOSUID))
    });
    let name = format!("probe-setid-{}", std::process::id());
    let directory = Path::new(place.ok_or("nowhere")?).join(name);
    fs::create_dir(&directory).told("mkdir")?;
    let verdict = work(&directory);
    let removed = fs::remove_dir_all(&directory).told("removing the directory");
    verdict.and(removed)
}

/// Runs `work` with a copy of this program that anybody may run, of this owner and mode.
fn with_program(uid: u32, gid: u32, mode: u32, work: impl FnOnce(&Path) -> Verdict) -> Verdict {
    in_trusted_directory(|directory| {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).told("chmod")?;
        let program = directory.join("program");
        fs::copy("/proc/self/exe", &program).told("copy")?;
        chown(&program, Some(uid), Some(gid)).told("chown")?;
        fs::set_permissions(&program, fs::Permissions::from_mode(mode)).told("chmod")?;
        work(&program)
    })
}

fn set_user_id() -> Verdict {
    let all = bounding();
    with_program(0, 0, 0o4755, |program| {
        as_user(USER, GROUP, &[], || {
            let facts = run(program)?.map_err(|e| format!("errno {e}"))?;
            has(
                &facts,
                json!({
                    "uids": [USER, 0, 0],
                    "gids": ([GROUP; 3]),
                    "caps": [all, all, 0],
                    "secure": true,
                    "dumpable": 0,
                }),
            )
        })
    })?;
    with_program(USER + 5, 0, 0o4755, |program| {
        as_user(USER, GROUP, &[], || {
            let facts = run(program)?.map_err(|e| format!("errno {e}"))?;
            has(
                &facts,
                json!({
                    "uids": [USER, USER + 5, USER + 5],
                    "caps": [0, 0, 0],
                    "secure": true,
                }),
            )
        })
    })
}

fn set_group_id() -> Verdict {
    with_program(0, 77, 0o2755, |program| {
        as_user(USER, GROUP, &[], || {
            let facts = run(program)?.map_err(|e| format!("errno {e}"))?;
            has(
                &facts,
                json!({
                    "uids": ([USER; 3]),
                    "gids": [GROUP, 77, 77],
                    "secure": true,
                    "dumpable": 0,
                }),
            )
        })
    })?;
    // Without the group's right to run it the bit means something else.
    with_program(0, 77, 0o2705, |program| {
        as_user(USER, GROUP, &[], || {
            let facts = run(program)?.map_err(|e| format!("errno {e}"))?;
            has(&facts, json!({ "gids": ([GROUP; 3]), "secure": false }))
        })
    })
}

fn set_id_is_withheld() -> Verdict {
    with_program(0, 0, 0o6755, |program| {
        as_user(USER, GROUP, &[], || {
            one(PR_SET_NO_NEW_PRIVS, 1).told("no_new_privs")?;
            let facts = run(program)?.map_err(|e| format!("errno {e}"))?;
            has(
                &facts,
                json!({
                    "uids": ([USER; 3]),
                    "gids": ([GROUP; 3]),
                    "caps": [0, 0, 0],
                    "secure": false,
                    "no-new-privs": 1,
                }),
            )
        })
    })
}

fn mounts_without() -> Verdict {
    in_trusted_directory(|directory| {
        mount("none", directory, "tmpfs", MountFlags::NOSUID, None).told("mount")?;
        let verdict = isolated_at(directory);
        unmount(directory, UnmountFlags::DETACH).told("umount")?;
        verdict
    })
}

/// Neither the bits nor the capabilities of a program in a directory count.
fn isolated_at(directory: &Path) -> Verdict {
    let program = directory.join("program");
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).told("chmod")?;
    fs::copy("/proc/self/exe", &program).told("copy")?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o6755)).told("chmod")?;
    give(&program, &capability(1 << NET_RAW, 0, true))?;
    as_user(USER, GROUP, &[], || {
        let facts = run(&program)?.map_err(|e| format!("errno {e}"))?;
        has(
            &facts,
            json!({
                "uids": ([USER; 3]),
                "gids": ([GROUP; 3]),
                "caps": [0, 0, 0],
                "secure": false,
                "dumpable": 1,
            }),
        )
    })
}

fn scripts_are_not_set_id() -> Verdict {
    with_program(0, 0, 0o755, |program| {
        let script = program.with_file_name("script");
        let text = format!("#!{} facts\n", program.display());
        fs::write(&script, text).told("write")?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o6755)).told("chmod")?;
        as_user(USER, GROUP, &[], || {
            // The script's path is taken for the name of a fact, which there is not.
            let output = Command::new(&script).args(["uid"]).output().told("exec")?;
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            check(text.contains("no fact"), || text)?;
            let plain = run(program)?.map_err(|e| format!("errno {e}"))?;
            has(&plain, json!({ "uids": ([USER; 3]), "secure": false }))
        })
    })
}

fn root_runs_programs() -> Verdict {
    let all = bounding();
    with_program(0, 0, 0o755, |program| {
        isolated(|| {
            own::capset(CAP_VERSIONS[2], 0, [0; 3]).told("capset")?;
            let facts = run(program)?.map_err(|e| format!("errno {e}"))?;
            has(
                &facts,
                json!({ "caps": [all, all, 0], "secure": false, "dumpable": 0 }),
            )
        })?;
        isolated(|| {
            one(PR_SET_SECUREBITS, NO_ROOT | KEEP_CAPS).told("securebits")?;
            let facts = run(program)?.map_err(|e| format!("errno {e}"))?;
            has(
                &facts,
                json!({
                    "caps": [0, 0, 0],
                    "secure-bits": NO_ROOT,
                    "dumpable": 1,
                }),
            )
        })?;
        isolated(|| {
            // Real root alone is permitted, but not in effect.
            set(Numbers::Setresuid, &[0, USER.into(), USER.into()])?;
            let facts = run(program)?.map_err(|e| format!("errno {e}"))?;
            has(
                &facts,
                json!({ "caps": [0, all, 0], "secure": true, "dumpable": 0 }),
            )
        })
    })
}

fn users_run_programs() -> Verdict {
    with_program(0, 0, 0o755, |program| {
        isolated(|| {
            one(PR_SET_KEEPCAPS, 1).told("keepcaps")?;
            set(Numbers::Setuid, &[USER.into()])?;
            let sets = [
                1 << NET_RAW,
                1 << NET_RAW | 1 << KILL,
                1 << NET_RAW | 1 << KILL,
            ];
            own::capset(CAP_VERSIONS[2], 0, sets).told("capset")?;
            let facts = run(program)?.map_err(|e| format!("errno {e}"))?;
            has(
                &facts,
                json!({ "caps": [0, 0, sets[2]], "secure": false, "secure-bits": 0 }),
            )?;
            ambient(RAISE, NET_RAW).told("raise")?;
            let facts = run(program)?.map_err(|e| format!("errno {e}"))?;
            has(
                &facts,
                json!({ "caps": [1 << NET_RAW, 1 << NET_RAW, sets[2]], "secure": false }),
            )
        })
    })
}

/// A value of security.capability.
fn capability(permitted: u32, inheritable: u32, effective: bool) -> Vec<u8> {
    [
        0x0200_0000 | u32::from(effective),
        permitted,
        inheritable,
        0,
        0,
    ]
    .iter()
    .flat_map(|word| word.to_le_bytes())
    .collect()
}

fn give(program: &Path, value: &[u8]) -> Verdict {
    let name = "security.capability";
    rustix::fs::setxattr(program, name, value, XattrFlags::empty()).told("setxattr")
}

fn file_capabilities() -> Verdict {
    with_program(0, 0, 0o755, |program| {
        give(program, &capability(1 << NET_RAW, 1 << KILL, true))?;
        as_user(USER, GROUP, &[], || {
            let facts = run(program)?.map_err(|e| format!("errno {e}"))?;
            let raw = 1 << NET_RAW;
            has(
                &facts,
                json!({ "caps": [raw, raw, 0], "secure": true, "dumpable": 0 }),
            )
        })?;
        as_user(USER, GROUP, &[], || {
            one(PR_SET_NO_NEW_PRIVS, 1).told("no_new_privs")?;
            let facts = run(program)?.map_err(|e| format!("errno {e}"))?;
            has(&facts, json!({ "caps": [0, 0, 0] }))
        })?;
        isolated(|| {
            one(PR_CAPBSET_DROP, NET_RAW).told("drop")?;
            set(Numbers::Setuid, &[USER.into()])?;
            same("beyond the bounding set", run(program)?.err(), Some(1))
        })?;
        give(program, &capability(0, 1 << KILL, false))?;
        isolated(|| {
            one(PR_SET_KEEPCAPS, 1).told("keepcaps")?;
            set(Numbers::Setuid, &[USER.into()])?;
            let kill = 1 << KILL;
            own::capset(CAP_VERSIONS[2], 0, [0, kill, kill]).told("capset")?;
            let facts = run(program)?.map_err(|e| format!("errno {e}"))?;
            has(&facts, json!({ "caps": [0, kill, kill] }))
        })
    })
}

fn unreadable_programs() -> Verdict {
    with_program(0, 0, 0o711, |program| {
        as_user(USER, GROUP, &[], || {
            let facts = run(program)?.map_err(|e| format!("errno {e}"))?;
            has(
                &facts,
                json!({ "uids": ([USER; 3]), "dumpable": 0, "secure": false }),
            )
        })
    })
}

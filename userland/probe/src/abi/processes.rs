//! fork, exec, wait, exit.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, getpgid, getpid, getppid, getrlimit, getsid,
    kill_process, kill_process_group, setpgid, setrlimit, setsid, wait, waitpid,
};

use berth_sys::audit::pause_ms;
use berth_sys::memory::{Region, Sharing};

use super::{Case, Told, Verdict, check, child, dies, ended, exits, fails, same};

pub const CASES: &[Case] = &[
    ("processes/fork-pids", fork_pids),
    ("processes/fork-copies-memory", fork_copies_memory),
    ("processes/exit-code", || {
        (0..256)
            .step_by(51)
            .try_for_each(|code| exits(code, || code))
    }),
    ("processes/exit-code-is-a-byte", || exits(1, || 257)),
    ("processes/wait-any", wait_any),
    ("processes/wait-does-not-hang", wait_does_not_hang),
    ("processes/wait-without-children", || {
        fails("wait", wait(WaitOptions::empty()), Errno::CHILD)
    }),
    (
        "processes/orphans-get-another-parent",
        orphans_get_another_parent,
    ),
    ("processes/kill", || {
        dies(9, || kill_process(getpid(), Signal::KILL).unwrap_or(()))
    }),
    ("processes/kill-nobody", || {
        let nobody = Pid::from_raw(0x3fff_fff0).ok_or("pid")?;
        fails("kill", kill_process(nobody, Signal::TERM), Errno::SRCH)
    }),
    ("processes/groups", groups),
    ("processes/sessions", sessions),
    ("processes/spawn", spawn),
    ("processes/spawn-missing", spawn_missing),
    ("processes/exec-arguments", exec_arguments),
    ("processes/exec-not-runnable", exec_not_runnable),
    ("processes/exec-script", exec_script),
    ("processes/exec-many-arguments", exec_many_arguments),
    ("processes/exec-too-much", exec_too_much),
    ("processes/many", many),
];

fn fork_pids() -> Verdict {
    let me = getpid();
    exits(0, || i32::from(getppid() != Some(me) || getpid() == me))
}

fn fork_copies_memory() -> Verdict {
    let pages = Region::anonymous(4, Sharing::Private).told("mmap")?;
    pages.write(0, 1);
    pages.write(4096, 1);
    exits(0, || {
        let seen = (pages.read(0), pages.read(4096), pages.read(8192));
        pages.write(0, 2);
        pages.write(8192, 2);
        i32::from(seen != (1, 1, 0) || pages.read(0) != 2)
    })?;
    same(
        "after the child wrote",
        (pages.read(0), pages.read(8192)),
        (1, 0),
    )
}

fn wait_any() -> Verdict {
    let mut pids = vec![child(|| 1)?, child(|| 1)?, child(|| 1)?];
    while !pids.is_empty() {
        let (pid, status) = wait(WaitOptions::empty()).told("wait")?.ok_or("nothing")?;
        same("exit", status.exit_status(), Some(1))?;
        check(pids.contains(&pid), || format!("{pid:?} is no child"))?;
        pids.retain(|one| *one != pid);
    }
    fails("wait", wait(WaitOptions::empty()), Errno::CHILD)
}

fn wait_does_not_hang() -> Verdict {
    let pid = child(|| {
        pause_ms(60_000);
        0
    })?;
    let waited = waitpid(Some(pid), WaitOptions::NOHANG).told("wait")?;
    check(waited.is_none(), || "has ended already".to_owned())?;
    kill_process(pid, Signal::KILL).told("kill")?;
    same("signal", ended(pid)?.terminating_signal(), Some(9))
}

fn orphans_get_another_parent() -> Verdict {
    let (reader, writer) = crate::small::pipe().told("pipe")?;
    let parent = child(|| {
        let me = getpid();
        let grandchild = child(|| {
            for _ in 0..2000 {
                if getppid() != Some(me) {
                    return i32::from(rustix::io::write(&writer, b"x") != Ok(1));
                }
                pause_ms(1);
            }
            1
        });
        i32::from(grandchild.is_err())
    })?;
    same("exit", ended(parent)?.exit_status(), Some(0))?;
    drop(writer);
    same(
        "from the orphan",
        std::io::read_to_string(reader).told("read")?,
        "x".to_owned(),
    )
}

fn groups() -> Verdict {
    let pid = child(|| {
        pause_ms(60_000);
        0
    })?;
    setpgid(Some(pid), None).told("setpgid")?;
    same("group", getpgid(Some(pid)).told("getpgid")?, pid)?;
    check(getpgid(None).told("getpgid")? != pid, || {
        "the parent is in it, too".to_owned()
    })?;
    kill_process_group(pid, Signal::TERM).told("kill")?;
    same("signal", ended(pid)?.terminating_signal(), Some(15))
}

fn sessions() -> Verdict {
    exits(0, || {
        let me = getpid();
        let own = setsid() == Ok(me) && getsid(None) == Ok(me) && getpgid(None) == Ok(me);
        i32::from(!own || setsid() != Err(Errno::PERM))
    })
}

fn own() -> Result<Command, String> {
    Ok(Command::new(std::env::current_exe().told("own path")?))
}

fn spawn() -> Verdict {
    let status = own()?.args(["exit", "42"]).status().told("exec")?;
    same("exit", status.code(), Some(42))?;
    let status = own()?
        .args(["fault", "ud2"])
        .stderr(Stdio::null())
        .status()
        .told("exec")?;
    same("signal", status.signal(), Some(4))
}

fn spawn_missing() -> Verdict {
    let error = Command::new("/nonexistent/program")
        .spawn()
        .err()
        .ok_or("was found")?;
    same("errno", error.raw_os_error(), Some(2))
}

fn exec_arguments() -> Verdict {
    let mut command = own()?;
    command
        .args(["facts", "args", "env", "cwd"])
        .env_clear()
        .env("A", "1 2")
        .current_dir("/");
    let output = command.output().told("exec")?;
    let text = String::from_utf8(output.stdout).told("output")?;
    let own = std::env::current_exe().told("own path")?;
    let expected = [
        r#"{"fact":"cwd","value":"/"}"#.to_owned(),
        format!(
            r#"{{"fact":"args","value":["{}","facts","args","env","cwd"]}}"#,
            own.display()
        ),
        r#"{"fact":"env","value":[["A","1 2"]]}"#.to_owned(),
    ];
    same(
        "facts",
        text.lines().map(str::to_owned).collect::<Vec<_>>(),
        expected.to_vec(),
    )
}

fn exec_not_runnable() -> Verdict {
    super::files::in_directory(|directory| {
        let plain = directory.join("plain");
        std::fs::write(&plain, "no program").told("write")?;
        let error = Command::new(&plain)
            .spawn()
            .err()
            .ok_or("ran without permission")?;
        same(
            "errno",
            error.raw_os_error(),
            Some(Errno::ACCESS.raw_os_error()),
        )?;
        let error = Command::new(directory)
            .spawn()
            .err()
            .ok_or("ran a directory")?;
        same(
            "errno",
            error.raw_os_error(),
            Some(Errno::ACCESS.raw_os_error()),
        )?;
        super::files::make_runnable(&plain)?;
        let error = Command::new(&plain).spawn().err().ok_or("ran")?;
        same(
            "errno",
            error.raw_os_error(),
            Some(Errno::NOEXEC.raw_os_error()),
        )
    })
}

fn exec_script() -> Verdict {
    super::files::in_directory(|directory| {
        let script = directory.join("script");
        let own = std::env::current_exe().told("own path")?;
        std::fs::write(&script, format!("#!{} facts\n", own.display())).told("write")?;
        super::files::make_runnable(&script)?;
        let output = Command::new(&script).arg("args").output().told("exec")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // The interpreter, its one argument, the script; here that is no fact.
        check(text.is_empty() && output.status.code() == Some(2), || {
            format!("{text:?}")
        })?;
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        check(complaint.contains("script"), || format!("{complaint:?}"))
    })
}

fn exec_many_arguments() -> Verdict {
    super::files::in_directory(|directory| {
        let script = directory.join("script");
        let text = "#!/bin/sh\necho $0 $# $1 ${20000} ${#BIG} ${#EMPTY} $LAST\n";
        std::fs::write(&script, text).told("write")?;
        super::files::make_runnable(&script)?;
        let output = Command::new(&script)
            .args((0..20_000).map(|n| format!("a{n}")))
            .env_clear()
            .env("BIG", "x".repeat(100_000))
            .env("EMPTY", "")
            .env("LAST", "z")
            .output()
            .told("exec")?;
        let expected = format!("{} 20000 a0 a19999 100000 0 z\n", script.display());
        same(
            "output",
            String::from_utf8_lossy(&output.stdout),
            expected.into(),
        )
    })
}

/// One string is too long, or all together are; the caller is as it was.
fn exec_too_much() -> Verdict {
    let limit = Rlimit {
        current: Some(8 << 20),
        maximum: getrlimit(Resource::Stack).maximum,
    };
    setrlimit(Resource::Stack, limit).told("setrlimit")?;
    let run = |args: Vec<String>| {
        let status = Command::new("/bin/true").env_clear().args(args).status();
        status
            .map(|status| status.code())
            .map_err(|error| error.raw_os_error())
    };
    let too_big = Err(Some(Errno::TOOBIG.raw_os_error()));
    same("long", run(vec!["x".repeat((128 << 10) - 1)]), Ok(Some(0)))?;
    same("longer", run(vec!["x".repeat(128 << 10)]), too_big)?;
    let kilobytes = |count| vec!["x".repeat(1023); count];
    same("much", run(kilobytes(2000)), Ok(Some(0)))?;
    same("more", run(kilobytes(2048)), too_big)?;
    exits(3, || 3)
}

fn many() -> Verdict {
    (0..100).try_for_each(|turn| exits(turn, || turn))
}

use super::*;
use crate::document::parse;

fn text_of(json: &str) -> Result<String, String> {
    both_of(json).map(|(text, _)| text)
}

fn both_of(json: &str) -> Result<(String, Vec<String>), String> {
    let document = parse(json.as_bytes()).unwrap();
    let available = CapabilitySet::all() - CapabilitySet::SYS_BOOT;
    translate(&document, available).map_err(|refusal| refusal.to_string())
}

/// The lines that `more` adds to the smallest configuration.
fn lines(more: &str) -> Result<Vec<String>, String> {
    let text = text_of(&format!(
        r#"{{"ociVersion":"1.0.2","root":{{"path":"rootfs"}}{more}}}"#
    ))?;
    let rest = text
        .strip_prefix("oci_version=1.0.2\nroot_path=rootfs\n")
        .unwrap();
    Ok(rest.lines().map(str::to_owned).collect())
}

fn process(more: &str) -> Result<Vec<String>, String> {
    Ok(lines(&format!(r#","process":{{"cwd":"/"{more}}}"#))?.split_off(1))
}

#[test]
fn every_enforced_property_has_its_line() {
    let cases: &[(&str, &[&str])] = &[
        ("", &[]),
        (r#","hostname":"h""#, &["hostname=h"]),
        (r#","hostname":"""#, &[]),
        (
            r#","annotations":{"b":"1","a":"x:y,\\z\n=w"}"#,
            &["annotation=a=x\\:y\\,\\\\z\\n=w", "annotation=b=1"],
        ),
        (r#","process":{"cwd":"/a b"}"#, &["process_cwd=/a b"]),
        (
            r#","process":{"cwd":"/","user":{"uid":1,"gid":4294967295}}"#,
            &["process_cwd=/", "process_uid=1", "process_gid=4294967295"],
        ),
        (r#","domainname":"d""#, &["domainname=d"]),
        (
            r#","process":{"cwd":"/","user":{"uid":1,"gid":2,"additionalGids":[5,4],"umask":63}}"#,
            &[
                "process_cwd=/",
                "process_uid=1",
                "process_gid=2",
                "process_additional_gid=5",
                "process_additional_gid=4",
                "process_umask=077",
            ],
        ),
        (
            r#","process":{"cwd":"/","noNewPrivileges":true,"oomScoreAdj":-7,"rlimits":[{"type":"RLIMIT_CORE","soft":1,"hard":18446744073709551615}]}"#,
            &[
                "process_cwd=/",
                "process_no_new_privs=true",
                "process_rlimit=RLIMIT_CORE:1:18446744073709551615",
                "process_oom_score_adj=-7",
            ],
        ),
        (
            r#","mounts":[{"destination":"/proc","type":"proc","source":"proc"}]"#,
            &["mount=/proc:proc:proc"],
        ),
        (
            r#","mounts":[{"destination":"/t","type":"tmpfs","options":["size=1k","mode=700"]}]"#,
            &["mount=/t:tmpfs::size=1k,mode=700"],
        ),
        (
            r#","mounts":[{"destination":"/b","type":"none","source":"a:b","options":["rbind","ro"]}]"#,
            &["mount=/b:bind:a\\:b:rbind,ro"],
        ),
        (
            r#","mounts":[{"destination":"/b","source":"s","options":["bind"]}]"#,
            &["mount=/b:bind:s:bind"],
        ),
        (
            r#","linux":{"namespaces":[{"type":"pid"},{"type":"uts","path":""},{"type":"mount","path":"/n:s"}]}"#,
            &["namespace=pid", "namespace=uts", "namespace=mount:/n\\:s"],
        ),
        (
            r#","linux":{"resources":{"memory":{"limit":1048576},"pids":{"limit":0}}}"#,
            &["memory_limit=1048576", "pids_limit=0"],
        ),
        (
            r#","linux":{"resources":{"memory":{"limit":0,"reservation":0,"swap":0,"checkBeforeUpdate":false},"cpu":{"shares":0,"quota":0,"period":0,"cpus":"","mems":null},"unified":{}}}"#,
            &[],
        ),
        (
            r#","linux":{"resources":{"memory":{"limit":-1,"reservation":-1,"swap":-1},"cpu":{"quota":-1},"pids":{"limit":-1}}}"#,
            &[
                "memory_limit=0",
                "memory_reservation=-1",
                "memory_swap=-1",
                "cpu_quota=0",
                "pids_limit=-1",
            ],
        ),
        (
            r#","linux":{"resources":{"cpu":{"shares":512,"quota":2000,"burst":0,"period":3000,"cpus":"0","mems":"0","idle":1},"memory":{"swap":9,"checkBeforeUpdate":true,"reservation":5,"limit":9}}}"#,
            &[
                "memory_limit=9",
                "memory_reservation=5",
                "memory_swap=9",
                "cpu_shares=512",
                "cpu_quota=2000",
                "cpu_period=3000",
                "cpu_burst=0",
                "cpu_idle=1",
                "memory_check_before_update=true",
                "cpu_cpus=0",
                "cpu_mems=0",
            ],
        ),
        (
            r#","linux":{"cgroupsPath":"/a:b","resources":{"unified":{"memory.high":"4096","a":"c\nd=e"}}}"#,
            &[
                "cgroups_path=/a:b",
                "unified=a=c\\nd=e",
                "unified=memory.high=4096",
            ],
        ),
        (
            r#","linux":{"resources":{"devices":[{"allow":false},{"allow":true,"type":"c","major":1,"minor":3,"access":"rw"},{"allow":true,"type":"b","major":-1,"minor":2,"access":""}]}}"#,
            &[
                "cgroup_device=deny:a:*:*:rwm",
                "cgroup_device=allow:c:1:3:rw",
                "cgroup_device=allow:b:*:2:rwm",
            ],
        ),
        (
            r#","hooks":{"poststop":[{"path":"/p"}],"prestart":[{"path":"/h:1","args":["h","a\nb"],"env":["A=1"],"timeout":5}]}"#,
            &[
                "hook_prestart=/h\\:1:5",
                "hook_arg=h",
                "hook_arg=a",
                "hook_arg_line=b",
                "hook_env=A=1",
                "hook_poststop=/p",
            ],
        ),
    ];
    for (json, expected) in cases {
        assert_eq!(
            lines(json).as_deref(),
            Ok(&expected.iter().map(|s| s.to_string()).collect::<Vec<_>>()[..]),
            "{json}"
        );
    }
}

#[test]
fn readonly_is_a_line_of_its_own() {
    let text = text_of(r#"{"ociVersion":"1.3.0","root":{"path":"/r","readonly":true}}"#);
    assert_eq!(
        text.unwrap(),
        "oci_version=1.3.0\nroot_path=/r\nroot_readonly=true\n"
    );
}

#[test]
fn arguments_come_through_byte_for_byte() {
    assert_eq!(
        process(r#","args":["sh","-c","  a = b\n\n#c:,\\\n",""],"env":["A=1\n2"]"#).unwrap(),
        [
            "process_arg=sh",
            "process_arg=-c",
            "process_arg=  a = b",
            "process_arg_line=",
            "process_arg_line=#c:,\\",
            "process_arg_line=",
            "process_arg=",
            "process_env=A=1",
            "process_env_line=2",
        ]
    );
}

#[test]
fn values_that_ask_for_nothing_leave_no_line() {
    let nothing = r#","terminal":false,"noNewPrivileges":false,"rlimits":[],"capabilities":{"bounding":[]},"consoleSize":{"height":1,"width":1}"#;
    assert_eq!(process(nothing).unwrap(), [""; 0]);
    assert_eq!(lines(r#","linux":{"resources":{"memory":{"limit":0}},"seccomp":null},"hooks":{"poststart":[]},"process":null"#).unwrap(), [""; 0]);
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        (r#","hostname":7"#, "/hostname: must be a string"),
        (
            r#","hostname":"a\nroot_path=/""#,
            "/hostname: must not contain a newline",
        ),
        (r#","annotations":{"a=b":""}"#, "/annotations/a=b: the name"),
        (
            r#","annotations":{"a":1}"#,
            "/annotations/a: must be a string",
        ),
        (r#","process":{}"#, "/process/cwd: required"),
        (
            r#","process":{"cwd":"/","args":"sh"}"#,
            "/process/args: must be an array",
        ),
        (
            r#","process":{"cwd":"/","args":[null]}"#,
            "/process/args/0: must be a string",
        ),
        (
            r#","process":{"cwd":"/","user":{"uid":0}}"#,
            "/process/user/gid: required",
        ),
        (
            r#","process":{"cwd":"/","user":{"uid":-1,"gid":0}}"#,
            "/process/user/uid: must be an integer",
        ),
        (
            r#","process":{"cwd":"/","user":{"uid":4294967296,"gid":0}}"#,
            "/process/user/uid: must be an integer",
        ),
        (
            r#","process":{"cwd":"/","terminal":true}"#,
            "/process/terminal: not enforced by this build",
        ),
        (
            r#","process":{"cwd":"/","noNewPrivileges":1}"#,
            "/process/noNewPrivileges: must be true or false",
        ),
        (
            r#","process":{"cwd":"/","rlimits":[{"type":"RLIMIT_CPU","soft":-1,"hard":0}]}"#,
            "/process/rlimits/0/soft: must be an integer",
        ),
        (
            r#","mounts":[{"type":"proc"}]"#,
            "/mounts/0/destination: required",
        ),
        (
            r#","mounts":[{"destination":"/x"}]"#,
            "/mounts/0: type is required",
        ),
        (
            r#","mounts":[{"destination":"/x","type":"tmpfs","options":[1]}]"#,
            "/mounts/0/options/0: must be",
        ),
        (
            r#","hooks":{"prestart":[{"args":[]}]}"#,
            "/hooks/prestart/0/path: required",
        ),
        (
            r#","hooks":{"prestart":[{"path":"/h","timeout":0}]}"#,
            "/hooks/prestart/0/timeout: must be greater",
        ),
        (
            r#","hooks":{"prestart":[{"path":"/h","timeout":-1}]}"#,
            "/hooks/prestart/0/timeout: must be an integer",
        ),
        (
            r#","hooks":{"createRuntime":[{"args":["h"]}]}"#,
            "/hooks/createRuntime/0/path: required",
        ),
        (
            r#","linux":{"namespaces":[{}]}"#,
            "/linux/namespaces/0/type: required",
        ),
        (
            r#","linux":{"resources":{"memory":{"limit":"64M"}}}"#,
            "/linux/resources/memory/limit: must be an integer",
        ),
        (
            r#","linux":{"resources":{"memory":{"kernel":1048576}}}"#,
            "/linux/resources/memory/kernel: not enforced by this build",
        ),
        (
            r#","linux":{"resources":{"devices":[{"type":"c"}]}}"#,
            "/linux/resources/devices/0/allow: required",
        ),
        (
            r#","linux":{"resources":{"unified":{"a=b":"1"}}}"#,
            "/linux/resources/unified/a=b: no file of a control group has this name",
        ),
        (
            r#","linux":{"seccomp":{"defaultAction":"SCMP_ACT_ALLOW"}}"#,
            "/linux/seccomp/defaultAction: not enforced",
        ),
    ];
    for (json, expected) in cases {
        let error = lines(json).unwrap_err();
        assert!(
            error.starts_with(&format!("config.json: {expected}")),
            "{json}: {error}"
        );
    }
    assert!(text_of("{}").unwrap_err().contains("/ociVersion: required"));
    assert!(
        text_of(r#"{"ociVersion":"1.0.2"}"#)
            .unwrap_err()
            .contains("/root: required")
    );
    assert!(text_of("[]").unwrap_err().contains("/: must be an object"));
}

#[test]
fn capabilities_that_there_are_not_are_left_out_with_a_warning() {
    let json = r#"{"ociVersion":"1.0.2","root":{"path":"r"},"process":{"cwd":"/","capabilities":{
        "bounding":["CAP_KILL","CAP_X","cap_kill","CAP_CHOWN"],"ambient":["CAP_X","CAP_SYS_BOOT"],"permitted":[]}}}"#;
    let (text, warnings) = both_of(json).unwrap();
    let lines: Vec<_> = text.lines().skip(3).collect();
    assert_eq!(lines, ["process_capability=bounding:CAP_KILL,CAP_CHOWN"]);
    assert_eq!(
        warnings,
        ["ignoring unknown or unavailable capabilities: [CAP_X cap_kill CAP_SYS_BOOT]"]
    );
}

/// What one side writes the other side reads: the kernel's parser gives back every value.
#[test]
fn the_kernel_reads_what_is_written() {
    let odd = "a:b,c\\d\ne =  #f";
    let json = serde_json::json!({
        "ociVersion": "1.3.0",
        "root": {"path": " root:fs", "readonly": true},
        "hostname": " h ",
        "annotations": {"k:,\\\n": odd, "empty": ""},
        "process": {
            "cwd": "/ x",
            "user": {"uid": 7, "gid": 8},
            "args": ["sh", odd, " x ", "a\n"],
            "env": [format!("A={odd}"), "B="],
        },
        "mounts": [{"destination": odd, "type": odd, "source": odd, "options": [odd, "ro"]}],
        "hooks": {"prestart": [{"path": format!("/{odd}"), "args": [odd], "env": [format!("C={odd}")], "timeout": 3}]},
        "linux": {"namespaces": [{"type": "uts", "path": format!("/{odd}")}, {"type": "pid"}]},
    });
    let (text, _) = translate(&json, CapabilitySet::all()).unwrap();
    let config = berth_oci::OciConfig::parse(&text).unwrap();
    assert_eq!(
        (config.root.path.as_str(), config.root.readonly),
        (" root:fs", true)
    );
    assert_eq!(config.hostname.as_deref(), Some(" h "));
    let annotations = config
        .annotations
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()));
    assert_eq!(
        annotations.collect::<Vec<_>>(),
        [("empty", ""), ("k:,\\\n", odd)]
    );
    let process = config.process.unwrap();
    assert_eq!(
        (process.cwd.as_str(), process.uid, process.gid),
        ("/ x", 7, 8)
    );
    assert_eq!(process.args, ["sh", odd, " x ", "a\n"]);
    assert_eq!(process.env, [format!("A={odd}"), "B=".to_owned()]);
    let mount = &config.mounts[0];
    assert_eq!(
        (&*mount.destination, &*mount.mount_type, &*mount.source),
        (odd, odd, odd)
    );
    assert_eq!(mount.options, [odd, "ro"]);
    let hook = &config.hooks.prestart[0];
    assert_eq!(
        (hook.path.clone(), hook.timeout_secs),
        (format!("/{odd}"), 3)
    );
    assert_eq!(
        (hook.args.clone(), hook.env.clone()),
        (vec![odd.to_owned()], vec![format!("C={odd}")])
    );
    let uts = &config.linux.namespaces[0];
    assert_eq!(uts.path, Some(format!("/{odd}")));
    assert_eq!(config.linux.namespaces.len(), 2);
}

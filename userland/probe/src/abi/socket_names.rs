//! Sockets of AF_UNIX with names: binding, connecting, accepting.

use std::os::fd::OwnedFd;
use std::path::Path;

use berth_sys::audit::pause_ms;
use berth_sys::handler::{self, Manner};
use rustix::event::PollFlags;
use rustix::io::{Errno, read, write};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType, accept,
    accept_with, bind, connect, getpeername, getsockname, listen, recv, recvfrom, sendto, shutdown,
    socket_with, sockopt,
};

use super::files::in_directory;
use super::sockets::{next, pair, put, ready};
use super::{Case, Told, Verdict, as_user, check, child, ended, fails, same};

pub const CASES: &[Case] = &[
    ("sockets/path-is-a-file", path_is_a_file),
    ("sockets/names-told", names_told),
    ("sockets/name-in-use", name_in_use),
    ("sockets/bad-names", bad_names),
    ("sockets/names-without-files", names_without_files),
    ("sockets/names-given", names_given),
    ("sockets/connect-and-accept", connect_and_accept),
    ("sockets/nobody-listens", nobody_listens),
    ("sockets/wrong-type", wrong_type),
    ("sockets/no-permission", no_permission),
    ("sockets/name-follows-the-file", name_follows_the_file),
    ("sockets/backlog", backlog),
    ("sockets/accept-waits", accept_waits),
    ("sockets/connect-waits", connect_waits),
    ("sockets/listener-ends", listener_ends),
    ("sockets/connect-twice", connect_twice),
    ("sockets/not-connected", not_connected),
    ("sockets/poll-listener", poll_listener),
    ("sockets/datagrams-by-name", datagrams_by_name),
    ("sockets/datagrams-connected", datagrams_connected),
    ("sockets/datagram-queue", datagram_queue),
    ("sockets/shutdown-listener", shutdown_listener),
];

fn make(kind: SocketType, flags: SocketFlags) -> Result<OwnedFd, String> {
    socket_with(
        AddressFamily::UNIX,
        kind,
        flags | SocketFlags::CLOEXEC,
        None,
    )
    .told("socket")
}

fn plain(kind: SocketType) -> Result<OwnedFd, String> {
    make(kind, SocketFlags::empty())
}

fn at(path: &Path) -> Result<SocketAddrUnix, String> {
    SocketAddrUnix::new(path).told("address")
}

/// A name without a file that only this process uses.
fn unnamed(name: &str) -> Result<SocketAddrUnix, String> {
    let own = format!("probe-{}-{name}", std::process::id());
    SocketAddrUnix::new_abstract_name(own.as_bytes()).told("address")
}

fn listener(address: &SocketAddrUnix) -> Result<OwnedFd, String> {
    let socket = plain(SocketType::STREAM)?;
    bind(&socket, address).told("bind")?;
    listen(&socket, 5).told("listen")?;
    Ok(socket)
}

fn client(address: &SocketAddrUnix) -> Result<OwnedFd, String> {
    let socket = plain(SocketType::STREAM)?;
    connect(&socket, address).told("connect")?;
    Ok(socket)
}

fn unix(address: rustix::net::SocketAddrAny) -> Result<SocketAddrUnix, String> {
    SocketAddrUnix::try_from(address).told("address")
}

fn path_is_a_file() -> Verdict {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    in_directory(|directory| {
        let path = directory.join("s");
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o027));
        let socket = plain(SocketType::STREAM)?;
        bind(&socket, &at(&path)?).told("bind")?;
        let found = std::fs::symlink_metadata(&path).told("stat")?;
        check(found.file_type().is_socket(), || "no socket".to_owned())?;
        same("mode", found.mode() & 0o777, 0o750)?;
        let refused = std::fs::File::open(&path).err().map(|e| e.raw_os_error());
        same("open", refused, Some(Some(Errno::NXIO.raw_os_error())))?;
        // The file outlives the socket.
        drop(socket);
        check(path.exists(), || "gone".to_owned())
    })
}

fn names_told() -> Verdict {
    in_directory(|directory| {
        let address = at(&directory.join("s"))?;
        let socket = plain(SocketType::STREAM)?;
        let before = unix(getsockname(&socket).told("getsockname")?)?;
        same("path", before.path_bytes(), None)?;
        bind(&socket, &address).told("bind")?;
        same(
            "name",
            unix(getsockname(&socket).told("getsockname")?)?,
            address.clone(),
        )?;
        listen(&socket, 1).told("listen")?;
        let near = client(&address)?;
        same(
            "peer",
            unix(getpeername(&near).told("getpeername")?.ok_or("none")?)?,
            address.clone(),
        )?;
        let far = accept(&socket).told("accept")?;
        same(
            "name",
            unix(getsockname(&far).told("getsockname")?)?,
            address.clone(),
        )?;
        let peer = unix(getpeername(&far).told("getpeername")?.ok_or("none")?)?;
        same("path", peer.path_bytes(), None)?;
        // Told even when the other end has gone.
        drop((far, socket));
        same(
            "peer",
            unix(getpeername(&near).told("getpeername")?.ok_or("none")?)?,
            address,
        )
    })
}

fn name_in_use() -> Verdict {
    in_directory(|directory| {
        let address = at(&directory.join("s"))?;
        let first = plain(SocketType::STREAM)?;
        bind(&first, &address).told("bind")?;
        fails(
            "twice",
            bind(&first, &at(&directory.join("t"))?),
            Errno::INVAL,
        )?;
        let second = plain(SocketType::DGRAM)?;
        fails("bind", bind(&second, &address), Errno::ADDRINUSE)?;
        drop(first);
        fails("still", bind(&second, &address), Errno::ADDRINUSE)?;
        std::fs::remove_file(directory.join("s")).told("unlink")?;
        bind(&second, &address).told("bind")
    })
}

fn bad_names() -> Verdict {
    in_directory(|directory| {
        let socket = plain(SocketType::STREAM)?;
        let bind_at = |path: &str| Ok::<_, String>(bind(&socket, &at(&directory.join(path))?));
        fails("no directory", bind_at("no/s")?, Errno::NOENT)?;
        std::fs::write(directory.join("f"), "").told("write")?;
        fails("a file", bind_at("f")?, Errno::ADDRINUSE)?;
        fails("below a file", bind_at("f/s")?, Errno::NOTDIR)?;
        std::os::unix::fs::symlink("nowhere", directory.join("l")).told("symlink")?;
        fails("a link", bind_at("l")?, Errno::ADDRINUSE)?;
        let connect_at =
            |path: &str| Ok::<_, String>(connect(&socket, &at(&directory.join(path))?));
        fails("nothing", connect_at("no")?, Errno::NOENT)?;
        fails("no socket", connect_at("f")?, Errno::CONNREFUSED)?;
        let inet = rustix::net::SocketAddrV4::new(rustix::net::Ipv4Addr::LOCALHOST, 1);
        fails("family", connect(&socket, &inet), Errno::INVAL)?;
        fails("family", bind(&socket, &inet), Errno::INVAL)
    })
}

fn names_without_files() -> Verdict {
    let address = unnamed("a")?;
    let socket = listener(&address)?;
    same(
        "name",
        unix(getsockname(&socket).told("getsockname")?)?,
        address.clone(),
    )?;
    let second = plain(SocketType::STREAM)?;
    fails("bind", bind(&second, &address), Errno::ADDRINUSE)?;
    let near = client(&address)?;
    put(&near, b"x")?;
    let far = accept(&socket).told("accept")?;
    same("read", next(&far, 9)?, b"x".to_vec())?;
    // The name goes with the socket, whoever it accepted.
    drop(socket);
    fails("connect", connect(&second, &address), Errno::CONNREFUSED)?;
    bind(&second, &address).told("bind")?;
    fails(
        "nobody",
        connect(plain(SocketType::STREAM)?, &unnamed("b")?),
        Errno::CONNREFUSED,
    )
}

fn names_given() -> Verdict {
    let socket = plain(SocketType::DGRAM)?;
    bind(&socket, &SocketAddrUnix::new_unnamed()).told("bind")?;
    let name = unix(getsockname(&socket).told("getsockname")?)?;
    let given = name.abstract_name().map(<[u8]>::len);
    same("length", given, Some(5))?;
    let other = plain(SocketType::DGRAM)?;
    sendto(&other, b"found", SendFlags::empty(), &name).told("sendto")?;
    same("read", next(&socket, 9)?, b"found".to_vec())
}

fn connect_and_accept() -> Verdict {
    for kind in [SocketType::STREAM, SocketType::SEQPACKET] {
        in_directory(|directory| {
            let address = at(&directory.join("s"))?;
            let socket = plain(kind)?;
            bind(&socket, &address).told("bind")?;
            listen(&socket, 5).told("listen")?;
            same(
                "listens",
                sockopt::socket_acceptconn(&socket).told("option")?,
                true,
            )?;
            let near = plain(kind)?;
            connect(&near, &address).told("connect")?;
            // Before anybody accepts.
            put(&near, b"early")?;
            let far = accept_with(&socket, SocketFlags::NONBLOCK).told("accept")?;
            same("read", next(&far, 9)?, b"early".to_vec())?;
            fails("read", read(&far, &mut [0; 1]), Errno::AGAIN)?;
            put(&far, b"back")?;
            same("read", next(&near, 9)?, b"back".to_vec())?;
            drop(near);
            same("end", next(&far, 9)?, Vec::new())
        })?;
    }
    Ok(())
}

fn nobody_listens() -> Verdict {
    in_directory(|directory| {
        let address = at(&directory.join("s"))?;
        let socket = plain(SocketType::STREAM)?;
        bind(&socket, &address).told("bind")?;
        let near = plain(SocketType::STREAM)?;
        fails("connect", connect(&near, &address), Errno::CONNREFUSED)?;
        drop(socket);
        fails("connect", connect(&near, &address), Errno::CONNREFUSED)
    })
}

fn wrong_type() -> Verdict {
    in_directory(|directory| {
        let address = at(&directory.join("s"))?;
        let _socket = listener(&address)?;
        for kind in [SocketType::DGRAM, SocketType::SEQPACKET] {
            fails("connect", connect(plain(kind)?, &address), Errno::PROTOTYPE)?;
        }
        let datagrams = plain(SocketType::DGRAM)?;
        fails("listen", listen(&datagrams, 1), Errno::OPNOTSUPP)?;
        fails("accept", accept(&datagrams), Errno::OPNOTSUPP)?;
        let unbound = plain(SocketType::STREAM)?;
        fails("listen", listen(&unbound, 1), Errno::INVAL)?;
        fails("accept", accept(&unbound), Errno::INVAL)
    })
}

fn no_permission() -> Verdict {
    use std::os::unix::fs::PermissionsExt;
    in_directory(|directory| {
        let path = directory.join("s");
        let address = at(&path)?;
        let _socket = listener(&address)?;
        let open = |path: &Path, mode| {
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).told("chmod")
        };
        open(directory, 0o755)?;
        open(&path, 0o755)?;
        as_user(1000, 1000, &[], || {
            fails(
                "connect",
                connect(plain(SocketType::STREAM)?, &address),
                Errno::ACCESS,
            )
        })?;
        open(&path, 0o722)?;
        as_user(1000, 1000, &[], || client(&address).map(drop))?;
        as_user(1000, 1000, &[], || {
            let there = at(&directory.join("t"))?;
            fails(
                "bind",
                bind(plain(SocketType::STREAM)?, &there),
                Errno::ACCESS,
            )
        })
    })
}

fn name_follows_the_file() -> Verdict {
    in_directory(|directory| {
        let (old, new) = (directory.join("s"), directory.join("t"));
        let socket = listener(&at(&old)?)?;
        std::fs::rename(&old, &new).told("rename")?;
        fails(
            "connect",
            connect(plain(SocketType::STREAM)?, &at(&old)?),
            Errno::NOENT,
        )?;
        client(&at(&new)?)?;
        std::fs::hard_link(&new, &old).told("link")?;
        client(&at(&old)?)?;
        std::fs::remove_file(&new).told("unlink")?;
        client(&at(&old)?)?;
        std::fs::remove_file(&old).told("unlink")?;
        // Another one has the path now.
        let second = listener(&at(&old)?)?;
        let near = client(&at(&old)?)?;
        put(&near, b"x")?;
        same(
            "read",
            next(&accept(&second).told("accept")?, 1)?,
            b"x".to_vec(),
        )?;
        same("first", ready(&socket, PollFlags::IN)?, PollFlags::IN)
    })
}

fn backlog() -> Verdict {
    let address = unnamed("backlog")?;
    let socket = plain(SocketType::STREAM)?;
    bind(&socket, &address).told("bind")?;
    listen(&socket, 1).told("listen")?;
    let mut near = Vec::new();
    let refused = loop {
        let next = make(SocketType::STREAM, SocketFlags::NONBLOCK)?;
        match connect(&next, &address) {
            Ok(()) => near.push(next),
            Err(errno) => break errno,
        }
        check(near.len() < 100, || "no end".to_owned())?;
    };
    same("refused", refused, Errno::AGAIN)?;
    same("connections", near.len(), 2)?;
    accept(&socket).told("accept")?;
    let again = make(SocketType::STREAM, SocketFlags::NONBLOCK)?;
    connect(&again, &address).told("connect")
}

fn accept_waits() -> Verdict {
    let address = unnamed("waits")?;
    let socket = listener(&address)?;
    let pid = child(|| {
        pause_ms(20);
        i32::from(client(&address).and_then(|near| put(&near, b"x")).is_err())
    })?;
    let far = accept(&socket).told("accept")?;
    same("read", next(&far, 9)?, b"x".to_vec())?;
    same("exit", ended(pid)?.exit_status(), Some(0))?;
    rustix::fs::fcntl_setfl(&socket, rustix::fs::OFlags::NONBLOCK).told("fcntl")?;
    fails("accept", accept(&socket), Errno::AGAIN)
}

fn connect_waits() -> Verdict {
    let address = unnamed("connect-waits")?;
    let socket = plain(SocketType::STREAM)?;
    bind(&socket, &address).told("bind")?;
    listen(&socket, 0).told("listen")?;
    let _first = client(&address)?;
    let pid = child(|| i32::from(client(&address).and_then(|near| put(&near, b"2")).is_err()))?;
    pause_ms(20);
    accept(&socket).told("accept")?;
    let second = accept(&socket).told("accept")?;
    same("read", next(&second, 9)?, b"2".to_vec())?;
    same("exit", ended(pid)?.exit_status(), Some(0))
}

fn listener_ends() -> Verdict {
    let address = unnamed("ends")?;
    let socket = listener(&address)?;
    let near = client(&address)?;
    drop(socket);
    fails("read", read(&near, &mut [0; 1]), Errno::CONNRESET)?;
    same("end", next(&near, 1)?, Vec::new())?;
    handler::count(13, Manner::Interrupt).told("sigaction")?;
    fails("write", write(&near, b"x"), Errno::PIPE)
}

fn connect_twice() -> Verdict {
    let address = unnamed("twice")?;
    let socket = listener(&address)?;
    let near = client(&address)?;
    fails("connect", connect(&near, &address), Errno::ISCONN)?;
    fails("listen", listen(&near, 1), Errno::INVAL)?;
    fails("connect", connect(&socket, &address), Errno::INVAL)?;
    fails(
        "sendto",
        sendto(&near, b"x", SendFlags::empty(), &address),
        Errno::ISCONN,
    )
}

fn not_connected() -> Verdict {
    let address = unnamed("not")?;
    let stream = plain(SocketType::STREAM)?;
    fails("read", read(&stream, &mut [0; 1]), Errno::INVAL)?;
    fails("write", write(&stream, b"x"), Errno::NOTCONN)?;
    fails(
        "sendto",
        sendto(&stream, b"x", SendFlags::empty(), &address),
        Errno::OPNOTSUPP,
    )?;
    fails("peer", getpeername(&stream), Errno::NOTCONN)?;
    let packets = plain(SocketType::SEQPACKET)?;
    fails("read", read(&packets, &mut [0; 1]), Errno::NOTCONN)?;
    fails("write", write(&packets, b"x"), Errno::NOTCONN)?;
    let datagrams = plain(SocketType::DGRAM)?;
    fails("write", write(&datagrams, b"x"), Errno::NOTCONN)?;
    let alone = ready(&stream, PollFlags::IN | PollFlags::OUT)?;
    same("ready", alone, PollFlags::OUT | PollFlags::HUP)?;
    same("ready", ready(&datagrams, PollFlags::OUT)?, PollFlags::OUT)
}

fn poll_listener() -> Verdict {
    let address = unnamed("poll")?;
    let socket = listener(&address)?;
    let both = PollFlags::IN | PollFlags::OUT;
    same("ready", ready(&socket, both)?, PollFlags::empty())?;
    let _near = client(&address)?;
    same("ready", ready(&socket, both)?, PollFlags::IN)?;
    accept(&socket).told("accept")?;
    same("ready", ready(&socket, both)?, PollFlags::empty())
}

fn datagrams_by_name() -> Verdict {
    in_directory(|directory| {
        let (mine, yours) = (at(&directory.join("a"))?, at(&directory.join("b"))?);
        let (one, other) = (plain(SocketType::DGRAM)?, plain(SocketType::DGRAM)?);
        bind(&other, &yours).told("bind")?;
        let sent = sendto(&one, b"nameless", SendFlags::empty(), &yours);
        same("sendto", sent.told("sendto")?, 8)?;
        let mut bytes = [0; 20];
        let (len, _, from) = recvfrom(&other, &mut bytes, RecvFlags::empty()).told("recvfrom")?;
        same("nameless", (len, from.is_none()), (8, true))?;
        bind(&one, &mine).told("bind")?;
        sendto(&one, b"named", SendFlags::empty(), &yours).told("sendto")?;
        let (len, _, from) = recvfrom(&other, &mut bytes, RecvFlags::empty()).told("recvfrom")?;
        same("named", len, 5)?;
        same("from", unix(from.ok_or("nobody")?)?, mine)?;
        drop(other);
        let sent = sendto(&one, b"x", SendFlags::empty(), &yours);
        fails("sendto", sent, Errno::CONNREFUSED)
    })
}

fn datagrams_connected() -> Verdict {
    let (mine, yours, others) = (unnamed("a")?, unnamed("b")?, unnamed("c")?);
    let bound = |address: &SocketAddrUnix| {
        let socket = plain(SocketType::DGRAM)?;
        bind(&socket, address).told("bind")?;
        Ok::<_, String>(socket)
    };
    let (one, other, third) = (bound(&mine)?, bound(&yours)?, bound(&others)?);
    connect(&one, &yours).told("connect")?;
    same(
        "peer",
        unix(getpeername(&one).told("getpeername")?.ok_or("none")?)?,
        yours.clone(),
    )?;
    put(&one, b"default")?;
    same("read", next(&other, 9)?, b"default".to_vec())?;
    // Who is connected hears nobody else.
    connect(&other, &mine).told("connect")?;
    fails(
        "sendto",
        sendto(&third, b"x", SendFlags::empty(), &yours),
        Errno::PERM,
    )?;
    fails("connect", connect(&third, &yours), Errno::PERM)?;
    rustix::net::connect_unspec(&other).told("disconnect")?;
    sendto(&third, b"y", SendFlags::empty(), &yours).told("sendto")?;
    same("read", next(&other, 9)?, b"y".to_vec())
}

fn datagram_queue() -> Verdict {
    let address = unnamed("queue")?;
    let socket = plain(SocketType::DGRAM)?;
    bind(&socket, &address).told("bind")?;
    let sender = make(SocketType::DGRAM, SocketFlags::NONBLOCK)?;
    connect(&sender, &address).told("connect")?;
    let mut sent = 0usize;
    let full = loop {
        match write(&sender, b"x") {
            Ok(_) => sent = sent.saturating_add(1),
            Err(errno) => break errno,
        }
        check(sent < 2000, || "no end".to_owned())?;
    };
    same("full", full, Errno::AGAIN)?;
    same("ready", ready(&sender, PollFlags::OUT)?, PollFlags::empty())?;
    next(&socket, 1)?;
    same("ready", ready(&sender, PollFlags::OUT)?, PollFlags::OUT)?;
    put(&sender, b"x")?;
    // Who waits is told.
    let pid = child(|| {
        let waiting = || -> Verdict {
            let sender = plain(SocketType::DGRAM)?;
            connect(&sender, &address).told("connect")?;
            put(&sender, b"last")
        };
        i32::from(waiting().is_err())
    })?;
    pause_ms(20);
    let mut last = Vec::new();
    for _ in 0..=sent {
        last = next(&socket, 9)?;
    }
    same("last", last, b"last".to_vec())?;
    same("exit", ended(pid)?.exit_status(), Some(0))
}

fn shutdown_listener() -> Verdict {
    let address = unnamed("shut")?;
    let socket = listener(&address)?;
    shutdown(&socket, Shutdown::Read).told("shutdown")?;
    fails("connect", client_error(&address)?, Errno::CONNREFUSED)?;
    fails("accept", accept(&socket), Errno::INVAL)?;
    // Nobody minds what was never connected.
    let (one, _other) = pair(SocketType::DGRAM)?;
    shutdown(&one, Shutdown::Read).told("shutdown")?;
    let (len, _) = recv(&one, &mut [0; 4], RecvFlags::empty()).told("recv")?;
    same("end", len, 0)?;
    fails(
        "recv",
        recv(&one, &mut [0; 4], RecvFlags::DONTWAIT),
        Errno::AGAIN,
    )?;
    shutdown(plain(SocketType::STREAM)?, Shutdown::Both).told("shutdown")
}

fn client_error(address: &SocketAddrUnix) -> Result<rustix::io::Result<()>, String> {
    Ok(connect(plain(SocketType::STREAM)?, address))
}

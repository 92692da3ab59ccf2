//! /proc/PID/net/unix: the sockets of AF_UNIX (unix(7)).

use crate::Kernel;
use crate::arena::Key;
use crate::error::Stop;
use crate::fs::ViewNode;
use crate::machine::Machine;
use crate::net::{Link, Socket};
use crate::views::telling::{Cursor, Piece};
use crate::views::text::{Text, put};

/// Sockets of one piece.
const SOCKETS: usize = 64;

/// A socket listens (__SO_ACCEPTCON).
const LISTENS: u32 = 1 << 16;

/// The head, then a line for each socket in the order of the table.
pub(super) fn unix(
    k: &mut Kernel,
    _m: &mut dyn Machine,
    _node: ViewNode,
    mut cursor: Cursor,
) -> Result<Piece, Stop> {
    let mut text = Text::default();
    if cursor.at == 0 {
        put!(
            text,
            "Num       RefCount Protocol Flags    Type St Inode Path\n"
        );
    }
    // The place in the table that the next piece begins with, and one more.
    let from = cursor.at.saturating_sub(1);
    let sockets = k.net.sockets.iter();
    let mut rest = sockets.filter(|(id, _)| u64::from(id.index()) >= from);
    for (_, socket) in rest.by_ref().take(SOCKETS) {
        line(&mut text, socket);
    }
    let next = rest.next().map(|(id, _)| {
        cursor.at = u64::from(id.index()) + 1;
        cursor
    });
    Ok(Piece {
        text: text.done()?,
        next,
    })
}

/// The address of the kernel's object is nobody's business.
fn line(text: &mut Text, socket: &Socket) {
    let flags = match socket.link {
        Link::Listening { .. } => LISTENS,
        _ => 0,
    };
    // SS_UNCONNECTED, SS_CONNECTING (not yet accepted), SS_CONNECTED.
    let state = match socket.link {
        Link::Peer(_) if socket.ino == 0 => 2,
        Link::Peer(_) => 3,
        _ => 1,
    };
    let references = 2 + u32::from(matches!(socket.link, Link::Peer(_)));
    put!(
        text,
        "0000000000000000: {references:08X} 00000000 {flags:08X} {:04X} {state:02X} {:5}",
        socket.kind.number(),
        socket.ino
    );
    if let Some(name) = &socket.name {
        let path = name.strip_suffix(&[0]).filter(|_| name.first() != Some(&0));
        text.push(b" ");
        for byte in path.unwrap_or(name) {
            // As Linux shows names without a file.
            text.push(&[if *byte == 0 { b'@' } else { *byte }]);
        }
    }
    text.push(b"\n");
}

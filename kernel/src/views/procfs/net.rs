//! /proc/PID/net: the tables of the network. There are no interfaces and no sockets but those
//! of AF_UNIX, so that each of the others is its head, byte for byte as programs know it.

use super::sockets;
use super::table::{Line, file, long};
use crate::Kernel;
use crate::error::Stop;
use crate::fs::ViewNode;
use crate::machine::Machine;
use crate::views::text::Text;
use alloc::vec::Vec;

macro_rules! heads {
    ($($name:literal $head:expr, $width:literal;)*) => {
        pub(super) const LINES: &[Line] = &[
            $(file($name, |_: &mut Kernel, _: &mut dyn Machine, _: ViewNode| head($head, $width)),)*
            long("unix", sockets::unix),
        ];
    };
}

/// Two lines of words over columns.
const INTERFACES: &str = concat!(
    "Inter-|   Receive                                                |  Transmit\n",
    " face |bytes    packets errs drop fifo frame compressed multicast",
    "|bytes    packets errs drop fifo colls carrier compressed",
);
const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
                   uid  timeout inode";
const TCP6: &str = concat!(
    "  sl  local_address                         remote_address                        ",
    "st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
);
const UDP: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
                   uid  timeout inode ref pointer drops";
const RAW: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
                   uid  timeout inode ref pointer drops";
const DATAGRAMS6: &str = concat!(
    "  sl  local_address                         remote_address                        ",
    "st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops",
);

heads! {
    "arp" "IP address       HW type     Flags       HW address            Mask     Device", 0;
    "dev" INTERFACES, 0;
    "if_inet6" "", 0;
    "raw" RAW, 0;
    "raw6" DATAGRAMS6, 0;
    "route" "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT", 127;
    "tcp" TCP, 149;
    "tcp6" TCP6, 0;
    "udp" UDP, 127;
    "udp6" DATAGRAMS6, 0;
}

/// A head, filled up to `width` bytes before its newline.
fn head(head: &str, width: usize) -> Result<Vec<u8>, Stop> {
    let mut text = Text::default();
    text.push(head.as_bytes());
    text.pad(0, width);
    if !head.is_empty() {
        text.push(b"\n");
    }
    Ok(text.done()?)
}

//! A container's life by bare calls: create, start, wait, delete.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use berth_sys::audit::{differences, settled};
use berth_sys::container::{self, Exit};
use berth_sys::raw::time_stamp;

use crate::tap::{Tap, remark};
use crate::{Done, failed, small};

/// The container's id.
const ID: &str = "probe-cycle";
/// Where its bundle is made.
const BUNDLE: &str = "/tmp/probe-cycle";
/// Its configuration: namespaces, a mount, a name, and the smallest program there is.
const CONFIG: &str = "\
oci_version=1.3.0
root_path=rootfs
root_readonly=true
hostname=cycle
process_cwd=/
process_arg=/true
mount=/proc:proc:proc:nosuid,noexec,nodev
namespace=pid
namespace=mount
namespace=uts
";

/// A bundle made for this, and opened.
struct Bundle(File);

impl Bundle {
    fn make() -> std::io::Result<Self> {
        let root = Path::new(BUNDLE).join("rootfs");
        std::fs::create_dir_all(root.join("proc"))?;
        small::write_true(&root.join("true").to_string_lossy())?;
        File::open(BUNDLE).map(Self)
    }

    /// One life; gives the time stamps of a whole one.
    fn live(&self) -> Result<u64, String> {
        let begin = time_stamp();
        container::create(ID, self.0.as_fd(), CONFIG.as_bytes()).map_err(told("create"))?;
        container::start(ID).map_err(told("start"))?;
        let exit = container::wait(ID).map_err(told("wait"))?.exit;
        container::delete(ID, false).map_err(told("delete"))?;
        let end = time_stamp();
        match exit {
            Exit::Code(0) => Ok(end.saturating_sub(begin)),
            other => Err(format!("the program ended with {other:?}")),
        }
    }
}

fn told(verb: &'static str) -> impl Fn(container::Error) -> String {
    move |error| format!("{verb}: {error}")
}

fn bundle() -> Result<Bundle, crate::Failure> {
    Bundle::make().map_err(|error| failed(format!("{BUNDLE}: {error}")))
}

/// Lives `count` times, after twice for caches; every count of the kernel must stay as it was.
pub fn repeat(count: u32) -> Done {
    let bundle = bundle()?;
    let mut tap = Tap::plan(2);
    let warm = (0..2).try_for_each(|_| bundle.live().map(drop));
    let before = settled().map_err(|error| failed(format!("audit: {error}")))?;
    let lived = warm.and_then(|()| {
        (1..=count).try_for_each(|turn| {
            bundle
                .live()
                .map(drop)
                .map_err(|reason| format!("turn {turn}: {reason}"))
        })
    });
    tap.result(&format!("{count} lives"), &lived);
    let after = settled().map_err(|error| failed(format!("audit: {error}")))?;
    let left: Vec<String> = differences(&before, &after)
        .iter()
        .map(|one| one.to_string())
        .collect();
    let clean = match left.as_slice() {
        [] if after.jobs == 0 => Ok(()),
        [] => Err(format!("{} jobs are not done", after.jobs)),
        left => Err(left.join(" ")),
    };
    tap.result("nothing is left over", &clean);
    remark(&format!("{} frames in use", after.frames));
    tap.finish()
}

/// Says on the control channel what a life costs: the first one, and one with caches filled.
pub fn measure() -> Done {
    let bundle = bundle()?;
    let mut costs = Vec::new();
    for _ in 0..4 {
        costs.push(bundle.live().map_err(failed)?);
    }
    let (Some(cold), Some(warm)) = (costs.first(), costs.last()) else {
        return Err(failed("no life was measured"));
    };
    let lines = format!("berth: icount cycle-cold {cold}\nberth: icount cycle {warm}\n");
    std::fs::write("/dev/ttyS2", lines).map_err(|error| failed(format!("/dev/ttyS2: {error}")))
}

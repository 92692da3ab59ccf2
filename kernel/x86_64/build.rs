//! Link arguments of the bootable kernel. On the host there is nothing to do: the program built
//! there only says how to build the kernel.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=linker.ld");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    let dir = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    for arg in [
        format!("-T{dir}/linker.ld"),
        // The target's default is a position-independent executable; PVH wants fixed addresses.
        "--no-pie".to_owned(),
        "--gc-sections".to_owned(),
        "-zmax-page-size=4096".to_owned(),
        // Each segment has exactly the rights that linker.ld gives it.
        "-znoexecstack".to_owned(),
        "--build-id=none".to_owned(),
    ] {
        println!("cargo::rustc-link-arg-bins={arg}");
    }
}

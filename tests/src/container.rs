//! Containers, observed from inside and through the command line that callers of runc know.

use crate::case::Case;

/// The cases of this area.
pub fn cases() -> Vec<Case> {
    vec![Case {
        name: "container_lifecycle",
        run: |door| {
            let script = "set -e; cd /bundles/hello; oci create c1; oci state c1 | grep -o '\"status\": *\"[a-z]*\"'; \
                          oci start c1; sleep 1; oci delete c1; ! oci state c1 2>/dev/null; echo done";
            door.machine()
                .bundle("hello")
                .run(&["/bin/sh", "-c", script])?
                .code(0)?
                .stdout_line("hello from inside as pid 1")?
                .stdout_line("done")?
                .done()
        },
    }]
}

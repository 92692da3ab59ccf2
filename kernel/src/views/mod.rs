//! Files that show other objects: procfs, nsfs. Above tasks and namespaces, below the calls.

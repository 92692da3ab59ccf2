//! System calls with wild arguments.

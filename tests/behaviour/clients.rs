//! Clients that nobody here wrote: kubectl, and the Kubeflow SDK. `KUBECTL` and `PYTHON` name the
//! programs to run. What they print is kept in `tests/clients`, as the real cluster has them print it.

mod kubectl;
mod normal;
mod python;
mod sdk;
mod session;
mod shown;
mod wishes;

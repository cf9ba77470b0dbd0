//! The names under which a Pod asks for the Python of the machine that it runs on.

/// The image of Pods that can run: no image, but the machine itself.
pub const HOST_PYTHON: &str = "localhost/host-python";
/// The annotation of a Pod that names the packages its environment needs: requirement specifiers,
/// sorted, one a line.
pub const PYTHON_PACKAGES: &str = "local-kube/python-packages";

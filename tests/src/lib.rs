//! What the tests of the whole server share: tools of their own.

pub mod conformance;

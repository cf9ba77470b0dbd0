//! Label and field selectors.

mod fields;
mod labels;

pub(crate) use self::{fields::Fields, labels::Labels};

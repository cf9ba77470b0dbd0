//! What a Pod goes through, and what is said of it meanwhile.

mod endings;
mod logs;
mod meeting;
pub(crate) mod observed;
mod waiting;

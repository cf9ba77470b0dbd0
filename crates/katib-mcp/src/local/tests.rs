//! Experiments in a cluster in memory, whose Jobs' statuses are written by hand.

mod cluster;
mod continuity;
mod running;

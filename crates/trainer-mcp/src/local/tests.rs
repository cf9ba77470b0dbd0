//! TrainJobs in a cluster in memory, whose Jobs' statuses are written by hand.

mod admission;
mod cluster;
mod continuity;
mod running;

//! `leaky-rare`: one operation in a hundred keeps a block for ever. The leak is that of `leaky-operation`.

use super::Planted;
use super::operation::{self, Operation, SIZE};
use super::schedule::EVERY;
use crate::workload::Param;

/// What has to be found.
pub(super) const PLANTED: Planted =
    Planted { workload: "leaky-rare", verdict: &["leak", "growing"], slope: Some(10.24), ..operation::PLANTED };

const PARAMS: [Param; 2] = [SIZE, Param { default: "100", ..EVERY }];

/// The workload.
pub(super) const RARE: Operation =
    Operation { fault: "one operation in a hundred keeps a block of 1 KiB for ever", params: &PARAMS };

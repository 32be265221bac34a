//! Numbers in, numbers out. Knows no word of this domain, reads no file and no clock.

pub mod describe;
pub mod interval;
pub mod quantile;

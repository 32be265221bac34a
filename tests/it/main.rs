//! The one integration test binary.

mod readme;
mod services;
mod stable;
mod tidy;

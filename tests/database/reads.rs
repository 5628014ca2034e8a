//! Reads that people wait for.

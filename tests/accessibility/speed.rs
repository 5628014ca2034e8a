//! How much pages weigh, and what browsers need not ask for again.

//! Movements of value in the hands of admins: the list, one of them, and how they make and take back
//! some.

pub mod list;

//! The program: hands the command line to [`coffer`].

fn main() {}

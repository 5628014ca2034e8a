//! Coffer: a self-hosted wallet and cashback-credit portal on a double-entry ledger.
//!
//! The map of the house, from the street inwards:
//!
//! - [`cli`] reads the command line, [`config`] the environment, [`app`] puts the parts together
//!   and takes them apart again in order.
//! - [`web`] is the only place that knows HTTP: HTML pages for people, a JSON API for scripts.
//! - [`jobs`] does what nobody asks for: it expires credits and clears away what is old.
//! - [`ledger`] is the one path that moves value: commands go in, balanced postings come out.
//! - [`repo`] holds all other SQL, one file per noun, one function per verb of the business.
//! - [`domain`] names the nouns and their rules, without queries, clocks or HTTP.
//! - [`postgres`] runs the private PostgreSQL server of an installation that brought none.

pub mod error;
pub mod postgres;

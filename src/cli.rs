//! The command line.

use std::io::{IsTerminal, Read, Write};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::app::{self, Attached};
use crate::config::{Config, Database};
use crate::domain::{Login, Role};
use crate::error::{Error, Fatal};
use crate::ledger::verify::{Verdict, verify};
use crate::repo::users::{self, NewUser};
use crate::{logging, passwords, seed};

/// A self-hosted wallet and cashback-credit portal.
///
/// Without a command, Coffer serves. All settings are environment variables; the README lists them.
#[derive(Parser)]
#[command(name = "coffer", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArguments,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the portal and the API (what happens without a command, too)
    Serve(ServeArguments),
    /// Bring the database's schema up to date
    Migrate,
    /// Put data into the database
    Seed(SeedArguments),
    /// Manage the people who run this installation
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Prove the books: check every promise of the ledger on the whole database
    Verify,
}

#[derive(Args, Clone, Copy)]
struct ServeArguments {
    /// Leave the demo data out of a new embedded database
    #[arg(long)]
    no_demo: bool,
}

#[derive(Args)]
struct SeedArguments {
    /// Asset types, users with random passwords and a past, and credits, for having a look
    #[arg(long, required = true)]
    demo: bool,
}

#[derive(Subcommand)]
enum AdminCommand {
    /// Create an admin, or make an existing user one and give it this password
    Create(CreateArguments),
    /// Give a user who has lost the password this one, and end all sessions and API keys
    ResetPassword(ResetArguments),
}

#[derive(Args)]
struct ResetArguments {
    /// What the user signs in with: a username, an e-mail address or a phone number
    #[arg(long)]
    login: String,
    /// Read the password from standard input, up to the end of its first line
    #[arg(long, required = true)]
    password_stdin: bool,
}

#[derive(Args)]
struct CreateArguments {
    /// The name to sign in with
    #[arg(long)]
    username: String,
    /// Read the password from standard input, up to the end of its first line
    #[arg(long, required = true)]
    password_stdin: bool,
}

/// Runs the program; says why in one line where it cannot.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(code) => code,
        Err(fatal) => {
            eprintln!("coffer: {fatal}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode, Fatal> {
    let config = Config::from_environment()?;
    logging::init(config.log_format, &config.log_level)?;
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(arguments) => app::serve(&config, !arguments.no_demo).map(|()| ExitCode::SUCCESS),
        Command::Migrate => migrate(&config),
        Command::Seed(_) => seed_demo(&config),
        Command::Admin(AdminCommand::Create(arguments)) => create_admin(&config, &arguments),
        Command::Admin(AdminCommand::ResetPassword(arguments)) => reset_password(&config, &arguments),
        Command::Verify => prove(&config),
    }
}

fn migrate(config: &Config) -> Result<ExitCode, Fatal> {
    let attached = app::attach(config)?;
    match attached.migrated() {
        [] => say("The schema is up to date."),
        [only] => say(&format!("Ran the migration {only}.")),
        migrated @ [.., last] => say(&format!("Ran {} migrations, the last one is {last}.", migrated.len())),
    }
    Ok(ExitCode::SUCCESS)
}

fn seed_demo(config: &Config) -> Result<ExitCode, Fatal> {
    let attached = app::attach(config)?;
    let seeded = seed::demo(attached.address(), config, seed::Existing::Keep)?;
    say(&seeded.to_string());
    Ok(ExitCode::SUCCESS)
}

fn create_admin(config: &Config, arguments: &CreateArguments) -> Result<ExitCode, Fatal> {
    let username = Login::username(&arguments.username).map_err(|error| Fatal::new(error.message))?;
    let password_hash = read_new_password(config, &username)?;
    let attached = app::attach(config)?;
    let new = NewUser { external_id: None, logins: vec![username], password_hash, role: Role::Admin };
    let user = attached.run(|conn| users::make_admin(conn, &new, chrono::Utc::now()))?;
    say(&format!("{} is an admin now.", user.external_id));
    Ok(ExitCode::SUCCESS)
}

fn reset_password(config: &Config, arguments: &ResetArguments) -> Result<ExitCode, Fatal> {
    let login = Login::parse(&arguments.login).map_err(|error| Fatal::new(error.message))?;
    let password_hash = read_new_password(config, &login)?;
    let attached = app::attach(config)?;
    let user = attached.run(|conn| users::reset_password(conn, &login, &password_hash, chrono::Utc::now()))?;
    say(&format!("{} has a new password, and is signed out everywhere.", user.external_id));
    Ok(ExitCode::SUCCESS)
}

/// Reads a password that is good enough for whoever signs in so; gives its hash.
fn read_new_password(config: &Config, login: &Login) -> Result<String, Fatal> {
    let password = read_password()?;
    passwords::check(&password, &[login.as_str()]).map_err(|error| Fatal::new(error.message))?;
    passwords::hash_here(&password, config.bcrypt_cost).map_err(|error| refused(&error))
}

fn read_password() -> Result<String, Fatal> {
    if std::io::stdin().is_terminal() {
        eprint!("Password: ");
    }
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(4096)
        .read_to_string(&mut text)
        .map_err(|error| Fatal::new(format!("cannot read the password: {error}")))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn prove(config: &Config) -> Result<ExitCode, Fatal> {
    // A new database would balance, and that of a mistyped folder is a new one.
    let folder = config.data_dir.join("postgres");
    if config.database == Database::Embedded && !folder.exists() {
        return Err(Fatal::new(format!("there is no database in {}: set DATA_DIR or DATABASE_URL", folder.display())));
    }
    if let Database::External(conninfo) = &config.database
        && !crate::repo::is_migrated(conninfo)?
    {
        return Err(Fatal::new("there is no Coffer in this database: set DATABASE_URL to another one, or restore it"));
    }
    let attached = app::attach(config)?;
    let verdict = attached.run(|conn| verify(conn, show_progress))?;
    print_verdict(&verdict);
    Ok(if verdict.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A bar for people; nothing where the output goes elsewhere.
fn show_progress(done: usize, all: usize) {
    if std::io::stderr().is_terminal() {
        let bar: String = (0..all).map(|step| if step < done { '█' } else { '·' }).collect();
        eprint!("\r{bar} {done}/{all}{}", if done == all { "\n" } else { "" });
    }
}

fn print_verdict(verdict: &Verdict) {
    let mut table = vec![["asset type", "entries", "wallets", "issued", "outstanding", "claimed"].map(str::to_owned)];
    table.extend(verdict.trial_balances.iter().map(|line| {
        let amount = |balance: &crate::domain::Balance| balance.at_scale(line.scale.0);
        [
            line.asset_type.to_string(),
            amount(&line.entries),
            amount(&line.balances),
            amount(&line.issued),
            amount(&line.outstanding),
            amount(&line.claimed),
        ]
    }));
    let width = |column: usize| table.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    for row in &table {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(
                |(column, (cell, width))| {
                    if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                },
            )
            .collect();
        say(cells.join("  ").trim_end());
    }
    say("");
    for check in &verdict.checks {
        match check.violations {
            0 => say(&format!("ok    {}", check.promise)),
            count => say(&format!("WRONG {} ({count} violations)", check.promise)),
        }
    }
    say(if verdict.is_clean() { "\nThe books balance." } else { "\nThe books are wrong." });
}

/// Prints a line; a reader that has gone away is no reason to panic.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

pub(crate) fn refused(error: &Error) -> Fatal {
    match error {
        Error::Broken(source) => Fatal::new(format!("{error} ({source})")),
        error => Fatal::new(error.to_string()),
    }
}

impl Attached {
    /// Runs a verb on a connection of its own, for a command that needs one.
    fn run<T>(&self, verb: impl FnOnce(&mut diesel::PgConnection) -> crate::error::Result<T>) -> Result<T, Fatal> {
        let mut conn = crate::repo::connect(self.address())
            .map_err(|error| Fatal::new(format!("cannot reach the database: {}", crate::repo::one_line(&error))))?;
        verb(&mut conn).map_err(|error| refused(&error))
    }
}

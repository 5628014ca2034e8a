//! Where an embedded server lives: its folders, the user that owns them, and the database cluster.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::geteuid;

use super::{Binaries, Durability, Options, cannot, conninfo, telling_line};
use crate::error::Fatal;

/// Where the folders go that root's unprivileged server user could not reach in the data folder.
const ELSEWHERE: &str = "/var/lib/coffer";

/// Where one embedded server lives, and how it runs.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) data: PathBuf,
    pub(super) socket: PathBuf,
    pub(super) log: PathBuf,
    user: Option<User>,
    pub(super) binaries: Binaries,
    pub(super) options: Options,
}

impl Site {
    /// Makes or finds the folders and the database cluster.
    pub(super) fn prepare(data_dir: &Path, options: Options) -> Result<Self, Fatal> {
        make_data_dir(data_dir)?;
        let folder = data_dir.canonicalize().map_err(cannot("find", data_dir))?;
        let user = User::choose(&folder.join("postgres"))?;
        if user.is_some_and(|user| !reaches(user, &folder)) {
            move_elsewhere(&folder)?;
        }
        let data = follow(&folder.join("postgres"))?;
        let version = fs::read_to_string(data.join("PG_VERSION")).ok();
        let site = Self {
            socket: follow(&folder.join("socket"))?,
            log: folder.join("postgres.log"),
            binaries: Binaries::find(version.as_deref())?,
            data,
            user,
            options,
        };
        // Before initdb takes its time: a path that will not do.
        conninfo(&site.socket, "coffer")?;
        site.make_private(&site.socket)?;
        if version.is_none() {
            site.init()?;
        }
        Ok(site)
    }

    /// Makes the cluster beside its place and moves it there, so that an interrupted run leaves
    /// nothing that looks finished.
    fn init(&self) -> Result<(), Fatal> {
        let fresh = self.data.with_extension("new");
        match fs::remove_dir_all(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(cannot("remove", &fresh)(error));
            }
            _ => self.make_private(&fresh)?,
        }
        tracing::info!(folder = %self.data.display(), "making the database");
        let mut initdb = self.command("initdb");
        initdb.arg("-D").arg(&fresh).args(["--username=coffer", "--encoding=UTF8", "--locale=C"]);
        initdb.args(["--data-checksums", "--auth-local=trust", "--auth-host=reject"]);
        if self.options.durability == Durability::ThrowAway {
            initdb.arg("--no-sync");
        }
        let output = initdb.output().map_err(cannot("run", &self.binaries.path("initdb")))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(Fatal::new(format!("initdb failed: {}", telling_line(&text))));
        }
        fs::rename(&fresh, &self.data).map_err(cannot("move the new database to", &self.data))?;
        let parent = self.data.parent().unwrap_or(&self.data);
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(cannot("sync", parent))
    }

    /// Makes `folder` one that only the server's user may enter.
    fn make_private(&self, folder: &Path) -> Result<(), Fatal> {
        make_folder(folder, 0o700)?;
        fs::set_permissions(folder, Permissions::from_mode(0o700))
            .and_then(|()| match self.user {
                Some(user) => chown(folder, Some(user.uid), Some(user.gid)),
                None => Ok(()),
            })
            .map_err(cannot("make private", folder))
    }

    /// A command of PostgreSQL, run by the server's user.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.path(program));
        // The user may not be able to enter the folder that Coffer was started in.
        command.current_dir("/").stdin(Stdio::null()).env("LC_ALL", "C");
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }
}

/// The unprivileged user that runs the server for root, since PostgreSQL refuses to run as root.
#[derive(Debug, Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// Who runs the server on `data`: nobody special unless Coffer runs as root; then the owner of
    /// an existing cluster, else `postgres`, else `nobody`.
    fn choose(data: &Path) -> Result<Option<Self>, Fatal> {
        let me = geteuid();
        let owner = fs::metadata(data).ok().map(|found| Self { uid: found.uid(), gid: found.gid() });
        match owner {
            Some(owner) if !me.is_root() && owner.uid != me.as_raw() => Err(Fatal::new(format!(
                "{} belongs to the user with id {}: run Coffer as that user or as root",
                data.display(),
                owner.uid
            ))),
            _ if !me.is_root() => Ok(None),
            Some(owner) if owner.uid != 0 => Ok(Some(owner)),
            _ => ["postgres", "nobody"].into_iter().find_map(Self::named).map(Some).ok_or_else(|| {
                Fatal::new(
                    "PostgreSQL refuses to run as root, and there is no user postgres or nobody: \
                     add one, or run Coffer as an ordinary user",
                )
            }),
        }
    }

    fn named(name: &str) -> Option<Self> {
        let id = |option| -> Option<u32> {
            let output = Command::new("id").args([option, name]).output().ok()?;
            String::from_utf8(output.stdout).ok()?.trim().parse().ok()
        };
        Some(Self { uid: id("-u")?, gid: id("-g")? })
    }
}

/// Makes the data folder. Root's can be passed through by the server's user, but not listed.
pub(super) fn make_data_dir(data_dir: &Path) -> Result<(), Fatal> {
    make_folder(data_dir, if geteuid().is_root() { 0o711 } else { 0o700 })
}

/// Makes `path` with `mode`, whatever the umask, unless it is there.
fn make_folder(path: &Path, mode: u32) -> Result<(), Fatal> {
    if path.is_dir() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    made.and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode))).map_err(cannot("make", path))
}

/// Whether `user` may pass through `folder` and all folders above it.
fn reaches(user: User, folder: &Path) -> bool {
    let mut test = Command::new("test");
    test.arg("-x").arg(folder).current_dir("/").uid(user.uid).gid(user.gid);
    test.status().is_ok_and(|status| status.success())
}

/// Puts links into a data folder that the server's user cannot reach, to folders that it can.
fn move_elsewhere(data_dir: &Path) -> Result<(), Fatal> {
    let (data, socket) = (data_dir.join("postgres"), data_dir.join("socket"));
    if data.is_symlink() {
        return Ok(());
    }
    if data.exists() {
        let data = data.display();
        return Err(Fatal::new(format!("PostgreSQL's user cannot reach {data}: give the folders above it chmod o+x")));
    }
    let real = Path::new(ELSEWHERE).join(uuid::Uuid::new_v4().simple().to_string());
    tracing::warn!(
        "PostgreSQL does not run as root, and its user cannot reach {}: the database is kept in {}",
        data_dir.display(),
        real.display()
    );
    make_folder(Path::new(ELSEWHERE), 0o711)?;
    make_folder(&real, 0o711)?;
    // The link to the data comes last: it says that both are there.
    let _ = fs::remove_file(&socket).or_else(|_| fs::remove_dir_all(&socket));
    for link in [socket, data] {
        let target = real.join(link.file_name().unwrap_or_default());
        symlink(target, &link).map_err(cannot("make", &link))?;
    }
    Ok(())
}

/// The folder itself where `path` may be a link to it. The folder need not exist yet.
fn follow(path: &Path) -> Result<PathBuf, Fatal> {
    let Ok(target) = fs::read_link(path) else {
        return Ok(path.to_owned());
    };
    let target = path.parent().unwrap_or(path).join(target);
    if !target.parent().is_some_and(Path::is_dir) {
        return Err(Fatal::new(format!(
            "{} is a link to {}, which is gone: bring it back, or remove the link to start with an \
             empty database",
            path.display(),
            target.display()
        )));
    }
    Ok(target.canonicalize().unwrap_or(target))
}

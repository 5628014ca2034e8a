//! A way to the database that loses answers: it stands between Coffer and PostgreSQL, passes all
//! on, and cuts a connection in the middle of a commit when told to.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

const SOCKET: &str = ".s.PGSQL.5432";

/// What happens to one commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// It never reaches the database.
    Before,
    /// It is done, and nobody hears of it.
    After,
    /// Coffer's end of the connection breaks at once, and the commit arrives only when released.
    Late,
}

#[derive(Default)]
struct State {
    cuts: Mutex<VecDeque<Cut>>,
    late: Mutex<bool>,
    released: Condvar,
    closed: AtomicBool,
    commits: Mutex<usize>,
}

/// The way, which ends with this.
pub struct Proxy {
    state: Arc<State>,
    folder: tempfile::TempDir,
    conninfo: String,
}

impl Proxy {
    /// A way to the database of `conninfo`.
    pub fn to(conninfo: &str) -> Self {
        let upstream = PathBuf::from(conninfo.split('\'').nth(1).expect("the host is quoted")).join(SOCKET);
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
        let state = Arc::new(State::default());
        let (_, rest) = conninfo.rsplit_once('\'').unwrap();
        let conninfo = format!("host='{}'{rest}", folder.path().display());
        let of_listener = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                if of_listener.closed.load(Ordering::SeqCst) {
                    return;
                }
                let server = UnixStream::connect(&upstream).unwrap();
                serve(client.unwrap(), server, &of_listener);
            }
        });
        Self { state, folder, conninfo }
    }

    /// How to connect through this.
    pub fn conninfo(&self) -> &str {
        &self.conninfo
    }

    /// The next commits meet these cuts, one each.
    pub fn cut(&self, cuts: &[Cut]) {
        self.state.cuts.lock().unwrap().extend(cuts);
    }

    /// Lets the late commit go.
    pub fn release(&self) {
        *self.state.late.lock().unwrap() = true;
        self.state.released.notify_all();
    }

    /// Takes no more connections.
    pub fn close(&self) {
        self.state.closed.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(self.folder.path().join(SOCKET));
        std::fs::remove_file(self.folder.path().join(SOCKET)).unwrap();
    }

    /// How many commits have come this way.
    pub fn commits(&self) -> usize {
        *self.state.commits.lock().unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.release();
        if !self.state.closed.load(Ordering::SeqCst) {
            self.close();
        }
    }
}

fn serve(client: UnixStream, server: UnixStream, state: &Arc<State>) {
    let swallow = Arc::new(AtomicBool::new(false));
    let (from_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let swallows = Arc::clone(&swallow);
    thread::spawn(move || pass_answers(from_server, to_client, &swallows));
    let state = Arc::clone(state);
    thread::spawn(move || {
        // An error means that one end is gone; then the other shall go as well.
        let _ = pass_questions(&client, &server, &state, &swallow);
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Write);
    });
}

fn pass_answers(mut server: UnixStream, mut client: UnixStream, swallow: &AtomicBool) {
    let mut buffer = [0; 8192];
    while let Ok(length) = server.read(&mut buffer) {
        let lost = swallow.load(Ordering::SeqCst);
        if length == 0 || lost || client.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
}

/// Reads Coffer's messages one by one: a startup message without a type, then those with one.
fn pass_questions(
    mut client: &UnixStream,
    mut server: &UnixStream,
    state: &State,
    swallow: &AtomicBool,
) -> std::io::Result<()> {
    let mut started = false;
    loop {
        let mut message = vec![0; if started { 5 } else { 4 }];
        client.read_exact(&mut message)?;
        let length = u32::from_be_bytes(message[message.len() - 4..].try_into().unwrap());
        let head = message.len();
        message.resize(head + usize::try_from(length).unwrap() - 4, 0);
        client.read_exact(&mut message[head..])?;
        if started && message[0] == b'Q' && message[head..].eq_ignore_ascii_case(b"commit\0") {
            *state.commits.lock().unwrap() += 1;
            let cut = state.cuts.lock().unwrap().pop_front();
            match cut {
                None => {}
                Some(Cut::Before) => return Ok(()),
                Some(Cut::After) => swallow.store(true, Ordering::SeqCst),
                Some(Cut::Late) => {
                    client.shutdown(Shutdown::Both)?;
                    let late = state.late.lock().unwrap();
                    let _late = state.released.wait_while(late, |released| !*released).unwrap();
                    server.write_all(&message)?;
                    return Ok(());
                }
            }
        }
        started = true;
        server.write_all(&message)?;
    }
}

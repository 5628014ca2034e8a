//! What counts as a change of access, so that whoever remembers who may come in forgets it: by SQL sent
//! to the database directly.

use coffer::domain::{ApiKeySecret, Scope, Scopes, SessionId, SessionKind, UserId};
use coffer::error::{Error, Refusal, Result};
use coffer::repo::api_keys::{self, NewApiKey};
use coffer::repo::sessions::{self, NewSession};
use diesel::PgConnection;
use diesel::connection::SimpleConnection;

use crate::support::books::{Books, noon};

/// Alice has a session and an API key.
fn house() -> (Books, UserId) {
    let books = Books::new();
    let alice = books.users("user", 1)[0];
    books.run(&format!(
        "insert into sessions (id, user_id, kind, expires_at)
         values (gen_random_uuid(), {id}, 'api', now() + interval '1 day');
         insert into api_keys (user_id, name, secret_hash, may_read, may_write, may_administer, created_at)
         values ({id}, 'key', decode(repeat('00', 32), 'hex'), true, true, false, now())",
        id = alice.0
    ));
    (books, alice)
}

#[test]
fn every_change_of_who_may_do_what_makes_another_state_of_access_and_nothing_else() {
    for (is_another, sql) in [
        (true, "update sessions set ended_at = now()"),
        (true, "update sessions set expires_at = now()"),
        (true, "update sessions set kind = 'browser'"),
        (true, "delete from sessions"),
        (true, "truncate sessions"),
        (true, "update api_keys set expires_at = now()"),
        (true, "update api_keys set may_read = false"),
        (true, "update api_keys set may_write = false"),
        (true, "update api_keys set may_administer = true"),
        (true, "update api_keys set secret_hash = decode(repeat('11', 32), 'hex')"),
        (true, "delete from api_keys"),
        (true, "truncate api_keys"),
        (true, "delete from users"),
        (true, "update users set username = 'another'"),
        (true, "update users set phone_number = '+4930123456'"),
        (true, "update users set status = 'frozen'"),
        (true, "update users set role = 'admin'"),
        (true, "update users set email = 'a@example.org'"),
        (true, "update users set time_zone = 'Europe/Berlin'"),
        (false, "update sessions set last_used_at = now() + interval '1 hour'"),
        (false, "update sessions set refresh_generation = 7"),
        (false, "update sessions set expires_at = now() + interval '30 days'"),
        (false, "update api_keys set last_used_at = now()"),
        (false, "update api_keys set name = 'another'"),
        (false, "update users set password_hash = 'x', status = status"),
        (false, "begin; update users set status = 'frozen'; rollback"),
        (
            false,
            "insert into sessions (id, user_id, kind, expires_at)
             select gen_random_uuid(), id, 'browser', now() + interval '1 day' from users",
        ),
    ] {
        let (books, _) = house();
        let before = books.access_state();
        books.run(sql);
        assert_eq!(books.access_state() != before, is_another, "{sql}");
    }
}

#[test]
fn whoever_changes_access_makes_nobody_else_who_does_wait_before_the_end() {
    let (books, alice) = house();
    let before = books.access_state();
    let mut slow = books.database.connect();
    slow.batch_execute("begin; update sessions set ended_at = now()").unwrap();
    let mut quick = books.database.connect();
    let sql = format!("set lock_timeout = 1; update users set status = 'frozen' where id = {}", alice.0);
    quick.batch_execute(&sql).unwrap();
    let between = books.access_state();
    slow.batch_execute("commit").unwrap();
    let after = books.access_state();
    assert!(before != between && between != after && after != before);
}

#[test]
fn no_two_states_of_access_have_one_number_in_two_copies_of_a_database_either() {
    let numbers = (0..3).map(|_| {
        let (books, _) = house();
        books.run("update sessions set ended_at = now()");
        books.access_state().0
    });
    assert_eq!(numbers.collect::<std::collections::BTreeSet<_>>().len(), 3);
}

/// What becomes of a verb that begins while somebody takes a user's access, and goes on when that is done.
fn meanwhile<T: Send>(
    books: &Books,
    taking: &str,
    verb: impl FnOnce(&mut PgConnection) -> Result<T> + Send,
) -> Result<T> {
    let mut taker = books.database.connect();
    taker.batch_execute(&format!("begin; {taking}")).unwrap();
    std::thread::scope(|scope| {
        let verb = scope.spawn(|| verb(&mut books.conn()));
        books.wait_for_blocked(1);
        taker.batch_execute("commit").unwrap();
        verb.join().unwrap()
    })
}

#[test]
fn no_session_is_opened_by_a_password_that_is_no_more_when_it_would_be() {
    let (books, alice) = house();
    let open = |conn: &mut PgConnection| {
        let new = NewSession {
            user: alice,
            password_hash: String::new(),
            kind: SessionKind::Api,
            user_agent: String::new(),
            ip_address: String::new(),
        };
        sessions::open(conn, &new, noon())
    };
    open(&mut books.conn()).unwrap();
    let taking = "update users set password_hash = 'another'; update sessions set ended_at = now()";
    let opened = meanwhile(&books, taking, open);
    assert!(matches!(opened, Err(Error::Refused(Refusal::InvalidCredentials))), "{opened:?}");
    let opened = open(&mut books.conn());
    assert!(matches!(opened, Err(Error::Refused(Refusal::InvalidCredentials))), "{opened:?}");
    assert_eq!(books.number("select count(*) from sessions where ended_at is null"), 0);
}

#[test]
fn no_key_is_made_by_a_session_or_a_password_that_is_no_more_when_it_would_be() {
    let (books, alice) = house();
    let session = SessionId(books.words("select id from sessions").pop().unwrap().parse().unwrap());
    let create = |number: u8, by_session: bool| {
        move |conn: &mut PgConnection| {
            let new = NewApiKey {
                user: alice,
                session: Some(session).filter(|_| by_session),
                password_hash: (!by_session).then(String::new),
                name: "till".to_owned(),
                scopes: Scopes::of(&[Scope::Read]),
                secret_hash: ApiKeySecret::from_random([number; 32]).hash(),
                expires_at: None,
                form: None,
            };
            api_keys::create(conn, &new, noon())
        }
    };
    create(1, true)(&mut books.conn()).unwrap();
    create(2, false)(&mut books.conn()).unwrap();
    let taking =
        "update users set password_hash = 'another'; update sessions set ended_at = now(); delete from api_keys";
    let created = meanwhile(&books, taking, create(3, true));
    assert!(matches!(created, Err(Error::Unauthenticated)), "{created:?}");
    books.run("update users set password_hash = ''");
    let created = meanwhile(&books, taking, create(4, false));
    assert!(matches!(created, Err(Error::Unauthenticated)), "{created:?}");
    assert_eq!(books.number("select count(*) from api_keys"), 0);
}

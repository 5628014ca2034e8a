//! Every migration can be taken back, and leaves nothing.

use coffer::repo;
use diesel::connection::SimpleConnection;

use crate::support::books::Books;

/// Every table, column, constraint, index, trigger and function, in words.
fn schema(books: &Books) -> Vec<String> {
    books.words(
        "select concat_ws(' | ', table_name, column_name, data_type, numeric_precision, numeric_scale, is_nullable,
                          column_default, is_identity)
         from information_schema.columns where table_schema = 'public'
         union all
         select concat_ws(' | ', conrelid::regclass, conname, pg_get_constraintdef(oid))
         from pg_constraint where connamespace = 'public'::regnamespace
         union all
         select concat_ws(' | ', relname, relkind, reloptions) from pg_class where relnamespace = 'public'::regnamespace
         union all
         select indexdef from pg_indexes where schemaname = 'public'
         union all
         select pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
         union all
         select pg_get_functiondef(oid) from pg_proc where pronamespace = 'public'::regnamespace
         order by 1",
    )
}

#[test]
fn all_migrations_taken_back_leave_nothing_and_made_again_leave_the_same() {
    let books = Books::new();
    let before = schema(&books);
    assert!(before.iter().any(|line| line.contains("entries_check_inserted")));
    assert!(before.iter().any(|line| line.contains("claims_pkey")));

    repo::revert_all(&mut books.database.connect()).unwrap();
    let left: Vec<_> = schema(&books).into_iter().filter(|line| !line.contains("__diesel_schema_migrations")).collect();
    assert_eq!(left, Vec::<String>::new());

    let ran = repo::migrate(&books.database.url).unwrap();
    assert!(ran.len() >= 12, "{ran:?}");
    assert_eq!(schema(&books), before);
    assert_eq!(repo::migrate(&books.database.url).unwrap(), Vec::<String>::new());
}

#[test]
fn instances_that_migrate_at_once_wait_for_each_other() {
    let books = Books::new();
    repo::revert_all(&mut books.database.connect()).unwrap();
    let ran: Vec<usize> = std::thread::scope(|scope| {
        let url = &books.database.url;
        let instances: Vec<_> = (0..4).map(|_| scope.spawn(move || repo::migrate(url).unwrap().len())).collect();
        instances.into_iter().map(|instance| instance.join().unwrap()).collect()
    });
    assert_eq!(ran.iter().filter(|count| **count > 0).count(), 1, "{ran:?}");
}

#[test]
fn an_index_whose_building_was_broken_off_is_built_anew() {
    let books = Books::new();
    let before = schema(&books);
    // As a killed `create index concurrently` leaves it.
    let broken_off = "update pg_index set indisvalid = false where indexrelid = 'assets_single_index'::regclass;
         delete from __diesel_schema_migrations where version = '20261126000038'";
    books.database.connect().batch_execute(broken_off).unwrap();
    assert_eq!(repo::migrate(&books.database.url).unwrap().len(), 1);
    assert_eq!(schema(&books), before);
    assert_eq!(
        books.words("select indexrelid::regclass::text from pg_index where not indisvalid"),
        Vec::<String>::new()
    );
}

-- Proofs of the books: when each began and ended, and what it said.
create table proofs (
    id bigint generated always as identity constraint proofs_pkey primary key,
    -- Nobody where the job or the command line asked for it.
    asked_by bigint
        constraint proofs_asked_by_fkey references users (id),
    started_at timestamptz not null,
    -- How many of the promises are checked, and how many there are.
    checked integer not null default 0
        constraint proofs_checked check (checked >= 0),
    promises integer not null
        constraint proofs_promises check (promises >= checked),
    finished_at timestamptz,
    -- The trial balances and the checks; none where it did not come to its end.
    verdict jsonb,
    constraint proofs_end_later check (finished_at >= started_at),
    constraint proofs_have_an_end check (verdict is null or finished_at is not null)
);
